"""Several log directories: where partitions go, and one that fails, which is taken out alone."""

import contextlib
import json
import pathlib

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

import cluster as clusters
import cluster_load
import harness
import wire
from hostile import wait_until
from test_cluster import create, producer, read as read_cluster, send
from test_librdkafka import create_topic

NODE_ID = 1


@pytest.fixture
def dirs(new_broker):
    """A broker with two log directories, of which the first has the metadata."""
    broker = new_broker(log_flush_offset_checkpoint_interval_ms=100,
                        replica_high_watermark_checkpoint_interval_ms=100)
    broker.more = broker.directory / "more"
    broker.extra["log.dirs"] = f"{broker.data},{broker.more}"
    broker.start()
    yield broker
    broker.stop()


def log_dirs(broker):
    """Path -> (error, {topic: {partition: entry}}, total bytes, usable bytes)."""
    with wire.Wire(broker.port) as connection:
        answer = connection.ask("DescribeLogDirs", 4, {"Topics": None})
    assert answer["ErrorCode"] == 0
    return {
        result["LogDir"]: (
            result["ErrorCode"],
            {t["Name"]: {p["PartitionIndex"]: p for p in t["Partitions"]} for t in result["Topics"]},
            result["TotalBytes"],
            result["UsableBytes"],
        )
        for result in answer["Results"]
    }


def partitions_in(broker, path, topic):
    return sorted(log_dirs(broker)[str(path)][1].get(topic, {}))


def produce(broker, topic, partition, value):
    """The name of the error, None when it was acknowledged."""
    outcomes = []
    producer = Producer({"bootstrap.servers": broker.bootstrap, "message.timeout.ms": 3000})
    producer.produce(topic, value, partition=partition,
                     on_delivery=lambda e, m: outcomes.append(e and e.name()))
    assert producer.flush(30) == 0
    return outcomes[0]


def read(broker, topic, partition, count):
    consumer = Consumer({"bootstrap.servers": broker.bootstrap, "group.id": "nobody"})
    consumer.assign([TopicPartition(topic, partition, 0)])
    try:
        return [m.value() for m in consumer.consume(count, timeout=30)]
    finally:
        consumer.close()


def take_away(broker):
    """The second directory's disk is gone: something else stands in its place."""
    broker.more.rename(broker.directory / "gone")
    broker.more.write_text("")


def bring_back(broker):
    broker.more.unlink()
    (broker.directory / "gone").rename(broker.more)


def test_new_partitions_go_where_the_fewest_are(dirs, topic):
    create_topic(dirs, topic, 10)
    wait_until(lambda: len(partitions_in(dirs, dirs.data, topic)) == 5)
    assert len(partitions_in(dirs, dirs.more, topic)) == 5
    for path in (dirs.data, dirs.more):
        error, _, total, usable = log_dirs(dirs)[str(path)]
        assert error == 0 and total >= usable > 0
    before = partitions_in(dirs, dirs.more, topic)
    dirs.restart()
    wait_until(lambda: partitions_in(dirs, dirs.more, topic) == before)


def test_a_directory_that_fails_is_taken_out_alone_and_comes_back(dirs, topic):
    create_topic(dirs, topic, 4)
    for partition in range(4):
        assert produce(dirs, topic, partition, b"before") is None
    lost = partitions_in(dirs, dirs.more, topic)
    kept = partitions_in(dirs, dirs.data, topic)
    assert len(lost) == len(kept) == 2
    take_away(dirs)
    for partition in kept + lost:  # a checkpoint is due
        produce(dirs, topic, partition, b"meanwhile")
    wait_until(lambda: log_dirs(dirs)[str(dirs.more)][0] == 56)
    for partition in kept:
        assert produce(dirs, topic, partition, b"after") is None
    for partition in lost:
        assert produce(dirs, topic, partition, b"after") is not None
    assert log_dirs(dirs)[str(dirs.more)][1] == {}
    assert partitions_in(dirs, dirs.data, topic) == kept

    # A start on what is left: nothing begins anew in the other directory.
    dirs.restart()
    assert log_dirs(dirs)[str(dirs.more)][0] == 56
    for partition in kept:
        assert read(dirs, topic, partition, 3) == [b"before", b"meanwhile", b"after"]
    assert partitions_in(dirs, dirs.data, topic) == kept
    create_topic(dirs, topic + "-new", 2)
    wait_until(lambda: partitions_in(dirs, dirs.data, topic + "-new") == [0, 1])

    dirs.stop()
    bring_back(dirs)
    dirs.start()
    wait_until(lambda: partitions_in(dirs, dirs.more, topic) == lost)
    for partition in lost:
        assert read(dirs, topic, partition, 1) == [b"before"]
        wait_until(lambda: produce(dirs, topic, partition, b"again") is None)


def test_a_node_whose_last_directory_fails_ends(dirs, only_barnabas):
    create_topic(dirs, "any", 4)
    take_away(dirs)
    dirs.data.rename(dirs.directory / "gone too")
    dirs.data.write_text("")
    with contextlib.suppress(Exception):
        produce(dirs, "any", 0, b"x")
    wait_until(lambda: dirs.process.poll() is not None)
    assert dirs.process.returncode == 5
    dirs.process = None


def test_the_metadata_has_a_directory_of_its_own(new_broker, topic):
    broker = new_broker()
    metadata = broker.directory / "metadata"
    broker.extra["metadata.log.dir"] = str(metadata)
    broker.start()
    create_topic(broker, topic, 2)
    assert produce(broker, topic, 0, b"x") is None
    assert (metadata / "__cluster_metadata-0").is_dir()
    assert not (broker.data / "__cluster_metadata-0").exists()
    assert set(log_dirs(broker)) == {str(broker.data)}
    broker.restart()
    assert read(broker, topic, 0, 1) == [b"x"]
    broker.stop()


# ---- Moving a replica ------------------------------------------------------------------------------


def reassign(broker, tmp_path, topic, path, *options):
    plan = tmp_path / "plan.json"
    plan.write_text(json.dumps({"version": 1, "partitions": [
        {"topic": topic, "partition": 0, "replicas": [NODE_ID], "log_dirs": [str(path)]}]}))
    done = harness.run_tool("kafka-reassign-partitions", "--bootstrap-server", broker.bootstrap,
                            "--reassignment-json-file", plan, *options, check=False)
    return done.stdout + done.stderr


def where(broker, topic):
    """Path -> whether it is the copy (Kafka's "future" replica) that lies there, and how far behind."""
    return {path: (entry["IsFutureKey"], entry["OffsetLag"])
            for path, (_, topics, _, _) in log_dirs(broker).items()
            for entry in topics.get(topic, {}).values()}


def test_kafkas_tool_moves_a_replica_to_another_directory(dirs, topic, java_tools, tmp_path):
    """With a throttle it takes long; killed in the middle, the node goes on when it is back."""
    create_topic(dirs, topic, 1)
    values = [b"%05d" % i + bytes(10000) for i in range(1000)]
    sender = Producer({"bootstrap.servers": dirs.bootstrap, "batch.size": 100000})
    for value in values:
        sender.produce(topic, value, partition=0)
    assert sender.flush(60) == 0
    old, = where(dirs, topic)
    new = str(dirs.more if old == str(dirs.data) else dirs.data)

    text = reassign(dirs, tmp_path, topic, new, "--execute",
                    "--replica-alter-log-dirs-throttle", 100000)
    assert "Successfully started moving log directory to" in text, text
    now = where(dirs, topic)
    assert now[old] == (False, 0) and now[new][0] and now[new][1] > 0
    text = reassign(dirs, tmp_path, topic, new, "--verify", "--preserve-throttles")
    assert "is still in progress" in text, text
    text = harness.run_tool("kafka-log-dirs", "--bootstrap-server", dirs.bootstrap, "--describe",
                            "--topic-list", topic).stdout
    assert '"isFuture":true' in text, text
    assert produce(dirs, topic, 0, b"meanwhile") is None

    if isinstance(dirs, harness.ApacheKafka):
        dirs.restart()
    else:
        dirs.kill()
        dirs.start()
    assert where(dirs, topic)[old] == (False, 0)
    assert produce(dirs, topic, 0, b"after") is None
    text = reassign(dirs, tmp_path, topic, new, "--execute", "--additional",
                    "--replica-alter-log-dirs-throttle", 1 << 30)
    wait_until(lambda: where(dirs, topic) == {new: (False, 0)}, timeout_s=60)
    text = reassign(dirs, tmp_path, topic, new, "--verify")
    assert "completed successfully" in text, text
    assert read(dirs, topic, 0, 1002) == [*values, b"meanwhile", b"after"]
    assert produce(dirs, topic, 0, b"at last") is None
    dirs.restart()
    assert where(dirs, topic) == {new: (False, 0)}
    assert read(dirs, topic, 0, 1003)[-1] == b"at last"


def test_a_directory_that_is_not_there_is_no_destination(dirs, topic):
    create_topic(dirs, topic, 1)

    def ask(path, name):
        with wire.Wire(dirs.port) as connection:
            answer = connection.ask("AlterReplicaLogDirs", 2, {"Dirs": [
                {"Path": str(path), "Topics": [{"Name": name, "Partitions": [0]}]}]})
        return answer["Results"][0]["Partitions"][0]["ErrorCode"]

    assert ask("/nowhere", topic) == 57  # LOG_DIR_NOT_FOUND
    assert ask(dirs.more, topic + "-unknown") == 3
    wait_until(lambda: where(dirs, topic))
    old, = where(dirs, topic)
    assert ask(old, topic) == 0
    assert where(dirs, topic) == {old: (False, 0)}


# ---- A cluster -------------------------------------------------------------------------------------


@pytest.fixture
def three(request):
    """Three nodes with two log directories each."""
    cluster = clusters.Cluster(request.config.getoption("--broker"),
                               log_flush_offset_checkpoint_interval_ms=100)
    for node in cluster.nodes.values():
        node.more = pathlib.Path(node.directory) / "more"
        node.extra["log.dirs"] = f"{node.data},{node.more}"
    with cluster:
        yield cluster


def offline_at(cluster, node, topic, partitions):
    return [p for p in partitions if node in cluster.partition(topic, p).offline]


def test_leaders_leave_a_directory_that_fails_and_replicas_return_on_a_new_disk(three, topic):
    admin = AdminClient({"bootstrap.servers": three.bootstrap, "logger": cluster_load.Quiet()})
    create(three, admin, topic, partitions=6, min_insync_replicas=2)
    client = producer(three)
    for partition in range(6):
        assert send(client, topic, [b"before"], partition) == [None]
    failing = next(i for i in three.ids if i != three.active_controller())
    node = three.nodes[failing]
    take_away(node)
    for partition in range(6):  # a checkpoint is due
        assert send(client, topic, [b"meanwhile"], partition) == [None]
    clusters.wait_until("the failed directory", lambda: log_dirs(node)[str(node.more)][0] == 56)
    clusters.wait_until("the controller's knowledge",
                        lambda: len(offline_at(three, failing, topic, range(6))) == 3)
    lost = offline_at(three, failing, topic, range(6))
    for partition in range(6):
        three.leader_of(topic, partition)
        assert send(client, topic, [b"after"], partition) == [None]
    assert all(three.leader_of(topic, p) != failing for p in lost)
    assert node.process.poll() is None

    # The disk is lost, and an empty one in its place.
    three.stop(failing)
    node.more.unlink()
    node.more.mkdir()
    three.start_node(failing)
    three.wait_isr(topic)
    assert set(log_dirs(node)[str(node.data)][1][topic]) | set(
        log_dirs(node)[str(node.more)][1].get(topic, {})) == set(range(6))
    for partition in range(6):
        assert read_cluster(three, topic, 3, partition) == [b"before", b"meanwhile", b"after"]
