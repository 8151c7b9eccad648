"""Kafka's tools read the metadata log and its snapshots as they lie on the disk."""

import json
import time

import pytest
from confluent_kafka.admin import AdminClient, NewTopic

import harness

pytestmark = pytest.mark.usefixtures("java_tools")

LOG = "00000000000000000000.log"
PARTITIONS = 30


@pytest.fixture(scope="module")
def directory(new_broker, java_tools):
    """Of a broker that has stopped: the log from its begin, and a snapshot of its own."""
    broker = new_broker(**{"metadata.log.max.record.bytes.between.snapshots": 4000}).start()
    admin = AdminClient({"bootstrap.servers": broker.bootstrap})
    topics = [NewTopic(f"seen-{i}", PARTITIONS, 1, config={"retention.ms": "12345"}) for i in (1, 2)]
    for done in admin.create_topics(topics).values():
        done.result(30)
    found = broker.data / "__cluster_metadata-0"
    deadline = time.monotonic() + 60
    while len(snapshots(found)) == 0 and time.monotonic() < deadline:
        time.sleep(0.05)
    broker.stop()
    return found


def snapshots(directory):
    """Those with records; the first one of a formatted directory has control records only."""
    return sorted(path for path in directory.glob("*.checkpoint") if not path.name.startswith("0" * 20))


def shell(path, *command):
    """Answers nothing, for ever, about a file without records."""
    return harness.run_tool("kafka-metadata-shell", "--snapshot", path, *command).stdout


def shown(path, complete, *command):
    """What the shell says once it has read the file: it reads batch by batch beside the command, which
    may come first."""
    for _ in range(20):
        text = shell(path, *command)
        if complete(text):
            break
    return text


def dump(path):
    args = ["--cluster-metadata-decoder", "--deep-iteration", "--files", path]
    return harness.run_tool("kafka-dump-log", *args).stdout


def payloads(text):
    return [json.loads(line.split("payload: ", 1)[1]) for line in text.splitlines() if "payload: " in line]


@pytest.mark.parametrize("kind", ["snapshot", "log"])
def test_the_metadata_shell_shows_topics_and_brokers(directory, kind):
    path = snapshots(directory)[-1] if kind == "snapshot" else directory / LOG
    names = [f"/image/topics/byName/seen-{i}/{p}" for i in (1, 2) for p in range(PARTITIONS)]
    found = shown(path, lambda text: set(names) <= set(text.splitlines()), "find", "/image/topics/byName")
    assert set(names) <= set(found.splitlines())
    partition = shown(path, lambda text: "No such file" not in text, "cat", "/image/topics/byName/seen-2/7")
    assert "PartitionRegistration(replicas=[1]" in partition and "isr=[1]" in partition
    cluster = shown(path, lambda text: "BrokerRegistration" in text, "tree", "/image/cluster")
    assert "BrokerRegistration(id=1" in cluster
    assert "12345" in shown(path, lambda text: "12345" in text, "tree", "/image/configs")


def test_dump_log_decodes_a_snapshot(directory):
    text = dump(snapshots(directory)[-1])
    assert "SnapshotHeader" in text and "SnapshotFooter" in text
    types = [record["type"] for record in payloads(text)]
    assert types.count("TOPIC_RECORD") == 2
    assert types.count("PARTITION_RECORD") == 2 * PARTITIONS
    assert types[0] == "FEATURE_LEVEL_RECORD"
    assert "REGISTER_BROKER_RECORD" in types


def test_dump_log_decodes_the_log(directory):
    text = dump(directory / LOG)
    assert "LeaderChange" in text and "isvalid: false" not in text.lower()
    names = {r["data"]["name"] for r in payloads(text) if r["type"] == "TOPIC_RECORD"}
    assert names == {"seen-1", "seen-2"}


def test_a_snapshot_is_written_by_age(new_broker):
    broker = new_broker(**{"metadata.log.max.snapshot.interval.ms": 300}).start()
    admin = AdminClient({"bootstrap.servers": broker.bootstrap})
    admin.create_topics([NewTopic("aged", 1, 1)])["aged"].result(30)
    found = broker.data / "__cluster_metadata-0"
    deadline = time.monotonic() + 60
    while len(snapshots(found)) == 0 and time.monotonic() < deadline:
        time.sleep(0.05)
    broker.stop()
    assert '"name":"aged"' in dump(snapshots(found)[-1])
