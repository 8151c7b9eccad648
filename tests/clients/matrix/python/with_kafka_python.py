"""kafka-python, the old release (2.0) and the present one."""

import kafka
import kafka.errors
from kafka import ConsumerRebalanceListener, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType, KafkaAdminClient
from kafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor

import contract
from contract import Failure, Record

OLD = tuple(int(n) for n in kafka.__version__.split(".")[:2]) < (2, 1)
# 2.0 asks the first node which versions it has, and a client is not made when that node dies meanwhile.
TOLD = {"api_version": (2, 5, 0)} if OLD and contract.SAFE else {}


def called(function, *args, **kwargs):
    try:
        return function(*args, **kwargs)
    except kafka.errors.KafkaError as error:
        raise Failure(getattr(error, "errno", None), repr(error)) from error


def tp(partition):
    return TopicPartition(*partition)


def committed_form(offset):
    fields = kafka.structs.OffsetAndMetadata._fields
    return kafka.structs.OffsetAndMetadata(*(offset, "", -1)[: len(fields)])


class Producer(contract.Producer):
    def __init__(self, **config):
        self.producer = called(KafkaProducer, **config)
        self.futures = []

    def send(self, topic, value, key=None, partition=None, headers=(), timestamp_ms=None):
        future = called(
            self.producer.send, topic, value=value, key=key, partition=partition,
            headers=list(headers), timestamp_ms=timestamp_ms,
        )  # fmt: skip
        self.futures.append(future)

    def flush(self):
        futures, self.futures = self.futures, []
        called(self.producer.flush, timeout=60)
        for future in futures:
            called(future.get, timeout=60)

    def close(self):
        self.producer.close()


class Listener(ConsumerRebalanceListener):
    def __init__(self, on_assigned, on_revoked):
        self.assigned, self.revoked = on_assigned, on_revoked

    def on_partitions_assigned(self, assigned):
        if self.assigned:
            self.assigned({tuple(p) for p in assigned})

    def on_partitions_revoked(self, revoked):
        if self.revoked and revoked:
            self.revoked({tuple(p) for p in revoked})


class Consumer(contract.Consumer):
    def __init__(self, **config):
        self.consumer = called(KafkaConsumer, **config)

    def assign(self, partitions):
        self.consumer.assign([tp(p) for p in partitions])

    def subscribe(self, topic, on_assigned=None, on_revoked=None):
        # A consumer that knows nothing of the topic yet may, as leader, give nobody anything.
        called(self.consumer.partitions_for_topic, topic)
        self.consumer.subscribe([topic], listener=Listener(on_assigned, on_revoked))

    def assignment(self):
        return {tuple(p) for p in self.consumer.assignment()}

    def poll(self, seconds):
        batches = called(self.consumer.poll, timeout_ms=int(seconds * 1000))
        return [
            Record(r.topic, r.partition, r.offset, r.key, r.value, list(r.headers), r.timestamp)
            for records in batches.values()
            for r in records
        ]

    def seek(self, partition, offset):
        self.consumer.seek(tp(partition), offset)

    def seek_to_beginning(self, partition):
        self.consumer.seek_to_beginning(tp(partition))

    def seek_to_end(self, partition):
        self.consumer.seek_to_end(tp(partition))

    def commit(self, offsets):
        called(self.consumer.commit, {tp(p): committed_form(o) for p, o in offsets.items()})

    def committed(self, partition):
        return called(self.consumer.committed, tp(partition))

    def offset_for_time(self, partition, timestamp_ms):
        found = called(self.consumer.offsets_for_times, {tp(partition): timestamp_ms})
        return found[tp(partition)] and found[tp(partition)].offset

    def bounds(self, partition):
        here = tp(partition)
        first = called(self.consumer.beginning_offsets, [here])[here]
        return first, called(self.consumer.end_offsets, [here])[here]

    def close(self):
        self.consumer.close()


class Admin(contract.Admin):
    """The present release."""

    def __init__(self, bootstrap):
        self.admin = called(KafkaAdminClient, bootstrap_servers=bootstrap, **TOLD)

    def create(self, topics, partitions=1, replication=1, config=None):
        options = {
            "num_partitions": partitions,
            "replication_factor": replication,
            "configs": config or {},
        }
        called(self.admin.create_topics, {t: options for t in topics})

    def topics(self):
        return set(called(self.admin.list_topics))

    def partitions(self, topic):
        return len(called(self.admin.describe_topics, [topic])[0]["partitions"])

    def delete(self, topics):
        called(self.admin.delete_topics, topics)

    def config(self, topic):
        resource = ConfigResource(ConfigResourceType.TOPIC, topic)
        found = called(self.admin.describe_configs, [resource], config_filter="all")
        return {name: c["value"] for name, c in found["topic"][topic].items()}

    def set_config(self, topic, name, value):
        resource = ConfigResource(ConfigResourceType.TOPIC, topic, {name: value})
        outcome = called(self.admin.alter_configs, [resource])["topic"][topic]
        if outcome != "OK":  # a text, with the name of the error's class
            code = kafka.errors.InvalidConfigurationError.errno
            raise Failure(code if "InvalidConfigurationError" in outcome else None, outcome)

    def add_partitions(self, topic, total):
        called(self.admin.create_partitions, {topic: total})

    def delete_records(self, topic, partition, before):
        called(self.admin.delete_records, {TopicPartition(topic, partition): before})

    def groups(self):
        return {g["group_id"] for g in called(self.admin.list_groups)}

    def group(self, group):
        found = called(self.admin.describe_groups, [group])[group]
        return found["group_state"], len(found["members"])

    def delete_group(self, group):
        outcome = called(self.admin.delete_groups, [group])[group]
        if outcome != "OK":  # the name of the error's class
            raise Failure(getattr(kafka.errors, outcome).errno, outcome)

    def close(self):
        self.admin.close()


class OldAdmin(Admin):
    def create(self, topics, partitions=1, replication=1, config=None):
        from kafka.admin import NewTopic

        new = [NewTopic(t, partitions, replication, topic_configs=config or {}) for t in topics]
        called(self.admin.create_topics, new)

    def config(self, topic):
        resource = ConfigResource(ConfigResourceType.TOPIC, topic)
        (answer,) = called(self.admin.describe_configs, [resource])
        ((_code, _text, _type, _name, entries),) = answer.resources
        return {entry[0]: entry[1] for entry in entries}

    def set_config(self, topic, name, value):
        resource = ConfigResource(ConfigResourceType.TOPIC, topic, {name: value})
        ((code, text, _type, _name),) = called(self.admin.alter_configs, [resource]).resources
        if code:
            raise Failure(code, text)

    def add_partitions(self, topic, total):
        from kafka.admin import NewPartitions

        called(self.admin.create_partitions, {topic: NewPartitions(total)})

    def groups(self):
        return {g[0] for g in called(self.admin.list_consumer_groups)}

    def group(self, group):
        (found,) = called(self.admin.describe_consumer_groups, [group])
        return found.state, len(found.members)

    def delete_group(self, group):
        ((_group, error),) = called(self.admin.delete_consumer_groups, [group])
        if error.errno:
            raise Failure(error.errno, repr(error))


class Library(contract.Client):
    can_delete_records = not OLD
    exactly_once = not OLD
    survives_refusal = OLD  # idempotent by default, and then it gives up
    tombstone_headers = False
    needs_key_or_value = True
    topics_at_once = 1000

    def producer(self, codec=None, linger_ms=0, largest=None, idempotent=False):
        config = {"compression_type": codec, "linger_ms": linger_ms}
        if largest:
            config["max_request_size"] = largest
        if (idempotent or contract.SAFE) and OLD:
            config |= {"acks": "all", "retries": 1000, "max_in_flight_requests_per_connection": 1}
        return Producer(bootstrap_servers=self.bootstrap, **TOLD, **config)

    def consumer(self, group=None, reset="earliest", assignor=None, instance=None, small=False):
        config = {"group_id": group, "auto_offset_reset": reset, "enable_auto_commit": False}
        if instance:
            config["group_instance_id"] = instance
        if small:
            config |= {"max_partition_fetch_bytes": 65536, "max_poll_records": 20}
        if assignor == "eager":
            config["partition_assignment_strategy"] = [RoundRobinPartitionAssignor]
        elif assignor == "cooperative":
            from kafka.coordinator.assignors.cooperative_sticky import CooperativeStickyAssignor

            config["partition_assignment_strategy"] = [CooperativeStickyAssignor]
        return Consumer(bootstrap_servers=self.bootstrap, **TOLD, **config)

    def admin(self):
        return (OldAdmin if OLD else Admin)(self.bootstrap)
