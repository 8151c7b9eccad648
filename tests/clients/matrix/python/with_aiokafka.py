"""aiokafka: its coroutines run in an event loop of another thread."""

import asyncio
import concurrent.futures
import threading

import aiokafka
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic, RecordsToDelete
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
from aiokafka.errors import KafkaError

import contract
from contract import Failure, Record


class Loop:
    def __init__(self):
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()

    def call(self, coroutine):
        try:
            return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(120)
        except KafkaError as error:
            raise Failure(getattr(error, "errno", None), repr(error)) from error

    def make(self, cls, **config):
        """Objects of the library are made inside the loop, and started."""

        async def made():
            thing = cls(**config)
            await thing.start()
            return thing

        return self.call(made())

    def stop(self):
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()


def tp(partition):
    return TopicPartition(*partition)


class Producer(contract.Producer):
    def __init__(self, loop, **config):
        self.loop = loop
        self.producer = loop.make(AIOKafkaProducer, **config)
        self.unsent = []

    def send(self, topic, value, key=None, partition=None, headers=(), timestamp_ms=None):
        options = {"partition": partition, "headers": list(headers), "timestamp_ms": timestamp_ms}
        self.unsent.append((topic, value, key, options))

    def flush(self):
        async def sent():
            futures = [
                await self.producer.send(topic, value, key, **options)
                for topic, value, key, options in unsent
            ]
            await asyncio.gather(*futures)

        unsent, self.unsent = self.unsent, []
        self.loop.call(sent())

    def close(self):
        self.loop.call(self.producer.stop())


class Listener(aiokafka.ConsumerRebalanceListener):
    """The callbacks block, so they run outside the loop."""

    def __init__(self, on_assigned, on_revoked):
        self.assigned, self.revoked = on_assigned, on_revoked

    async def on_partitions_assigned(self, assigned):
        await self._tell(self.assigned, assigned)

    async def on_partitions_revoked(self, revoked):
        if revoked:
            await self._tell(self.revoked, revoked)

    async def _tell(self, callback, partitions):
        if callback:
            loop = asyncio.get_running_loop()
            await loop.run_in_executor(None, callback, {tuple(p) for p in partitions})


class Consumer(contract.Consumer):
    def __init__(self, loop, **config):
        self.loop = loop
        self.consumer = loop.make(AIOKafkaConsumer, **config)

    def _do(self, function, *args):
        """A method of the library that is no coroutine, called inside the loop."""

        async def done():
            return function(*args)

        return self.loop.call(done())

    def assign(self, partitions):
        self._do(self.consumer.assign, [tp(p) for p in partitions])

    def subscribe(self, topic, on_assigned=None, on_revoked=None):
        async def subscribed():
            self.consumer.subscribe([topic], listener=Listener(on_assigned, on_revoked))

        self.loop.call(subscribed())

    def assignment(self):
        return {tuple(p) for p in self._do(self.consumer.assignment)}

    def poll(self, seconds):
        batches = self.loop.call(self.consumer.getmany(timeout_ms=int(seconds * 1000)))
        return [
            Record(r.topic, r.partition, r.offset, r.key, r.value, list(r.headers), r.timestamp)
            for records in batches.values()
            for r in records
        ]

    def seek(self, partition, offset):
        self._do(self.consumer.seek, tp(partition), offset)

    def seek_to_beginning(self, partition):
        self.loop.call(self.consumer.seek_to_beginning(tp(partition)))

    def seek_to_end(self, partition):
        self.loop.call(self.consumer.seek_to_end(tp(partition)))

    def commit(self, offsets):
        self.loop.call(self.consumer.commit({tp(p): offset for p, offset in offsets.items()}))

    def committed(self, partition):
        return self.loop.call(self.consumer.committed(tp(partition)))

    def offset_for_time(self, partition, timestamp_ms):
        found = self.loop.call(self.consumer.offsets_for_times({tp(partition): timestamp_ms}))
        return found[tp(partition)] and found[tp(partition)].offset

    def bounds(self, partition):
        here = tp(partition)
        first = self.loop.call(self.consumer.beginning_offsets([here]))[here]
        return first, self.loop.call(self.consumer.end_offsets([here]))[here]

    def close(self):
        try:
            self.loop.call(self.consumer.stop())
        except concurrent.futures.CancelledError:  # where a node of its fetches is gone
            if not contract.SAFE:
                raise


def refused(entries):
    """Answers are left to the user to look through: (name, code, message) each."""
    for _name, code, *message in entries:
        if code:
            raise Failure(code, message)


class Admin(contract.Admin):
    def __init__(self, loop, bootstrap):
        self.loop = loop
        self.admin = loop.make(AIOKafkaAdminClient, bootstrap_servers=bootstrap)

    def create(self, topics, partitions=1, replication=1, config=None):
        new = [NewTopic(t, partitions, replication, topic_configs=config or {}) for t in topics]
        refused(self.loop.call(self.admin.create_topics(new)).topic_errors)

    def topics(self):
        return set(self.loop.call(self.admin.list_topics()))

    def partitions(self, topic):
        return len(self.loop.call(self.admin.describe_topics([topic]))[0]["partitions"])

    def delete(self, topics):
        refused(self.loop.call(self.admin.delete_topics(topics)).topic_error_codes)

    def config(self, topic):
        resource = ConfigResource(ConfigResourceType.TOPIC, topic)
        (answer,) = self.loop.call(self.admin.describe_configs([resource]))
        ((_code, _text, _type, _name, entries),) = answer.resources
        return {entry[0]: entry[1] for entry in entries}

    def set_config(self, topic, name, value):
        resource = ConfigResource(ConfigResourceType.TOPIC, topic, {name: value})
        (answer,) = self.loop.call(self.admin.alter_configs([resource]))
        refused([(name, code, text) for code, text, _type, name in answer.resources])

    def add_partitions(self, topic, total):
        self.loop.call(self.admin.create_partitions({topic: NewPartitions(total)}))

    def delete_records(self, topic, partition, before):
        self.loop.call(
            self.admin.delete_records({TopicPartition(topic, partition): RecordsToDelete(before)})
        )

    def groups(self):
        return {g[0] for g in self.loop.call(self.admin.list_consumer_groups())}

    def close(self):
        self.loop.call(self.admin.close())


class Library(contract.Client):
    needs_key_or_value = True
    topics_at_once = 1000
    survives_refusal = not contract.SAFE  # an idempotent one does not
    can_describe_groups = False  # it lists them, and leaves describing and deleting to raw requests

    def __init__(self, bootstrap):
        super().__init__(bootstrap)
        self.loop = Loop()

    def producer(self, codec=None, linger_ms=0, largest=None, idempotent=False):
        config = {"compression_type": codec, "linger_ms": linger_ms}
        if largest:
            config |= {"max_request_size": largest, "max_batch_size": largest}
        if idempotent or contract.SAFE:
            config["enable_idempotence"] = True
        return Producer(self.loop, bootstrap_servers=self.bootstrap, **config)

    def consumer(self, group=None, reset="earliest", assignor=None, instance=None, small=False):
        config = {"group_id": group, "auto_offset_reset": reset, "enable_auto_commit": False}
        if instance:
            config["group_instance_id"] = instance
        if small:
            config |= {"max_partition_fetch_bytes": 65536, "max_poll_records": 20}
        if assignor:
            config["partition_assignment_strategy"] = [RoundRobinPartitionAssignor]
        return Consumer(self.loop, bootstrap_servers=self.bootstrap, **config)

    def admin(self):
        return Admin(self.loop, self.bootstrap)

    def close(self):
        self.loop.stop()
