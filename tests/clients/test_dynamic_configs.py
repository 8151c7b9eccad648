"""
Configurations that take effect while the broker runs: each dynamic key that docs/configuration.md
calls honoured is changed here, as the default of all brokers, and its effect seen.
"""

import re
import struct
import time

import pytest
from confluent_kafka import TIMESTAMP_LOG_APPEND_TIME, Consumer, Producer, TopicPartition

import harness
import wire
from frames import crc32c, record_batch
from hostile import wait_until
from test_librdkafka import create_topic

# By tests that need more than one plain broker.
ELSEWHERE = {
    "max.connections": "test_hostile_connections.py",
    "max.connections.per.ip": "test_hostile_connections.py",
    "max.connections.per.ip.overrides": "test_hostile_connections.py",
    "max.connection.creation.rate": "test_hostile_connections.py",
    "min.insync.replicas": "test_dynamic_configs_cluster.py",
    "unclean.leader.election.enable": "test_dynamic_configs_cluster.py",
    "num.replica.fetchers": "test_dynamic_configs_cluster.py",
}

# Stored and told, without effect until the next start: docs/compatibility.md.
LISTED = {"listeners", "listener.security.protocol.map"}

HOUR_MS = 3600 * 1000
EFFECTS = {}


def effect(key):
    def register(function):
        EFFECTS[key] = function
        return function

    return register


class Subject:
    """One broker, a topic of the test's own, and the key that is being changed."""

    def __init__(self, broker, topic, key):
        self.broker, self.topic, self.key = broker, topic, key
        self.changed = set()

    def create(self, partitions=1, **config):
        create_topic(self.broker, self.topic, partitions, **config)

    def set(self, value, key=None):
        key = key or self.key
        self.changed.add(key)
        assert wire.alter(self.broker.port, wire.BROKER, "", **{key: str(value)}) == 0

    def reset(self):
        for key in self.changed:
            assert wire.alter(self.broker.port, wire.BROKER, "", wire.DELETE, **{key: None}) == 0

    def produce(self, *values, timestamp=None, partition=0, **options):
        """One batch each; their errors, None for what was acknowledged."""
        producer = Producer({"bootstrap.servers": self.broker.bootstrap, "linger.ms": 0,
                             "retries": 0, **{k.replace("_", "."): v for k, v in options.items()}})
        outcomes = []
        for at, value in enumerate(values):
            stamp = {} if timestamp is None else {"timestamp": timestamp + at}
            producer.produce(self.topic, value, partition=partition, **stamp,
                             on_delivery=lambda e, m: outcomes.append(e and e.name()))
            assert producer.flush(30) == 0
        return outcomes

    def produced(self, *values, **options):
        assert self.produce(*values, **options) == [None] * len(values)

    def files(self, suffix=".log", partition=0):
        directory = self.broker.data / f"{self.topic}-{partition}"
        return sorted(directory.glob(f"*{suffix}"))

    def offsets(self):
        consumer = Consumer({"bootstrap.servers": self.broker.bootstrap, "group.id": "nobody"})
        try:
            return consumer.get_watermark_offsets(TopicPartition(self.topic, 0), timeout=30)
        finally:
            consumer.close()

    def first(self):
        consumer = Consumer({"bootstrap.servers": self.broker.bootstrap, "group.id": "nobody"})
        consumer.assign([TopicPartition(self.topic, 0, 0)])
        try:
            return consumer.consume(1, timeout=30)[0]
        finally:
            consumer.close()


@pytest.fixture(scope="module")
def dynamic(new_broker):
    broker = new_broker(
        log_retention_check_interval_ms=50,
        log_initial_task_delay_ms=0,
        log_flush_offset_checkpoint_interval_ms=50,
        producer_id_expiration_check_interval_ms=50,
    ).start()
    yield broker
    broker.stop()


@pytest.fixture
def subject(dynamic, topic, request):
    made = Subject(dynamic, topic, request.param)
    yield made
    made.reset()


def big(size=600_000):
    return b"x" * size


# ---- Segments and retention ------------------------------------------------------------------------


@effect("log.segment.bytes")
def segments_roll_at_the_new_size(s):
    s.create()
    s.produced(big(), big(), big())
    assert len(s.files()) == 1
    s.set(1 << 20)
    s.produced(big(), big())
    assert len(s.files()) == 3


@effect("log.roll.ms")
def segments_roll_at_the_new_age(s):
    s.create(**{"retention.ms": "-1"})
    s.produced(b"a", b"b", timestamp=1000)
    assert len(s.files()) == 1
    s.set(1)
    s.produced(b"c", timestamp=5000)
    assert len(s.files()) == 2


@effect("log.roll.jitter.ms")
def some_segments_roll_earlier(s):
    partitions = 12
    s.create(partitions, **{"retention.ms": "-1"})
    s.set(10 * HOUR_MS, "log.roll.ms")

    def rolled(start):
        for partition in range(partitions):
            s.produced(b"a", timestamp=start, partition=partition)
            s.produced(b"b", timestamp=start + 9 * HOUR_MS, partition=partition)
        return sum(len(s.files(partition=p)) for p in range(partitions)) - partitions

    assert rolled(1000) == 0
    s.set(10 * HOUR_MS)
    # The jitter of a segment is drawn when it begins: the next one of each partition has it.
    rolled(100 * HOUR_MS)
    before = rolled(200 * HOUR_MS)
    assert before > 2 * partitions


@effect("log.index.interval.bytes")
def each_batch_gets_an_index_entry(s):
    s.create()
    s.produced(*[b"a"] * 10)
    assert s.files(".index")[0].stat().st_size == 0
    s.set(0)
    s.produced(*[b"a"] * 10)
    wait_until(lambda: s.files(".index")[0].stat().st_size >= 9 * 8)


@effect("log.index.size.max.bytes")
def a_full_index_ends_the_segment(s):
    s.create()
    s.set(0, "log.index.interval.bytes")
    s.produced(*[b"a"] * 10)
    assert len(s.files()) == 1
    s.set(16)
    s.produced(*[b"a"] * 10)
    assert len(s.files()) > 2


@effect("log.retention.ms")
def old_records_are_deleted(s):
    s.create()
    s.produced(b"a", b"b", timestamp=int(time.time() * 1000) - HOUR_MS)
    assert s.offsets() == (0, 2)
    s.set(60_000)
    wait_until(lambda: s.offsets() == (2, 2))


@effect("log.retention.bytes")
def what_is_too_much_is_deleted(s):
    s.create(**{"segment.bytes": str(1 << 20)})
    s.produced(big(), big(), big())
    assert s.offsets() == (0, 3)
    s.set(700_000)
    wait_until(lambda: s.offsets()[0] > 0)


@effect("log.cleanup.policy")
def compacted_topics_are_not_cut_by_age(s):
    other = Subject(s.broker, s.topic + "-delete", s.key)
    s.create()
    other.create(**{"cleanup.policy": "delete"})
    # Before it is compacted: then records need keys.
    s.produced(b"a", timestamp=int(time.time() * 1000) - HOUR_MS)
    other.produced(b"a", timestamp=int(time.time() * 1000) - HOUR_MS)
    s.set("compact")
    s.set(60_000, "log.retention.ms")
    wait_until(lambda: other.offsets() == (1, 1))
    assert s.offsets() == (0, 1)
    s.set("delete")
    wait_until(lambda: s.offsets() == (1, 1))


@effect("log.segment.delete.delay.ms")
def deleted_segments_go_at_once(s):
    s.create(**{"segment.bytes": str(1 << 20), "retention.bytes": "700000"})
    s.produced(big(), big(), big())
    wait_until(lambda: s.files(".deleted"))
    old = {path.name for path in s.files(".deleted")}
    s.set(0)
    s.produced(big(), big(), big())
    start = s.offsets()[0]
    wait_until(lambda: s.offsets()[0] >= 4)
    wait_until(lambda: {path.name for path in s.files(".deleted")} <= old)
    assert start >= 1


# ---- Records ---------------------------------------------------------------------------------------


@effect("message.max.bytes")
def larger_batches_are_refused(s):
    s.create()
    s.produced(big(5000))
    s.set(1000)
    assert s.produce(big(5000)) == ["MSG_SIZE_TOO_LARGE"]
    s.produced(b"small")


def stored(s, **options):
    """How many bytes a batch of much repeated text takes in the log."""
    before = sum(path.stat().st_size for path in s.files())
    text = b"".join(b"%d lines of text that repeat; " % (i * 7919 % 1000) for i in range(20_000))
    s.produced(text, **options)
    return sum(path.stat().st_size for path in s.files()) - before


@effect("compression.type")
def the_broker_compresses(s):
    s.create()
    plain = stored(s)
    s.set("zstd")
    assert stored(s) < plain / 2


def level(codec, low, high):
    def changes_the_size(s):
        s.create(**{"compression.type": codec})
        s.set(low)
        least = stored(s)
        s.set(high)
        assert stored(s) < least

    return changes_the_size


for codec, low, high in (("gzip", 1, 9), ("lz4", 1, 12), ("zstd", -5, 12)):
    effect(f"compression.{codec}.level")(level(codec, low, high))


@effect("log.message.timestamp.type")
def the_broker_stamps_records(s):
    s.create()
    s.set("LogAppendTime")
    s.produced(b"a", timestamp=1000)
    assert s.first().timestamp()[0] == TIMESTAMP_LOG_APPEND_TIME


@effect("log.message.timestamp.after.max.ms")
def records_of_the_future_are_refused(s):
    s.create()
    soon = int(time.time() * 1000) + 600_000
    s.produced(b"a", timestamp=soon)
    s.set(1000)
    assert s.produce(b"a", timestamp=soon) == ["INVALID_TIMESTAMP"]


@effect("log.message.timestamp.before.max.ms")
def records_of_the_past_are_refused(s):
    s.create()
    old = int(time.time() * 1000) - HOUR_MS
    s.produced(b"a", timestamp=old)
    s.set(1000)
    assert s.produce(b"a", timestamp=old) == ["INVALID_TIMESTAMP"]


@effect("record.validation")
def compressed_records_are_not_looked_into(s):
    s.create()
    batch = bytearray(record_batch([b"value"]))
    batch[22] = 1  # it is said to be gzip and is not; the checksum is right
    batch[17:21] = struct.pack(">I", crc32c(bytes(batch[21:])))
    body = {"Acks": 1, "TimeoutMs": 10000, "TopicData": [
        {"Name": s.topic, "PartitionData": [{"Index": 0, "Records": bytes(batch)}]}]}
    with wire.Wire(s.broker.port) as connection:
        def error():
            answer = connection.ask("Produce", 9, body)
            return answer["Responses"][0]["PartitionResponses"][0]["ErrorCode"]

        assert error() != 0
        s.set("header")
        assert error() == 0


@effect("producer.id.expiration.ms")
def idle_producers_are_forgotten(s):
    s.create()

    def producers():
        with wire.Wire(s.broker.port) as connection:
            answer = connection.ask("DescribeProducers", 0, {
                "Topics": [{"Name": s.topic, "PartitionIndexes": [0]}]})
        return answer["Topics"][0]["Partitions"][0]["ActiveProducers"]

    s.produced(b"a", enable_idempotence=True, retries=5)
    assert len(producers()) == 1
    s.set(1)
    wait_until(lambda: producers() == [])


# ---- Syncs -----------------------------------------------------------------------------------------


def recovery_point(s):
    path = s.broker.data / "recovery-point-offset-checkpoint"
    lines = path.read_text().splitlines() if path.exists() else []
    found = [int(line.split()[2]) for line in lines if line.startswith(f"{s.topic} 0 ")]
    return found[0] if found else 0


@effect("log.durability")
def records_are_synced_again(s):
    s.create()
    s.set("page-cache")
    s.produced(b"a")
    s.set("fsync")
    s.produced(b"b")
    wait_until(lambda: recovery_point(s) == 2)
    s.set("page-cache")
    s.produced(b"c", b"d")
    # Other partitions of the checkpoint move on, this one does not.
    other = Subject(s.broker, s.topic + "-fsync", s.key)
    other.create(durability="fsync")
    other.produced(b"a")
    wait_until(lambda: recovery_point(other) == 1)
    assert recovery_point(s) == 2


@effect("log.flush.interval.messages")
def so_many_records_are_synced(s):
    s.create(durability="page-cache")
    s.produced(b"a")
    s.set(1)
    s.produced(b"b")
    wait_until(lambda: recovery_point(s) == 2)


@effect("log.flush.interval.ms")
def records_are_synced_after_a_time(s):
    s.create(durability="page-cache")
    s.set(1)
    s.produced(b"a")
    wait_until(lambda: recovery_point(s) == 1)


@pytest.mark.usefixtures("only_barnabas")
@pytest.mark.parametrize("subject", sorted(EFFECTS), indirect=True)
def test_a_change_takes_effect_while_the_broker_runs(subject):
    EFFECTS[subject.key](subject)


def test_each_dynamic_key_that_is_honoured_has_a_test(only_barnabas):
    text = (harness.ROOT / "docs/configuration.md").read_text()
    section = text[text.index("\n## Broker\n"):]
    section = section[: section.index("\n## ", 10)]
    rows = re.findall(r"^\| `([^`]+)` \|.*\| (broker|cluster) \| (yes|no|-|refused) \| [^|]*\|$",
                      section, re.M)
    assert len(rows) > 90
    honoured = {key for key, _, support in rows if support == "yes"}
    assert honoured == set(EFFECTS) | set(ELSEWHERE) | LISTED
    for key, name in ELSEWHERE.items():
        assert key in (harness.HERE / name).read_text(), (key, name)


# ---- Topics ----------------------------------------------------------------------------------------


def test_a_topics_own_setting_counts_before_the_brokers(dynamic, topic, only_barnabas):
    s = Subject(dynamic, topic, "log.retention.ms")
    try:
        s.create(**{"retention.ms": "-1"})
        s.produced(b"a", timestamp=int(time.time() * 1000) - HOUR_MS)
        other = Subject(dynamic, topic + "-other", "log.retention.ms")
        other.create()
        other.produced(b"a", timestamp=int(time.time() * 1000) - HOUR_MS)
        s.set(60_000)
        wait_until(lambda: other.offsets() == (1, 1))
        assert s.offsets() == (0, 1)
        assert wire.alter(dynamic.port, wire.TOPIC, topic, wire.DELETE, retention_ms=None) == 0
        wait_until(lambda: s.offsets() == (1, 1))
    finally:
        s.reset()


def test_what_takes_a_restart_is_refused(dynamic):
    for key in ("log.dirs", "node.id", "num.partitions", "socket.request.max.bytes",
                "queued.max.requests", "connections.max.idle.ms", "auto.create.topics.enable",
                "delete.topic.enable", "broker.rack"):
        assert wire.alter(dynamic.port, wire.BROKER, "", **{key: "1"}) == 42, key


# ---- Loggers ---------------------------------------------------------------------------------------


def levels(broker):
    return {name: entry["Value"] for name, entry in wire.describe(broker.port, wire.LOGGER, "1").items()}


def debug_lines(broker, component):
    return len(re.findall(rf"DEBUG +{component}\b", broker.log_path.read_text(errors="replace")))


def test_levels_of_loggers_change_while_the_broker_runs(dynamic, only_barnabas):
    assert levels(dynamic)["root"] == levels(dynamic)["server"] == "INFO"
    assert debug_lines(dynamic, "server") == debug_lines(dynamic, "net") == 0
    assert wire.alter(dynamic.port, wire.LOGGER, "1", server="DEBUG") == 0
    assert levels(dynamic)["server"] == "DEBUG" and levels(dynamic)["net"] == "INFO"
    wait_until(lambda: levels(dynamic) and debug_lines(dynamic, "server") > 0)
    assert debug_lines(dynamic, "net") == 0
    assert wire.alter(dynamic.port, wire.LOGGER, "1", root="DEBUG", server="ERROR") == 0
    assert levels(dynamic)["net"] == "DEBUG" and levels(dynamic)["server"] == "ERROR"
    wait_until(lambda: levels(dynamic) and debug_lines(dynamic, "net") > 0)
    assert wire.alter(dynamic.port, wire.LOGGER, "1", wire.DELETE, server=None) == 0
    assert levels(dynamic)["server"] == "DEBUG"
    assert wire.alter(dynamic.port, wire.LOGGER, "1", root="INFO") == 0
    assert set(levels(dynamic).values()) == {"INFO"}


def test_wrong_changes_of_loggers_are_refused_as_kafka_refuses_them(dynamic):
    def error(name="1", operation=wire.SET, **configs):
        return wire.alter(dynamic.port, wire.LOGGER, name, operation, **configs)

    before = levels(dynamic)
    assert error(root="LOUD") == 40
    assert error(**{"no.such.logger": "INFO"}) == 40
    assert error(operation=wire.DELETE, **{"no.such.logger": None}) == 40
    assert error(operation=wire.DELETE, root=None) == 42
    assert error(operation=wire.APPEND, root="INFO") == 42
    assert error(name="2", root="INFO") == 42
    assert error(name="", root="INFO") == 42
    assert error(root="DEBUG", **{"no.such.logger": "INFO"}) == 40
    assert wire.alter(dynamic.port, wire.LOGGER, "1", validate_only=True, root="DEBUG") == 0
    assert levels(dynamic) == before
