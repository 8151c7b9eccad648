"""Settings that operators rely on: deletion and creation of topics, racks."""

import contextlib
import shutil
import uuid

import pytest
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

import cluster as clusters
import cluster_load
import wire
from test_librdkafka import create_topic, produce


def topic_errors(port, name, create):
    with wire.Wire(port) as connection:
        answer = connection.ask("Metadata", 9, {
            "Topics": [{"Name": name}], "AllowAutoTopicCreation": create})
    return answer["Topics"][0]["ErrorCode"], len(answer["Topics"][0]["Partitions"])


@pytest.fixture
def strict(new_broker):
    broker = new_broker(delete_topic_enable="false", auto_create_topics_enable="false").start()
    yield broker
    broker.stop()


def test_topics_cannot_be_deleted_where_that_is_disabled(strict, topic):
    create_topic(strict, topic)
    with wire.Wire(strict.port) as connection:
        answer = connection.ask("DeleteTopics", 4, {"TopicNames": [topic], "TimeoutMs": 5000})
        assert [r["ErrorCode"] for r in answer["Responses"]] == [73]
    assert topic_errors(strict.port, topic, create=False) == (0, 1)


def first_metadata(port):
    """What the first request that gets an answer is told: (controller, number of brokers)."""
    while True:
        with contextlib.suppress(OSError, EOFError), wire.Wire(port) as connection:
            answer = connection.ask("Metadata", 9, {"Topics": []})
            return answer["ControllerId"], len(answer["Brokers"])


def test_the_first_client_of_a_start_is_told_of_a_broker_and_a_controller(new_broker):
    """A client that is told of neither waits for its next refresh of metadata."""
    broker = new_broker()
    for _ in range(10):
        broker.start(wait=False)
        assert first_metadata(broker.port) == (1, 1)
        broker.kill()


def test_no_topic_is_made_by_asking_where_that_is_disabled(strict, topic):
    for _ in range(3):
        assert topic_errors(strict.port, topic, create=True) == (3, 0)
    assert topic not in AdminClient({"bootstrap.servers": strict.bootstrap}).list_topics(timeout=30).topics


def test_a_topic_is_made_by_asking_with_the_brokers_defaults(new_broker, topic):
    broker = new_broker(num_partitions=3).start()
    assert topic_errors(broker.port, topic, create=False) == (3, 0)
    clusters.wait_until("the topic", lambda: topic_errors(broker.port, topic, create=True) == (0, 3))
    broker.stop()


# ---- Backup ----------------------------------------------------------------------------------------


def test_a_copy_of_a_stopped_brokers_directory_starts_elsewhere(new_broker, topic, only_barnabas):
    broker = new_broker().start()
    create_topic(broker, topic)
    produce(broker, topic, [b"kept"] * 3)
    broker.stop()
    copy = new_broker()
    shutil.copytree(broker.data, copy.data)
    broker.start()
    produce(broker, topic, [b"later"])
    copy.start()
    consumer = Consumer({"bootstrap.servers": copy.bootstrap, "group.id": "nobody"})

    def ends():
        with contextlib.suppress(KafkaException):  # until it leads again
            return consumer.get_watermark_offsets(TopicPartition(topic, 0), timeout=30)

    assert clusters.wait_until("the copy", ends) == (0, 3)
    consumer.close()
    copy.stop()
    broker.stop()


# ---- Racks -----------------------------------------------------------------------------------------

RACKS = {1: "a", 2: "a", 3: "b"}


@pytest.fixture
def racks(request):
    """Two racks: nodes 1 and 2, and node 3."""
    cluster = clusters.Cluster(request.config.getoption("--broker"), **{
        "replica.selector.class": "org.apache.kafka.common.replica.RackAwareReplicaSelector"})
    for node, rack in RACKS.items():
        cluster.nodes[node].extra["broker.rack"] = rack
    with cluster:
        yield cluster


def fetch(port, topic_id, partition, rack):
    with wire.Wire(port) as connection:
        answer = connection.ask("Fetch", 13, {
            "ReplicaId": -1, "MaxWaitMs": 500, "MinBytes": 1, "MaxBytes": 1 << 20, "SessionId": 0,
            "SessionEpoch": -1, "RackId": rack, "Topics": [{"TopicId": topic_id, "Partitions": [{
                "Partition": partition, "CurrentLeaderEpoch": -1, "FetchOffset": 0,
                "LogStartOffset": -1, "PartitionMaxBytes": 1 << 20}]}]})
    return answer["Responses"][0]["Partitions"][0]


def test_replicas_are_in_all_racks_and_consumers_read_in_theirs(racks, topic):
    admin = AdminClient({"bootstrap.servers": racks.bootstrap, "logger": cluster_load.Quiet()})
    admin.create_topics([NewTopic(topic, 6, 2, config={"min.insync.replicas": "1"})])[topic].result(30)
    racks.wait_isr(topic)
    port = racks.address(1)[1]
    with wire.Wire(port) as connection:
        answer = connection.ask("Metadata", 12, {"Topics": [
            {"TopicId": uuid.UUID(int=0), "Name": topic}]})
    assert {b["NodeId"]: b["Rack"] for b in answer["Brokers"]} == RACKS
    topic_id = answer["Topics"][0]["TopicId"]
    producer = Producer({"bootstrap.servers": racks.bootstrap, "acks": "all",
                         "logger": cluster_load.Quiet()})
    for partition in range(6):
        producer.produce(topic, b"in all racks", partition=partition)
    assert producer.flush(30) == 0
    for entry in answer["Topics"][0]["Partitions"]:
        index, leader, replicas = entry["PartitionIndex"], entry["LeaderId"], entry["ReplicaNodes"]
        assert {RACKS[node] for node in replicas} == {"a", "b"}
        other = next(node for node in replicas if node != leader)

        # The follower is named once the leader knows that it has the records.
        def told():
            data = fetch(racks.address(leader)[1], topic_id, index, RACKS[other])
            return data["PreferredReadReplica"] == other

        clusters.wait_until("the replica in the rack", told)
        at_home = fetch(racks.address(leader)[1], topic_id, index, RACKS[leader])
        assert at_home["PreferredReadReplica"] == -1 and b"in all racks" in at_home["Records"]
        clusters.wait_until("the records at the follower", lambda: b"in all racks" in (
            fetch(racks.address(other)[1], topic_id, index, RACKS[other])["Records"] or b""))
