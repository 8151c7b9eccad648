"""librdkafka through confluent-kafka: producer, consumer and admin client with their defaults."""

import collections
import functools
import threading
import time

import pytest
from confluent_kafka import (
    OFFSET_BEGINNING,
    Consumer,
    KafkaError,
    KafkaException,
    Producer,
    TopicPartition,
)
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewPartitions,
    NewTopic,
    OffsetSpec,
    ResourceType,
)


@functools.lru_cache(maxsize=None)
def admin_at(bootstrap):
    """Topics it knows of are not created again by its own questions for them, once deleted."""
    return AdminClient({"bootstrap.servers": bootstrap, "allow.auto.create.topics": False})


def admin(broker):
    """One admin client a broker: its futures fail when it is collected."""
    return admin_at(broker.bootstrap)


def eventually(what, ask, right):
    """The first answer of ask() that is right: what one node has decided the others hear a moment later,
    and any of them may be asked."""
    deadline = time.monotonic() + 60
    while not right(answer := ask()):
        assert time.monotonic() < deadline, f"{what}: {answer}"
        time.sleep(0.05)
    return answer


def create_topic(broker, name, partitions=1, **config):
    futures = admin(broker).create_topics([NewTopic(name, partitions, config=config)])
    futures[name].result(30)


def produce(broker, topic, values, **options):
    """Produces values, all acknowledged; returns their (partition, offset)."""
    delivered = [None] * len(values)
    errors = []

    def report(index):
        def on_delivery(error, message):
            if error is not None:
                errors.append(error)
            else:
                delivered[index] = (message.partition(), message.offset())

        return on_delivery

    producer = Producer({"bootstrap.servers": broker.bootstrap, **options})
    for index, value in enumerate(values):
        while True:
            try:
                producer.produce(topic, value=value, on_delivery=report(index))
                break
            except BufferError:
                producer.poll(0.1)
    assert producer.flush(60) == 0
    if errors:
        raise KafkaException(errors[0])
    return delivered


def consumer(broker, group, **options):
    return Consumer(
        {
            "bootstrap.servers": broker.bootstrap,
            "group.id": group,
            "auto.offset.reset": "earliest",
            "enable.partition.eof": False,
            **options,
        }
    )


def consume(client, count, timeout_s=60):
    messages = []
    deadline = time.monotonic() + timeout_s
    while len(messages) < count and time.monotonic() < deadline:
        for message in client.consume(count - len(messages), timeout=1):
            assert message.error() is None, message.error()
            messages.append(message)
    return messages


def test_an_idempotent_producer_writes_each_record_once(broker, topic, group):
    values = [f"v{i}".encode() for i in range(20000)]
    delivered = produce(broker, topic, values, **{"enable.idempotence": True})
    assert [offset for _, offset in delivered] == list(range(len(values)))
    client = consumer(broker, group)
    client.subscribe([topic])
    assert [m.value() for m in consume(client, len(values))] == values
    client.close()


@pytest.mark.parametrize("codec", ["none", "gzip", "snappy", "lz4", "zstd"])
def test_codecs(broker, topic, group, codec):
    values = [(f"{i}-" + "y" * (i % 300)).encode() for i in range(2000)]
    produce(broker, topic, values, **{"compression.type": codec, "linger.ms": 50})
    client = consumer(broker, group)
    client.subscribe([topic])
    assert [m.value() for m in consume(client, len(values))] == values
    client.close()


def test_a_record_above_the_topic_limit_is_refused_and_one_below_is_not(broker, topic):
    create_topic(broker, topic, **{"max.message.bytes": "10000"})
    produce(broker, topic, [b"z" * 9000])
    with pytest.raises(KafkaException) as refused:
        produce(broker, topic, [b"z" * 11000])
    assert refused.value.args[0].code() == KafkaError.MSG_SIZE_TOO_LARGE


def test_headers_keys_and_timestamps_survive(broker, topic, group):
    producer = Producer({"bootstrap.servers": broker.bootstrap})
    headers = [("ce_type", b"learning.request"), ("ce_type", b"again"), ("null", None)]
    producer.produce(topic, key=b"k", value=None, headers=headers, timestamp=1700000000123)
    assert producer.flush(30) == 0
    client = consumer(broker, group)
    client.subscribe([topic])
    (message,) = consume(client, 1)
    assert (message.key(), message.value()) == (b"k", None)
    assert message.headers() == headers
    assert message.timestamp()[1] == 1700000000123
    client.close()


def test_a_group_goes_on_where_it_committed(broker, topic, group):
    produce(broker, topic, [str(i).encode() for i in range(100)])
    first = consumer(broker, group, **{"enable.auto.commit": False})
    first.subscribe([topic])
    messages = consume(first, 100)
    first.commit(offsets=[TopicPartition(topic, 0, 40)], asynchronous=False)
    first.close()
    assert len(messages) == 100
    second = consumer(broker, group)
    second.subscribe([topic])
    assert [m.value() for m in consume(second, 60)] == [str(i).encode() for i in range(40, 100)]
    second.close()


@pytest.mark.parametrize("strategy", ["range", "cooperative-sticky"])
def test_members_of_a_group_share_the_partitions(broker, topic, group, strategy):
    create_topic(broker, topic, partitions=6)
    stop = threading.Event()
    seen = collections.defaultdict(set)

    def member(name):
        client = consumer(
            broker, group,
            **{"partition.assignment.strategy": strategy, "session.timeout.ms": 6000,
               "heartbeat.interval.ms": 500},
        )  # fmt: skip
        client.subscribe([topic])
        while not stop.is_set():
            message = client.poll(0.2)
            if message is not None and message.error() is None:
                seen[message.value()].add(name)
        client.close()

    threads = [threading.Thread(target=member, args=(n,)) for n in range(3)]
    threads[0].start()
    produce(broker, topic, [f"a{i}".encode() for i in range(600)])
    for t in threads[1:]:
        t.start()
    deadline = time.monotonic() + 60
    busy = set()
    batch = 0
    while len(busy) < 3 and time.monotonic() < deadline:
        batch += 1
        produce(broker, topic, [f"b{batch}-{i}".encode() for i in range(60)])
        time.sleep(0.3)
        busy = set().union(*(names for value, names in list(seen.items()) if value.startswith(b"b")))
    wanted = {f"a{i}".encode() for i in range(600)}
    while not wanted <= set(seen) and time.monotonic() < deadline:
        time.sleep(0.1)
    stop.set()
    for t in threads:
        t.join()
    assert busy == {0, 1, 2}
    assert wanted <= set(seen)


def test_a_static_member_comes_back_without_a_rebalance(broker, topic, group):
    create_topic(broker, topic, partitions=2)
    produce(broker, topic, [b"x"] * 10)
    options = {"group.instance.id": "instance-1", "session.timeout.ms": 30000}
    first = consumer(broker, group, **options)
    first.subscribe([topic])
    consume(first, 10)
    described = admin(broker).describe_consumer_groups([group])[group].result(30)
    before = described.members[0].member_id
    assert described.members[0].group_instance_id == "instance-1"
    first.close()  # a static member does not leave
    second = consumer(broker, group, **options)
    second.subscribe([topic])
    produce(broker, topic, [b"y"])
    assert [m.value() for m in consume(second, 1)] == [b"y"]
    after = admin(broker).describe_consumer_groups([group])[group].result(30)
    assert [m.group_instance_id for m in after.members] == ["instance-1"]
    assert after.members[0].member_id != before
    second.close()


def test_seek_by_time_and_replay_from_the_beginning(broker, topic, group):
    producer = Producer({"bootstrap.servers": broker.bootstrap})
    for i in range(100):
        producer.produce(topic, value=str(i), timestamp=1700000000000 + i * 1000)
    assert producer.flush(30) == 0
    client = consumer(broker, group)
    (found,) = client.offsets_for_times([TopicPartition(topic, 0, 1700000000000 + 49500)], 30)
    assert found.offset == 50
    client.assign([found])
    assert [m.value() for m in consume(client, 50)] == [str(i).encode() for i in range(50, 100)]
    client.assign([TopicPartition(topic, 0, OFFSET_BEGINNING)])
    assert len(consume(client, 100)) == 100
    client.close()


def test_watermarks_and_offset_specs(broker, topic, group):
    produce(broker, topic, [b"a", b"b", b"c"])
    client = consumer(broker, group)
    assert client.get_watermark_offsets(TopicPartition(topic, 0), 30) == (0, 3)
    client.close()
    for spec, offset in ((OffsetSpec.earliest(), 0), (OffsetSpec.latest(), 3)):
        (future,) = admin(broker).list_offsets({TopicPartition(topic, 0): spec}).values()
        assert future.result(30).offset == offset
    (future,) = admin(broker).list_offsets({TopicPartition(topic, 0): OffsetSpec.max_timestamp()}).values()
    assert future.result(30).offset in (0, 1, 2)


def test_topics_are_created_grown_described_and_deleted(broker, topic):
    client = admin(broker)
    create_topic(broker, topic, partitions=3, **{"retention.ms": "86400000"})
    with pytest.raises(KafkaException) as again:
        create_topic(broker, topic)
    assert again.value.args[0].code() == KafkaError.TOPIC_ALREADY_EXISTS
    client.create_partitions([NewPartitions(topic, 5)])[topic].result(30)
    eventually(
        "five partitions",
        lambda: client.list_topics(topic, 30).topics[topic].partitions,
        lambda partitions: len(partitions) == 5,
    )
    client.delete_topics([topic])[topic].result(30)
    eventually(
        "the topic is gone",
        lambda: client.list_topics(timeout=30).topics,
        lambda topics: topic not in topics,
    )


@pytest.mark.parametrize(
    "name, partitions, replicas, config, code",
    [
        ("bad name", 1, 1, {}, KafkaError.TOPIC_EXCEPTION),
        ("no-partitions", 0, 1, {}, KafkaError.INVALID_PARTITIONS),
        ("replicas", 1, 5, {}, KafkaError.INVALID_REPLICATION_FACTOR),
        ("config", 1, 1, {"retention.ms": "soon"}, KafkaError.INVALID_CONFIG),
        ("unknown-config", 1, 1, {"no.such.key": "1"}, KafkaError.INVALID_CONFIG),
    ],
)
def test_topics_that_cannot_be(broker, topic, name, partitions, replicas, config, code):
    name = f"{topic}-{name}"
    futures = admin(broker).create_topics([NewTopic(name, partitions, replicas, config=config)])
    with pytest.raises(KafkaException) as refused:
        futures[name].result(30)
    assert refused.value.args[0].code() == code


def test_topic_configs_are_altered_and_described(broker, topic):
    create_topic(broker, topic)
    client = admin(broker)
    change = ConfigResource(
        ResourceType.TOPIC, topic,
        incremental_configs=[
            ConfigEntry("retention.ms", "1000", incremental_operation=AlterConfigOpType.SET),
            ConfigEntry("cleanup.policy", "compact", incremental_operation=AlterConfigOpType.APPEND),
        ],
    )  # fmt: skip
    client.incremental_alter_configs([change])[change].result(30)
    resource = ConfigResource(ResourceType.TOPIC, topic)

    def described(retention_ms):
        return eventually(
            f"retention.ms={retention_ms}",
            lambda: client.describe_configs([resource])[resource].result(30),
            lambda entries: entries["retention.ms"].value == retention_ms,
        )

    entries = described("1000")
    assert entries["cleanup.policy"].value == "delete,compact"
    assert entries["segment.bytes"].is_default
    change = ConfigResource(
        ResourceType.TOPIC, topic,
        incremental_configs=[
            ConfigEntry("retention.ms", None, incremental_operation=AlterConfigOpType.DELETE)
        ],
    )  # fmt: skip
    client.incremental_alter_configs([change])[change].result(30)
    described("604800000")


def test_records_are_deleted_up_to_an_offset(broker, topic, group):
    produce(broker, topic, [str(i).encode() for i in range(10)])
    (future,) = admin(broker).delete_records([TopicPartition(topic, 0, 4)]).values()
    assert future.result(30).low_watermark == 4
    client = consumer(broker, group)
    client.subscribe([topic])
    assert [m.value() for m in consume(client, 6)] == [str(i).encode() for i in range(4, 10)]
    client.close()


def test_groups_are_listed_described_altered_and_deleted(broker, topic, group):
    produce(broker, topic, [b"x"] * 5)
    client = consumer(broker, group)
    client.subscribe([topic])
    consume(client, 5)
    client.commit(asynchronous=False)
    listed = admin(broker).list_consumer_groups().result(30)
    assert group in [g.group_id for g in listed.valid]
    described = admin(broker).describe_consumer_groups([group])[group].result(30)
    assert described.state.name == "STABLE"
    assert [tp.topic for tp in described.members[0].assignment.topic_partitions] == [topic]
    with pytest.raises(KafkaException) as busy:
        admin(broker).delete_consumer_groups([group])[group].result(30)
    assert busy.value.args[0].code() == KafkaError.NON_EMPTY_GROUP
    client.close()
    from confluent_kafka import ConsumerGroupTopicPartitions

    wanted = [ConsumerGroupTopicPartitions(group, [TopicPartition(topic, 0, 2)])]
    admin(broker).alter_consumer_group_offsets(wanted)[group].result(30)
    asked = [ConsumerGroupTopicPartitions(group)]
    found = admin(broker).list_consumer_group_offsets(asked)[group].result(30)
    assert [(tp.topic, tp.partition, tp.offset) for tp in found.topic_partitions] == [(topic, 0, 2)]
    admin(broker).delete_consumer_groups([group])[group].result(30)
    assert group not in [g.group_id for g in admin(broker).list_consumer_groups().result(30).valid]


def test_everything_is_still_there_after_a_clean_restart(fresh_broker, topic, group):
    create_topic(fresh_broker, topic, partitions=3, **{"retention.ms": "86400000"})
    values = [str(i).encode() for i in range(3000)]
    produce(fresh_broker, topic, values)
    client = consumer(fresh_broker, group, **{"enable.auto.commit": False})
    client.subscribe([topic])
    consume(client, 3000)
    client.commit(asynchronous=False)
    client.close()
    fresh_broker.restart()
    resource = ConfigResource(ResourceType.TOPIC, topic)
    entries = admin(fresh_broker).describe_configs([resource])[resource].result(30)
    assert entries["retention.ms"].value == "86400000"
    produce(fresh_broker, topic, [b"after"])
    client = consumer(fresh_broker, group)
    client.subscribe([topic])
    assert [m.value() for m in consume(client, 1)] == [b"after"]
    client.close()
    client = consumer(fresh_broker, group + "-again")
    client.subscribe([topic])
    assert sorted(m.value() for m in consume(client, 3001)) == sorted(values + [b"after"])
    client.close()
