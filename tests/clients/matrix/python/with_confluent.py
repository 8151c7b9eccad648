"""confluent-kafka: librdkafka."""

import logging

import confluent_kafka
from confluent_kafka import KafkaException, TopicPartition
from confluent_kafka.admin import (
    AdminClient,
    ConfigResource,
    NewPartitions,
    NewTopic,
)

import contract
from contract import Failure, Record

LOG = logging.getLogger("librdkafka")
VERSION = tuple(int(n) for n in confluent_kafka.version()[0].split(".")[:2])


def failure(error):
    return Failure(error.code() if error.code() > 0 else None, str(error))


def called(function, *args, **kwargs):
    try:
        return function(*args, **kwargs)
    except KafkaException as raised:
        raise failure(raised.args[0]) from raised


def settled(futures):
    for future in futures.values():
        called(future.result, 60)


def tp(partition, *offset):
    return TopicPartition(*partition, *offset)


def complain(error):
    LOG.warning("%s", error)


class Producer(contract.Producer):
    def __init__(self, config):
        self.producer = confluent_kafka.Producer(config, logger=LOG)
        self.errors = []

    def _delivered(self, error, _message):
        if error is not None:
            self.errors.append(failure(error))

    def send(self, topic, value, key=None, partition=None, headers=(), timestamp_ms=None):
        options = {"partition": -1 if partition is None else partition, "headers": list(headers)}
        if timestamp_ms is not None:
            options["timestamp"] = timestamp_ms
        self.producer.poll(0)
        called(
            self.producer.produce, topic, value=value, key=key, on_delivery=self._delivered,
            **options,
        )  # fmt: skip

    def flush(self):
        contract.expect_equal(self.producer.flush(60), 0, "records that could not be flushed")
        errors, self.errors = self.errors, []
        if errors:
            raise errors[0]

    def close(self):
        self.producer.flush(10)


class Consumer(contract.Consumer):
    def __init__(self, config):
        self.consumer = confluent_kafka.Consumer(config, logger=LOG)

    def assign(self, partitions):
        self.consumer.assign([tp(p) for p in partitions])

    def subscribe(self, topic, on_assigned=None, on_revoked=None):
        def assigned(_consumer, partitions):
            if on_assigned:
                on_assigned({(p.topic, p.partition) for p in partitions})

        def revoked(_consumer, partitions):
            if on_revoked and partitions:
                on_revoked({(p.topic, p.partition) for p in partitions})

        self.consumer.subscribe([topic], on_assign=assigned, on_revoke=revoked)

    def assignment(self):
        return {(p.topic, p.partition) for p in self.consumer.assignment()}

    def poll(self, seconds):
        records = []
        message = self.consumer.poll(seconds)
        while message is not None:
            if message.error():
                raise failure(message.error())
            records.append(
                Record(
                    message.topic(),
                    message.partition(),
                    message.offset(),
                    message.key(),
                    message.value(),
                    message.headers() or [],
                    message.timestamp()[1],
                )
            )
            message = self.consumer.poll(0) if len(records) < 500 else None
        return records

    def seek(self, partition, offset):
        called(self.consumer.seek, tp(partition, offset))

    def seek_to_beginning(self, partition):
        self.seek(partition, confluent_kafka.OFFSET_BEGINNING)

    def seek_to_end(self, partition):
        self.seek(partition, confluent_kafka.OFFSET_END)

    def commit(self, offsets):
        wanted = [tp(p, offset) for p, offset in offsets.items()]
        for done in called(self.consumer.commit, offsets=wanted, asynchronous=False):
            if done.error:
                raise failure(done.error)

    def committed(self, partition):
        (found,) = called(self.consumer.committed, [tp(partition)], timeout=30)
        return found.offset if found.offset >= 0 else None

    def offset_for_time(self, partition, timestamp_ms):
        (found,) = called(self.consumer.offsets_for_times, [tp(partition, timestamp_ms)], timeout=30)
        return found.offset if found.offset >= 0 else None

    def bounds(self, partition):
        return called(self.consumer.get_watermark_offsets, tp(partition), timeout=30)

    def close(self):
        self.consumer.close()


class Admin(contract.Admin):
    def __init__(self, config):
        self.admin = AdminClient(config, **({"logger": LOG} if VERSION >= (2, 3) else {}))

    def create(self, topics, partitions=1, replication=1, config=None):
        settled(
            self.admin.create_topics(
                [NewTopic(t, partitions, replication, config=config or {}) for t in topics]
            )
        )

    def topics(self):
        return set(called(self.admin.list_topics, timeout=30).topics)

    def partitions(self, topic):
        return len(called(self.admin.list_topics, topic, timeout=30).topics[topic].partitions)

    def delete(self, topics):
        settled(self.admin.delete_topics(topics))

    def config(self, topic):
        resource = ConfigResource(ConfigResource.Type.TOPIC, topic)
        (future,) = self.admin.describe_configs([resource]).values()
        return {name: entry.value for name, entry in called(future.result, 30).items()}

    def set_config(self, topic, name, value):
        if VERSION >= (2, 2):
            from confluent_kafka.admin import AlterConfigOpType, ConfigEntry

            entry = ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET)
            resource = ConfigResource(
                ConfigResource.Type.TOPIC, topic, incremental_configs=[entry]
            )
            settled(self.admin.incremental_alter_configs([resource]))
        else:
            resource = ConfigResource(ConfigResource.Type.TOPIC, topic, {name: value})
            settled(self.admin.alter_configs([resource]))

    def add_partitions(self, topic, total):
        settled(self.admin.create_partitions([NewPartitions(topic, total)]))

    def delete_records(self, topic, partition, before):
        settled(self.admin.delete_records([TopicPartition(topic, partition, before)]))

    def groups(self):
        found = called(self.admin.list_consumer_groups().result, 30)
        contract.expect_equal(found.errors, [], "errors of the listing")
        return {g.group_id for g in found.valid}

    def group(self, group):
        (future,) = self.admin.describe_consumer_groups([group]).values()
        found = called(future.result, 30)
        return found.state.name.capitalize(), len(found.members)

    def delete_group(self, group):
        settled(self.admin.delete_consumer_groups([group]))

    def close(self):
        self.admin.poll(0)


class Library(contract.Client):
    can_delete_records = VERSION >= (2, 4)
    keeps_partitions = VERSION >= (2, 3)  # the older one may lose them all, with Kafka too

    def _config(self, **more):
        return {"bootstrap.servers": self.bootstrap, "error_cb": complain} | more

    def producer(self, codec=None, linger_ms=0, largest=None, idempotent=False):
        config = self._config(**{"linger.ms": linger_ms})
        if codec:
            config["compression.type"] = codec
        if largest:
            config["message.max.bytes"] = largest
        if idempotent or contract.SAFE:
            config["enable.idempotence"] = True
        return Producer(config)

    def consumer(self, group=None, reset="earliest", assignor=None, instance=None, small=False):
        config = self._config(
            **{
                "group.id": group or "unused",
                "auto.offset.reset": "error" if reset == "none" else reset,
                "enable.auto.commit": False,
            }
        )
        if instance:
            config["group.instance.id"] = instance
        if small:
            config |= {
                "fetch.message.max.bytes": 65536,
                "queued.max.messages.kbytes": 128,
                "queued.min.messages": 5,
            }
        if assignor:
            names = {"eager": "roundrobin", "cooperative": "cooperative-sticky"}
            config["partition.assignment.strategy"] = names[assignor]
        return Consumer(config)

    def admin(self):
        return Admin(self._config())
