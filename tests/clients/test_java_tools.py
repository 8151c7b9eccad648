"""Kafka's own command-line tools, on the Java client with its defaults."""

import re

import pytest

from harness import run_tool

pytestmark = pytest.mark.usefixtures("java_tools")


def topics(broker, *args, **kwargs):
    return run_tool("kafka-topics", "--bootstrap-server", broker.bootstrap, *args, **kwargs)


def configs(broker, *args, **kwargs):
    return run_tool("kafka-configs", "--bootstrap-server", broker.bootstrap, *args, **kwargs)


def groups(broker, *args, **kwargs):
    return run_tool("kafka-consumer-groups", "--bootstrap-server", broker.bootstrap, *args, **kwargs)


def console_produce(broker, topic, lines, *args):
    return run_tool(
        "kafka-console-producer", "--bootstrap-server", broker.bootstrap, "--topic", topic, *args,
        stdin="".join(line + "\n" for line in lines),
    )  # fmt: skip


def console_consume(broker, topic, count, *args):
    return run_tool(
        "kafka-console-consumer", "--bootstrap-server", broker.bootstrap, "--topic", topic,
        "--max-messages", count, "--timeout-ms", 30000, *args,
    ).stdout.splitlines()  # fmt: skip


def warnings(done):
    """Lines of WARN and ERROR that a user would see."""
    return [line for line in done.stderr.splitlines() if re.match(r"(WARN|ERROR)", line)]


def test_topics_are_created_listed_described_grown_and_deleted(broker, topic):
    made = topics(
        broker, "--create", "--topic", topic, "--partitions", 3, "--replication-factor", 1,
        "--config", "retention.ms=3600000", "--config", "cleanup.policy=compact,delete",
    )  # fmt: skip
    assert f"Created topic {topic}." in made.stdout
    assert warnings(made) == []
    assert topic in topics(broker, "--list").stdout.split()
    described = topics(broker, "--describe", "--topic", topic).stdout
    head = described.splitlines()[0]
    assert re.search(rf"Topic: {topic}\tTopicId: [\w-]{{22}}\tPartitionCount: 3\tReplicationFactor: 1\t", head)
    assert "retention.ms=3600000" in head and "cleanup.policy=compact,delete" in head
    rows = [line for line in described.splitlines() if "Partition: " in line]
    assert len(rows) == 3
    assert all(re.search(r"Leader: 1\s+Replicas: 1\s+Isr: 1", row) for row in rows)
    topics(broker, "--alter", "--topic", topic, "--partitions", 5)
    assert "PartitionCount: 5" in topics(broker, "--describe", "--topic", topic).stdout
    topics(broker, "--delete", "--topic", topic)
    assert topic not in topics(broker, "--list").stdout.split()


def test_a_topic_that_exists_cannot_be_created_again(broker, topic):
    topics(broker, "--create", "--topic", topic)
    again = topics(broker, "--create", "--topic", topic, check=False)
    assert again.returncode != 0
    assert f"Topic '{topic}' already exists." in again.stdout + again.stderr
    quiet = topics(broker, "--create", "--topic", topic, "--if-not-exists")
    assert quiet.returncode == 0


def test_fewer_partitions_are_refused(broker, topic):
    topics(broker, "--create", "--topic", topic, "--partitions", 3)
    done = topics(broker, "--alter", "--topic", topic, "--partitions", 2, check=False)
    assert "InvalidPartitionsException" in done.stdout + done.stderr
    assert "3" in done.stdout + done.stderr


def test_console_producer_and_consumer(broker, topic):
    made = console_produce(broker, topic, ["k1:one", "k2:two"], "--reader-property", "parse.key=true",
                           "--reader-property", "key.separator=:")  # fmt: skip
    assert made.returncode == 0
    out = console_consume(broker, topic, 2, "--from-beginning", "--formatter-property", "print.key=true",
                          "--formatter-property", "print.offset=true",
                          "--formatter-property", "print.partition=true")  # fmt: skip
    assert out == ["Partition:0\tOffset:0\tk1\tone", "Partition:0\tOffset:1\tk2\ttwo"]


@pytest.mark.parametrize("codec", ["gzip", "snappy", "lz4", "zstd"])
def test_the_java_codecs(broker, topic, codec):
    lines = [f"{codec} {i} " + "w" * 100 for i in range(300)]
    console_produce(broker, topic, lines, "--compression-codec", codec)
    assert console_consume(broker, topic, 300, "--from-beginning") == lines


def test_topic_configs(broker, topic):
    topics(broker, "--create", "--topic", topic)
    entity = ("--entity-type", "topics", "--entity-name", topic)
    done = configs(broker, "--alter", *entity, "--add-config", "retention.ms=1234,segment.bytes=2097152")
    assert f"Completed updating config for topic {topic}." in done.stdout
    shown = configs(broker, "--describe", *entity).stdout
    assert re.search(r"retention\.ms=1234 sensitive=false synonyms=\{DYNAMIC_TOPIC_CONFIG:retention\.ms=1234", shown)
    assert "segment.bytes=2097152" in shown
    everything = configs(broker, "--describe", "--all", *entity).stdout
    assert "  max.message.bytes=1048588 sensitive=false synonyms={DEFAULT_CONFIG:message.max.bytes=1048588}" in everything
    configs(broker, "--alter", *entity, "--delete-config", "retention.ms")
    assert "retention.ms" not in configs(broker, "--describe", *entity).stdout
    bad = configs(broker, "--alter", *entity, "--add-config", "retention.ms=soon", check=False)
    assert "InvalidConfigurationException" in bad.stdout + bad.stderr


def test_broker_configs(broker):
    entity = ("--entity-type", "brokers", "--entity-name", 1)
    configs(broker, "--alter", *entity, "--add-config", "log.retention.ms=500000000")
    assert "log.retention.ms=500000000 sensitive=false synonyms={DYNAMIC_BROKER_CONFIG:log.retention.ms=500000000" in configs(
        broker, "--describe", *entity
    ).stdout
    configs(broker, "--alter", *entity, "--delete-config", "log.retention.ms")
    assert "log.retention.ms=500000000" not in configs(broker, "--describe", *entity).stdout
    bad = configs(broker, "--alter", *entity, "--add-config", "node.id=7", check=False)
    assert bad.returncode != 0 or "Exception" in bad.stdout + bad.stderr
    default = ("--entity-type", "brokers", "--entity-default")
    configs(broker, "--alter", *default, "--add-config", "log.roll.ms=600000000")
    assert "log.roll.ms=600000000" in configs(broker, "--describe", *default).stdout
    configs(broker, "--alter", *default, "--delete-config", "log.roll.ms")


def test_groups_are_listed_described_reset_and_deleted(broker, topic, group):
    topics(broker, "--create", "--topic", topic, "--partitions", 2)
    console_produce(broker, topic, [f"m{i}" for i in range(10)])
    console_consume(broker, topic, 10, "--from-beginning", "--group", group)
    assert group in groups(broker, "--list").stdout.split()
    listing = groups(broker, "--list", "--state").stdout
    assert re.search(rf"{group}\s+Empty", listing)
    described = groups(broker, "--describe", "--group", group)
    assert f"Consumer group '{group}' has no active members." in described.stdout + described.stderr
    rows = [r.split() for r in described.stdout.splitlines() if r.startswith(group)]
    assert sum(int(r[4]) for r in rows) == 10 and all(r[5] == "0" for r in rows)
    plan = groups(broker, "--reset-offsets", "--group", group, "--topic", topic, "--to-earliest", "--execute")
    assert len([r for r in plan.stdout.splitlines() if topic in r]) == 2
    described = groups(broker, "--describe", "--group", group)
    rows = [r.split() for r in described.stdout.splitlines() if r.startswith(group)]
    assert sum(int(r[5]) for r in rows) == 10
    offsets = groups(broker, "--delete-offsets", "--group", group, "--topic", topic)
    assert "Successful" in offsets.stdout
    groups(broker, "--delete", "--group", group, check=False)
    assert group not in groups(broker, "--list").stdout.split()


def test_offsets(broker, topic):
    console_produce(broker, topic, ["a", "b", "c"])
    args = ("kafka-get-offsets", "--bootstrap-server", broker.bootstrap, "--topic", topic)
    assert run_tool(*args).stdout.strip() == f"{topic}:0:3"
    assert run_tool(*args, "--time", "-2").stdout.strip() == f"{topic}:0:0"
    assert run_tool(*args, "--time", "-3").stdout.strip() in {f"{topic}:0:{i}" for i in range(3)}
    assert run_tool(*args, "--time", "-4").stdout.strip() == f"{topic}:0:0"


def test_records_are_deleted(broker, topic, tmp_path):
    console_produce(broker, topic, [f"m{i}" for i in range(5)])
    plan = tmp_path / "plan.json"
    plan.write_text(f'{{"partitions":[{{"topic":"{topic}","partition":0,"offset":3}}],"version":1}}')
    done = run_tool("kafka-delete-records", "--bootstrap-server", broker.bootstrap,
                    "--offset-json-file", plan)  # fmt: skip
    assert re.search(rf"partition: {topic}-0\s+low_watermark: 3", done.stdout)
    assert console_consume(broker, topic, 2, "--from-beginning") == ["m3", "m4"]


def test_log_dirs(broker, topic):
    console_produce(broker, topic, ["x" * 1000])
    done = run_tool("kafka-log-dirs", "--bootstrap-server", broker.bootstrap, "--describe",
                    "--topic-list", topic)  # fmt: skip
    size = re.search(rf'"partition":"{topic}-0","size":(\d+),"offsetLag":0,"isFuture":false', done.stdout)
    assert size and int(size[1]) > 1000


def test_the_cluster_and_its_versions(broker):
    done = run_tool("kafka-cluster", "cluster-id", "--bootstrap-server", broker.bootstrap)
    assert re.search(r"Cluster ID: \S+", done.stdout)
    done = run_tool("kafka-cluster", "list-endpoints", "--bootstrap-server", broker.bootstrap)
    assert str(broker.port) in done.stdout
    versions = run_tool("kafka-broker-api-versions", "--bootstrap-server", broker.bootstrap)
    assert re.search(r"Produce\(0\): 0 to 13 \[usable: 13\]", versions.stdout)
    assert re.search(r"Fetch\(1\): 4 to 18 \[usable: 18\]", versions.stdout)
    assert warnings(versions) == []


def test_the_metadata_quorum(broker):
    args = ("kafka-metadata-quorum", "--bootstrap-server", broker.bootstrap, "describe")
    status = run_tool(*args, "--status").stdout
    assert re.search(r"LeaderId:\s+1\n", status)
    assert re.search(r"MaxFollowerLag:\s+0\n", status)
    replication = run_tool(*args, "--replication").stdout
    assert re.search(r"^1\s+\S+\s+\d+\s+0\s+.*Leader", replication, re.M)


def test_features(broker):
    done = run_tool("kafka-features", "--bootstrap-server", broker.bootstrap, "describe")
    assert re.search(r"Feature: metadata.version\s+SupportedMinVersion: 3.3-IV3\s+SupportedMaxVersion: 4.3-IV0", done.stdout)


def test_the_verifiable_producer_and_consumer(broker, topic, group):
    made = run_tool("kafka-verifiable-producer", "--bootstrap-server", broker.bootstrap, "--topic",
                    topic, "--max-messages", 5000, "--acks", "-1")  # fmt: skip
    assert made.stdout.count('"name":"producer_send_success"') == 5000
    read = run_tool("kafka-verifiable-consumer", "--bootstrap-server", broker.bootstrap, "--topic",
                    topic, "--group-id", group, "--max-messages", 5000, "--reset-policy",
                    "earliest")  # fmt: skip
    counts = [int(c) for c in re.findall(r'"name":"records_consumed".*?"count":(\d+)', read.stdout)]
    assert sum(counts) == 5000


def test_tools_tell_a_missing_topic_as_with_kafka(broker, topic):
    done = topics(broker, "--describe", "--topic", topic + "-absent", check=False)
    assert f"Topic '{topic}-absent' does not exist as expected" in done.stdout + done.stderr
