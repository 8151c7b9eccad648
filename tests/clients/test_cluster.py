"""
Three nodes with what may happen to them. Each test leaves a cluster behind that is whole again.

Runs against Apache Kafka with --broker kafka; --cluster-quorum static for controller.quorum.voters.
"""

import json
import subprocess
import threading
import time

import cluster as clusters
import cluster_failover
import cluster_load
import harness
import pytest
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic


@pytest.fixture(scope="session")
def kind(request):
    kind = request.config.getoption("--broker")
    if not clusters.has_what_it_needs(kind):
        pytest.skip("needs the broker's programs")
    return kind


@pytest.fixture(scope="session")
def shared_cluster(kind, request):
    cluster = clusters.Cluster(kind, shards=request.config.getoption("--shards"),
                               quorum=request.config.getoption("--cluster-quorum"))
    with cluster:
        yield cluster


@pytest.fixture
def cluster(shared_cluster):
    shared_cluster.heal()
    yield shared_cluster


def new_admin(cluster):
    return AdminClient({"bootstrap.servers": cluster.bootstrap, "logger": cluster_load.Quiet()})


@pytest.fixture
def admin(cluster):
    return new_admin(cluster)


def create(cluster, admin, topic, partitions=1, replicas=3, **config):
    config = {k.replace("_", "."): str(v) for k, v in config.items()}
    admin.create_topics([NewTopic(topic, partitions, replicas, config=config)])[topic].result(30)
    cluster.wait_isr(topic)


def producer(cluster, **config):
    return Producer({"bootstrap.servers": cluster.bootstrap, "acks": "all", "linger.ms": 0,
                     "logger": cluster_load.Quiet(),
                     **{k.replace("_", "."): v for k, v in config.items()}})


def send(client, topic, values, partition=0, timeout_s=60):
    """The errors of the deliveries, None for what was acknowledged."""
    outcomes = []
    for value in values:
        client.produce(topic, value, partition=partition,
                       on_delivery=lambda e, m: outcomes.append(e and e.name()))
    assert client.flush(timeout_s) == 0
    return outcomes


def consumer(cluster, group="nobody", **config):
    return Consumer({"bootstrap.servers": cluster.bootstrap, "group.id": group,
                     "enable.auto.commit": False, "auto.offset.reset": "earliest",
                     "logger": cluster_load.Quiet(),
                     **{k.replace("_", "."): v for k, v in config.items()}})


def read(cluster, topic, count, partition=0, timeout_s=60):
    client = consumer(cluster)
    client.assign([TopicPartition(topic, partition, 0)])
    values = take(client, count, timeout_s)
    client.close()
    return values


def take(client, count, timeout_s=60):
    values = []
    deadline = time.monotonic() + timeout_s
    while len(values) < count and time.monotonic() < deadline:
        values += [m.value() for m in client.consume(500, timeout=0.2) if m.error() is None]
    return values


# ---- Failover --------------------------------------------------------------------------------------


def test_producers_and_consumers_go_on_when_the_leader_dies(cluster, admin, topic):
    create(cluster, admin, topic)
    load = cluster_load.Load(cluster, topic, rate=500)
    client = consumer(cluster)
    client.assign([TopicPartition(topic, 0, 0)])
    load.start()
    load.wait_for_acks(200)
    seen = take(client, 100)
    leader = cluster.leader_of(topic, 0)
    cluster.kill(leader)
    load.wait_for_acks(200, timeout_s=60)
    assert cluster.leader_of(topic, 0) != leader
    cluster.start_node(leader)
    cluster.wait_isr(topic)
    load.finish()
    seen += take(client, load.sent - len(seen))
    client.close()
    assert load.failed == []
    assert [int(value.split(b" ")[1]) for value in seen] == list(range(load.sent))
    assert load.acks() == load.sent


def test_producers_go_on_when_the_active_controller_dies(cluster, admin, topic):
    """
    librdkafka's admin client waits for the node that it was told to be the controller, any node of
    the cluster, until that one is back: what is created after the kill needs another client.
    """
    create(cluster, admin, topic, partitions=3)
    load = cluster_load.Load(cluster, topic, partitions=3, rate=500)
    load.start()
    load.wait_for_acks(50)
    old = cluster.active_controller()
    epoch = cluster.quorum().epoch
    cluster.kill(old)
    assert cluster.active_controller() != old
    assert cluster.quorum().epoch > epoch
    load.wait_for_acks(100, timeout_s=60)
    create_after = f"{topic}-after"
    another = new_admin(cluster)
    another.create_topics([NewTopic(create_after, 1, 2)])[create_after].result(30)
    cluster.start_node(old)
    cluster.wait_isr(topic)
    load.finish()
    assert load.failed == []
    assert load.acks() == load.sent


def test_a_group_survives_its_coordinator_and_keeps_its_offsets(cluster, admin, topic, group):
    create(cluster, admin, topic, partitions=2)
    client = producer(cluster)
    for partition in range(2):
        assert set(send(client, topic, [b"%d" % i for i in range(50)], partition)) == {None}
    member = consumer(cluster, group, session_timeout_ms=6000)
    member.subscribe([topic])
    assert len(take(member, 100)) == 100
    member.commit(offsets=[TopicPartition(topic, p, 30 + p) for p in range(2)], asynchronous=False)
    coordinator = cluster.coordinator_of(group)
    cluster.kill(coordinator)
    assert cluster.coordinator_of(group) != coordinator

    def committed():
        other = consumer(cluster, group)
        try:
            return [tp.offset for tp in other.committed(
                [TopicPartition(topic, p) for p in range(2)], timeout=20)]
        except KafkaException:
            return None
        finally:
            other.close()

    assert clusters.wait_until("the committed offsets", committed) == [30, 31]
    for partition in range(2):
        assert set(send(client, topic, [b"more"] * 5, partition)) == {None}
    # The member goes on where it was, or from the commit when its session had ended.
    seen = []
    clusters.wait_until("the new records", lambda: seen.extend(take(member, 1)) or
                        seen.count(b"more") == 10)
    member.commit(asynchronous=False)
    member.close()
    cluster.heal()
    assert committed() == [55, 55]


# ---- What is refused -------------------------------------------------------------------------------


def test_too_few_replicas_are_told_and_it_goes_on_with_enough(cluster, admin, topic):
    create(cluster, admin, topic, min_insync_replicas=3)
    leader = cluster.leader_of(topic, 0)
    follower = next(i for i in cluster.ids if i not in (leader, cluster.active_controller()))
    client = producer(cluster, retries=0, message_timeout_ms=10000)
    assert send(client, topic, [b"first"]) == [None]
    cluster.kill(follower)
    cluster.wait_isr(topic, 2)
    assert send(client, topic, [b"refused"]) == ["NOT_ENOUGH_REPLICAS"]
    cluster.start_node(follower)
    cluster.wait_isr(topic)
    assert send(client, topic, [b"second"]) == [None]
    assert read(cluster, topic, 2) == [b"first", b"second"]


def test_a_single_node_acknowledges_nothing_and_two_go_on(cluster, admin, topic):
    create(cluster, admin, topic)
    client = producer(cluster)
    assert send(client, topic, [b"first"]) == [None]
    leader = cluster.leader_of(topic, 0)
    gone = [i for i in cluster.ids if i != leader]
    for node in gone:
        cluster.kill(node)
    outcomes = []
    client.produce(topic, b"second", on_delivery=lambda e, m: outcomes.append(e))
    assert client.flush(4) == 1 and outcomes == []
    cluster.start_node(gone[0], wait=False)
    assert client.flush(60) == 0 and outcomes == [None]
    cluster.heal()
    assert read(cluster, topic, 2) == [b"first", b"second"]


# ---- No elections without need ---------------------------------------------------------------------


def test_a_follower_that_comes_and_goes_causes_no_election(cluster, admin, topic):
    create(cluster, admin, topic)
    leader = cluster.leader_of(topic, 0)
    busy = {leader, cluster.active_controller()}
    follower = next(i for i in cluster.ids if i not in busy)
    before = (cluster.quorum().epoch, cluster.partition(topic, 0).leader_epoch)
    client = producer(cluster)
    cluster.pause(follower)
    time.sleep(1)
    cluster.resume(follower)
    for stop in (cluster.kill, cluster.stop):
        stop(follower)
        assert send(client, topic, [b"x"]) == [None]
        cluster.start_node(follower)
        cluster.wait_isr(topic)
    assert (cluster.quorum().epoch, cluster.partition(topic, 0).leader_epoch) == before


def test_a_rolling_restart_shows_no_error(cluster, admin, topic):
    create(cluster, admin, topic, partitions=3)
    load = cluster_load.Load(cluster, topic, partitions=3, rate=500)
    load.start()
    load.wait_for_acks(50)
    for node in cluster.ids:
        assert cluster.stop(node) in ((0,) if cluster.kind == "barnabas" else (0, 143))
        cluster.start_node(node)
        cluster.wait_isr(topic)
        load.wait_for_acks(20)
    load.finish()
    assert load.failed == []
    assert load.acks() == load.sent


# ---- Kafka's tools ---------------------------------------------------------------------------------


def tool(cluster, name, *args, **kwargs):
    return harness.run_tool(name, "--bootstrap-server", cluster.bootstrap, *args, **kwargs).stdout


def test_the_quorum_is_described(cluster, java_tools):
    text = tool(cluster, "kafka-metadata-quorum", "describe", "--status")
    status = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
    assert status["ClusterId"].strip() == cluster.cluster_id
    assert int(status["LeaderId"]) == cluster.active_controller()
    assert int(status["LeaderEpoch"]) == cluster.quorum().epoch
    voters = status["CurrentVoters"]
    assert all(f'"id": {i}' in voters for i in cluster.ids) or voters.strip() == "[1,2,3]", voters
    text = tool(cluster, "kafka-metadata-quorum", "describe", "--replication")
    rows = [line.split() for line in text.splitlines() if line[:1].isdigit()]
    assert sorted(int(row[0]) for row in rows) == cluster.ids
    assert sorted(row[-1] for row in rows) == ["Follower", "Follower", "Leader"]


def test_under_replicated_partitions_are_listed(cluster, admin, topic, java_tools):
    create(cluster, admin, topic, partitions=2)
    args = ["--describe", "--under-replicated-partitions"]
    assert topic not in tool(cluster, "kafka-topics", *args)
    node = next(i for i in cluster.ids if i != cluster.active_controller())
    cluster.kill(node)
    cluster.wait_isr(topic, 2)
    rows = [line for line in tool(cluster, "kafka-topics", *args).splitlines() if topic in line]
    assert len(rows) == 2 and all(f"Isr: {node}" not in row for row in rows), rows
    cluster.start_node(node)
    cluster.wait_isr(topic)
    assert topic not in tool(cluster, "kafka-topics", *args)


def test_the_preferred_leader_gets_its_partition_back(cluster, admin, topic, java_tools):
    create(cluster, admin, topic)
    preferred = cluster.partition(topic, 0).replicas[0]
    cluster.restart(preferred)
    cluster.wait_isr(topic)
    assert cluster.leader_of(topic, 0) != preferred
    text = tool(cluster, "kafka-leader-election", "--election-type", "preferred",
                "--topic", topic, "--partition", 0)
    assert "uccessfully" in text, text
    clusters.wait_until("the preferred leader", lambda: cluster.leader_of(topic, 0) == preferred)
    assert send(producer(cluster), topic, [b"x"]) == [None]
    assert read(cluster, topic, 1) == [b"x"]


def test_a_partition_moves_to_other_nodes_with_its_records(cluster, admin, topic, java_tools, tmp_path):
    create(cluster, admin, topic, replicas=2)
    values = [b"%d" % i for i in range(200)]
    assert set(send(producer(cluster), topic, values)) == {None}
    old = cluster.partition(topic, 0).replicas
    new = [next(i for i in cluster.ids if i not in old), old[0]]
    plan = tmp_path / "plan.json"
    plan.write_text(json.dumps({"version": 1, "partitions": [
        {"topic": topic, "partition": 0, "replicas": new}]}))
    text = tool(cluster, "kafka-reassign-partitions", "--reassignment-json-file", plan, "--execute")
    assert "Successfully started" in text, text
    clusters.wait_until("the move", lambda: cluster.partition(topic, 0).replicas == new
                        and set(cluster.partition(topic, 0).isr) == set(new))
    text = tool(cluster, "kafka-reassign-partitions", "--reassignment-json-file", plan, "--verify")
    assert "is completed" in text, text
    assert read(cluster, topic, 200) == values
    gone = cluster.nodes[next(i for i in old if i not in new)]
    clusters.wait_until("the old replica to go",
                        lambda: not (gone.data / f"{topic}-0").exists())


def configs(cluster, kind, name):
    return tool(cluster, "kafka-configs", "--describe", "--entity-type", kind, "--entity-name", name)


def test_a_move_is_throttled_and_the_throttle_is_taken_away(cluster, admin, topic, java_tools, tmp_path):
    """Without a throttle all of it is there at once; with a low one, one fetch each
    eleven seconds (the windows of the rate) gets at most 1 MiB."""
    size = 8 << 20
    create(cluster, admin, topic, replicas=2)
    client = producer(cluster)
    assert set(send(client, topic, [bytes(1 << 16)] * (size >> 16))) == {None}
    old = cluster.partition(topic, 0).replicas
    new = [next(i for i in cluster.ids if i not in old), old[0]]
    log = cluster.nodes[new[0]].data / f"{topic}-0" / "00000000000000000000.log"
    plan = tmp_path / "plan.json"
    plan.write_text(json.dumps({"version": 1, "partitions": [
        {"topic": topic, "partition": 0, "replicas": new}]}))
    args = ["kafka-reassign-partitions", "--reassignment-json-file", plan]
    assert "Successfully started" in tool(cluster, *args, "--execute", "--throttle", 10000)
    assert f"0:{old[0]}" in configs(cluster, "topics", topic)
    assert "throttled.rate=10000" in configs(cluster, "brokers", new[0])
    clusters.wait_until("the first records", lambda: log.exists() and log.stat().st_size > 0)
    # Those in sync are not slowed down.
    assert set(send(client, topic, [b"x" * 100] * 100)) == {None}
    assert "still in progress" in tool(cluster, *args, "--verify")
    assert log.stat().st_size < size // 2
    tool(cluster, *args, "--execute", "--additional", "--throttle", 1 << 30)
    clusters.wait_until("the move", lambda: cluster.partition(topic, 0).replicas == new
                        and set(cluster.partition(topic, 0).isr) == set(new))
    assert "is completed" in tool(cluster, *args, "--verify")
    assert "throttled" not in configs(cluster, "brokers", new[0])
    assert "throttled.replicas=0:" not in configs(cluster, "topics", topic)
    assert len(read(cluster, topic, (size >> 16) + 100)) == (size >> 16) + 100


def without_java(cluster, name, *args):
    done = subprocess.run(
        [name + ".sh", "--bootstrap-server", cluster.bootstrap, *map(str, args)],
        executable=harness.BARNABAS.parent / "barnabasctl", capture_output=True, text=True,
        timeout=120)  # fmt: skip
    return done.stdout


def test_moves_are_begun_told_and_cancelled_without_a_jvm(cluster, admin, topic, java_tools, tmp_path):
    """What barnabasctl prints as kafka-reassign-partitions is what Kafka's tool prints."""
    create(cluster, admin, topic, replicas=2)
    assert set(send(producer(cluster), topic, [bytes(1 << 16)] * 128)) == {None}
    old = cluster.partition(topic, 0).replicas
    new = [next(i for i in cluster.ids if i not in old), old[0]]
    plan = tmp_path / "plan.json"
    plan.write_text(json.dumps({"version": 1, "partitions": [
        {"topic": topic, "partition": 0, "replicas": new}]}))
    args = ["kafka-reassign-partitions", "--reassignment-json-file", plan]
    try:
        assert "Successfully started" in without_java(cluster, *args, "--execute", "--throttle", 10000)
        assert f"leader.replication.throttled.replicas=0:{old[0]},0:{old[1]}" in configs(
            cluster, "topics", topic) or old != sorted(old)
        assert f"follower.replication.throttled.replicas=0:{new[0]}" in configs(cluster, "topics", topic)
        for rest in (["--list"], ["--reassignment-json-file", plan, "--verify"],
                     ["--reassignment-json-file", plan, "--execute"]):
            ours = without_java(cluster, "kafka-reassign-partitions", *rest)
            assert ours == tool(cluster, "kafka-reassign-partitions", *rest, check=False)
        assert "Successfully cancelled partition reassignment for: " in without_java(
            cluster, *args, "--cancel")
        assert "No partition reassignments found." in without_java(
            cluster, "kafka-reassign-partitions", "--list")
        assert "throttled" not in configs(cluster, "brokers", new[0])
    finally:
        without_java(cluster, *args, "--cancel")
    topics = tmp_path / "topics.json"
    topics.write_text(json.dumps({"version": 1, "topics": [{"topic": topic}]}))
    text = without_java(cluster, "kafka-reassign-partitions", "--generate",
                        "--topics-to-move-json-file", topics, "--broker-list", "1,2,3")
    proposed = json.loads(text.split("Proposed partition reassignment configuration\n")[1])
    replicas = proposed["partitions"][0]["replicas"]
    assert len(set(replicas)) == 2 and set(replicas) <= set(cluster.ids)


def test_features_and_the_cluster_id_are_told(cluster, java_tools):
    text = tool(cluster, "kafka-features", "describe")
    assert "Feature: metadata.version" in text, text
    text = harness.run_tool("kafka-cluster", "cluster-id", "--bootstrap-server", cluster.bootstrap).stdout
    assert text.strip() == f"Cluster ID: {cluster.cluster_id}"


def use_tools(cluster, name):
    """What people do with Kafka's tools and kcat, with a topic of this name."""
    created = tool(cluster, "kafka-topics", "--create", "--topic", name, "--partitions", 2,
                   "--replication-factor", 2)
    assert f"Created topic {name}." in created, created
    lines = [f"{name} {i}" for i in range(100)]
    tool(cluster, "kafka-console-producer", "--topic", name, stdin="\n".join(lines) + "\n")
    read_back = tool(cluster, "kafka-console-consumer", "--topic", name, "--from-beginning",
                     "--group", f"{name}-group", "--max-messages", 100, "--timeout-ms", 60000)
    assert sorted(read_back.split("\n")[:100]) == sorted(lines), read_back[:300]
    described = tool(cluster, "kafka-consumer-groups", "--describe", "--group", f"{name}-group")
    rows = [line.split() for line in described.splitlines() if line.startswith(f"{name}-group")]
    # No lag, and all is read; of a partition without records the consumer may have no position yet.
    assert {row[5] for row in rows} == {"0"} and sum(int(row[3]) for row in rows) == 100, described
    offsets = tool(cluster, "kafka-get-offsets", "--topic", name)
    assert sum(int(line.split(":")[2]) for line in offsets.split()) == 100, offsets
    assert len(harness.kcat(cluster, "-C", "-t", name, "-e", "-q").stdout.splitlines()) == 100


def test_tools_work_before_while_and_after_a_node_is_gone(cluster, topic, java_tools):
    use_tools(cluster, f"{topic}-before")
    victim = cluster.active_controller()
    cluster.kill(victim)
    use_tools(cluster, f"{topic}-while")
    cluster.heal()
    use_tools(cluster, f"{topic}-after")


# ---- Whole cluster ---------------------------------------------------------------------------------


def test_nothing_is_lost_when_all_nodes_are_killed_at_once(cluster, admin, topic):
    create(cluster, admin, topic, partitions=2)
    load = cluster_load.Load(cluster, topic, partitions=2, rate=1000)
    load.start()
    load.wait_for_acks(200)
    for node in cluster.ids:
        cluster.kill(node)
    cluster.start()
    load.wait_for_acks(50, timeout_s=60)
    load.finish()
    cluster.wait_isr(topic)
    assert load.failed == []
    cluster.stop_all()
    wrong, _ = cluster_load.audit(cluster, load)
    assert wrong == []


def test_a_node_that_missed_a_topics_end_and_its_new_beginning_follows_it(kind, topic):
    """It was stopped with the old one's records, and the new metadata came to it in a snapshot."""
    with clusters.Cluster(kind, metadata_log_max_record_bytes_between_snapshots=500) as cluster:
        admin = AdminClient({"bootstrap.servers": cluster.bootstrap, "logger": cluster_load.Quiet()})
        create(cluster, admin, topic)
        assert set(send(producer(cluster), topic, [b"old"] * 50)) == {None}
        cluster.wait_isr(topic)
        node = next(i for i in cluster.ids if i != cluster.active_controller())
        cluster.stop(node)
        admin = AdminClient({"bootstrap.servers": ",".join(
            f"127.0.0.1:{cluster.ports[i]}" for i in cluster.running()), "logger": cluster_load.Quiet()})
        admin.delete_topics([topic])[topic].result(60)
        clusters.wait_until("the topic to go", lambda: all(
            not (cluster.nodes[i].data / f"{topic}-0").exists() for i in cluster.running()))
        # By itself the controller gives no replica to a broker that has shut down.
        admin.create_topics([NewTopic(topic, 1, replica_assignment=[list(cluster.ids)])])[topic].result(60)
        values = [b"%d" % i for i in range(20)]
        assert set(send(producer(cluster), topic, values)) == {None}
        for i in range(20):  # further snapshots
            admin.create_topics([NewTopic(f"{topic}-{i}", 1, 2)])[f"{topic}-{i}"].result(60)
        cluster.start_node(node)
        cluster.wait_isr(topic)
        assert read(cluster, topic, 20) == values


def test_a_node_that_lost_its_disk_is_filled_again(kind, topic):
    with clusters.Cluster(kind, controller_quorum_auto_join_enable="true") as cluster:
        admin = new_admin(cluster)
        create(cluster, admin, topic)
        values = [b"%d" % i for i in range(500)]
        client = producer(cluster)
        assert set(send(client, topic, values)) == {None}
        busy = {cluster.leader_of(topic, 0), cluster.active_controller()}
        node = next(i for i in cluster.ids if i not in busy)
        cluster.kill(node)
        cluster.wipe(node)
        cluster.start_node(node)
        cluster.wait_isr(topic)
        assert set(send(client, topic, [b"more"])) == {None}

        def votes():  # with its new disk: the voter it was before is not heard of any more
            quorum = cluster.quorum()
            return quorum.voters.get(node, -1) >= quorum.high_watermark - 5

        clusters.wait_until("the node among the voters", votes)
        cluster.stop_all()
        logs = [cluster_load.read_log(n.data / f"{topic}-0") for n in cluster.nodes.values()]
        assert [v for _, v in logs[0]] == [v.decode() for v in values] + ["more"]
        assert logs[0] == logs[1] == logs[2]


# ---- The audit's own eyes --------------------------------------------------------------------------

GOOD = [(0, "0 5 ."), (1, "0 7 ."), (2, "0 9 .")]
ACKNOWLEDGED = {5: 0, 7: 1, 9: 2}


def verdict(*copies, acknowledged=ACKNOWLEDGED):
    wrong = cluster_load.audit_partition(0, dict(enumerate(copies, 1)), acknowledged)
    return set(cluster_load.kinds(wrong))


def test_the_audit_passes_a_good_history():
    assert verdict(GOOD, GOOD, GOOD) == set()


def test_the_audit_sees_each_anomaly():
    assert verdict(GOOD, GOOD[:2], GOOD) == {"lost", "different"}
    assert verdict(GOOD, GOOD[:2], GOOD, acknowledged={5: 0}) == {"different"}
    twice = [*GOOD, (3, "0 9 .")]
    assert verdict(twice, twice) == {"duplicated"}
    assert verdict([GOOD[0], GOOD[2]], acknowledged={}) == {"torn"}
    swapped = [(0, "0 7 ."), (1, "0 5 ."), (2, "0 9 .")]
    assert verdict(swapped, acknowledged={}) == {"reordered"}
    assert verdict(swapped) == {"reordered", "moved"}
    assert verdict(GOOD, swapped, acknowledged={}) == {"reordered", "different"}


def test_the_longest_gap_is_the_longest_that_touches_the_time():
    load = cluster_load.Load.__new__(cluster_load.Load)
    threading.Thread.__init__(load)
    load.ack_times = [[1.0, 1.1, 3.0, 3.1, 3.2, 9.0]]
    assert load.longest_gap(1.5, 3.15) == pytest.approx(1.9)
    assert load.longest_gap(3.05, 3.15) == pytest.approx(0.1)
    assert load.longest_gap(3.05, 5) == pytest.approx(5.8)
    assert load.longest_gap(9.5, 12) == pytest.approx(3.0)
    assert load.longest_gap(1.5, 3.15, touching=False) == pytest.approx(0.1)
    assert load.longest_gap(9.5, 12, touching=False) == 0


def test_percentiles_are_of_what_was_measured():
    assert cluster_failover.percentile([3, 1, 2], 50) == 2
    assert cluster_failover.percentile(range(1, 101), 99) == 100
