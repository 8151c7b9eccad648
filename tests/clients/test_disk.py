"""The disk as the third surface: Kafka reads what Barnabas wrote, Barnabas serves what Kafka wrote."""

import re
import time

import pytest
from confluent_kafka import KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import ConfigResource, ResourceType

from harness import ApacheKafka, run_tool
from test_librdkafka import admin, consume, consumer, create_topic, produce

pytestmark = pytest.mark.usefixtures("java_tools", "only_barnabas")

SEGMENT = {"segment.bytes": "1048576"}


def fill(broker, topic, group):
    """Records in every codec over several segments, a committed group, deleted records."""
    create_topic(broker, topic, partitions=2, **SEGMENT)
    for codec in ("none", "gzip", "snappy", "lz4", "zstd"):
        values = [f"{codec} {i} ".encode() + b"." * 1500 for i in range(1500)]
        produce(broker, topic, values, **{"compression.type": codec, "enable.idempotence": True})
    client = consumer(broker, group, **{"enable.auto.commit": False})
    client.subscribe([topic])
    consume(client, 7500)
    client.commit(asynchronous=False)
    client.close()
    (future,) = admin(broker).delete_records([TopicPartition(topic, 0, 5)]).values()
    future.result(30)


def everything(broker, topic, partitions=2):
    """All records of the topic as (partition, offset, value)."""
    client = consumer(broker, "everything")
    ends = [watermarks(client, topic, p) for p in range(partitions)]
    client.assign([TopicPartition(topic, p, ends[p][0]) for p in range(partitions)])
    records = consume(client, sum(high - low for low, high in ends))
    client.close()
    return sorted((m.partition(), m.offset(), m.value()) for m in records)


def watermarks(client, topic, partition, timeout_s=30):
    """Right after its start Kafka answers that it does not lead yet; consumers ask again."""
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            return client.get_watermark_offsets(TopicPartition(topic, partition), 30)
        except KafkaException as error:
            retriable = error.args[0].code() == KafkaError.NOT_LEADER_FOR_PARTITION
            if not retriable or time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def dump(*args):
    done = run_tool("kafka-dump-log", *args)
    assert "isvalid: false" not in done.stdout
    assert not re.search(r"Found (timestamp )?mismatch|out of order|corrupt", done.stdout, re.I), done.stdout[-2000:]
    return done.stdout


def test_kafka_dumps_every_file_we_write(new_broker, topic, group):
    broker = new_broker().start()
    fill(broker, topic, group)
    broker.stop()
    directories = sorted(p for p in broker.data.iterdir() if p.is_dir())
    logs = [f for d in directories for f in sorted(d.glob("*.log")) if d.name.startswith(topic)]
    assert len(logs) > 2, "the segments have rolled"
    text = dump("--deep-iteration", "--print-data-log", "--files", ",".join(map(str, logs)))
    for codec in ("none", "gzip", "snappy", "lz4", "zstd"):
        assert f"payload: {codec} 0 " in text and f"payload: {codec} 1499 " in text
    for pattern, options in (
        ("*.index", ["--index-sanity-check"]),
        ("*.index", ["--verify-index-only"]),
        ("*.timeindex", ["--index-sanity-check"]),
        ("*.snapshot", []),
    ):
        files = [f for d in directories for f in sorted(d.glob(pattern)) if topic in d.name]
        assert files, pattern
        text = dump(*options, "--files", ",".join(map(str, files)))
        if pattern == "*.snapshot":
            assert "producerId: " in text
    offsets = [f for d in directories for f in d.glob("*.log") if d.name.startswith("__consumer_offsets")]
    text = dump("--offsets-decoder", "--files", ",".join(str(f) for f in offsets if f.stat().st_size))
    assert f'"group":"{group}"' in text and f'"topic":"{topic}"' in text
    metadata = sorted((broker.data / "__cluster_metadata-0").glob("*.log"))
    text = dump("--cluster-metadata-decoder", "--files", ",".join(map(str, metadata)))
    assert '"type":"TOPIC_RECORD"' in text and f'"name":"{topic}"' in text
    assert '"type":"PARTITION_RECORD"' in text and "LeaderChange" in text


@pytest.fixture
def written_by_kafka(topic, group):
    kafka = ApacheKafka(**{"log.retention.check.interval.ms": 300000}).start()
    fill(kafka, topic, group)
    expected = everything(kafka, topic)
    yield kafka, expected
    kafka.destroy()


@pytest.mark.parametrize("how", ["stopped", "killed"])
def test_we_serve_a_directory_that_kafka_wrote(new_broker, written_by_kafka, topic, group, how):
    kafka, expected = written_by_kafka
    ids = admin(kafka).describe_topics(topic_collection(topic))[topic].result(30)
    kafka.stop() if how == "stopped" else kafka.kill()
    broker = new_broker(directory=kafka.directory, port=kafka.port)
    broker.extra["controller.quorum.voters"] = f"1@127.0.0.1:{kafka.controller_port}"
    broker.extra["controller.listener.names"] = "CONTROLLER"
    broker.extra["listeners"] = (
        f"PLAINTEXT://127.0.0.1:{kafka.port},CONTROLLER://127.0.0.1:{kafka.controller_port}"
    )
    broker.start()
    # A killed Kafka may have forgotten that records were deleted: it writes that down once a minute.
    served = everything(broker, topic)
    assert [r for r in served if r in expected or how == "stopped"] == expected
    expected = served
    again = admin(broker).describe_topics(topic_collection(topic))[topic].result(30)
    assert str(again.topic_id) == str(ids.topic_id)
    resource = ConfigResource(ResourceType.TOPIC, topic)
    entries = admin(broker).describe_configs([resource])[resource].result(30)
    assert entries["segment.bytes"].value == SEGMENT["segment.bytes"]
    client = consumer(broker, group)
    committed = client.committed([TopicPartition(topic, p) for p in range(2)], 30)
    assert sum(tp.offset for tp in committed) == 7500
    client.close()
    produce(broker, topic, [b"by Barnabas"] * 10)
    assert len(everything(broker, topic)) == len(expected) + 10

    # And back: Kafka goes on where Barnabas stopped.
    broker.stop()
    kafka.process = None
    kafka.start()
    assert len(everything(kafka, topic)) == len(expected) + 10
    produce(kafka, topic, [b"by Kafka"])
    assert len(everything(kafka, topic)) == len(expected) + 11


def topic_collection(*names):
    from confluent_kafka import TopicCollection

    return TopicCollection(list(names))


def test_retention_by_size_deletes_old_segments(new_broker, topic):
    broker = new_broker(
        **{"log.initial.task.delay.ms": 100, "log.retention.check.interval.ms": 200}
    ).start()
    create_topic(broker, topic, **SEGMENT, **{"retention.bytes": "2097152", "file.delete.delay.ms": "100"})
    produce(broker, topic, [b"r" * 1000 for _ in range(8000)])
    client = consumer(broker, "retention")
    log = broker.data / f"{topic}-0"
    deadline = time.monotonic() + 60
    low, size = 0, 8000 * 1000  # the first look may come when only some segments are old
    while (low == 0 or size >= 4 * 1048576) and time.monotonic() < deadline:
        time.sleep(0.05)
        low, high = client.get_watermark_offsets(TopicPartition(topic, 0), 30)
        size = sum(log_file_size(f) for f in log.glob("*.log"))
    client.close()
    assert 0 < low < high == 8000
    assert size < 4 * 1048576


def log_file_size(path):
    """Zero when it was deleted since it was listed."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
