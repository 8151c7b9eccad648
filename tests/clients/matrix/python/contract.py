"""What a scenario sees of a client library: an adapter for each library brings it into this form."""

import dataclasses
import os
import time

# Nodes die meanwhile: what a producer with other settings promises then is less than scenarios assert.
SAFE = "MATRIX_SAFE" in os.environ


@dataclasses.dataclass(frozen=True)
class Record:
    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: list
    timestamp_ms: int


class Failure(Exception):
    """What the library raised. `code` is Kafka's error code, None for an error of the library's own."""

    def __init__(self, code, text):
        super().__init__(f"error {code}: {text}")
        self.code = code


TOPIC_ALREADY_EXISTS = 36
INVALID_PARTITIONS = 37
INVALID_REPLICATION_FACTOR = 38
INVALID_TOPIC = 17
INVALID_CONFIG = 40
UNKNOWN_TOPIC = 3
MESSAGE_TOO_LARGE = 10
NON_EMPTY_GROUP = 68
GROUP_ID_NOT_FOUND = 69

COMMIT_MUST_WAIT = {22, 25, 27}  # illegal generation, unknown member, rebalance in progress


class Client:
    """One library. Every method blocks, and raises Failure where Kafka or the library refuses."""

    can_delete_records = True
    can_describe_groups = True
    exactly_once = True  # it has an idempotent producer
    keeps_partitions = True  # in cooperative rebalances
    survives_refusal = True  # a producer works on after a record that the broker refused
    tombstone_headers = True  # a header's value may be null
    needs_key_or_value = False
    topics_at_once = 2000  # in many_topics; 1,000 where the client is slow

    def __init__(self, bootstrap):
        self.bootstrap = bootstrap

    def producer(self, codec=None, linger_ms=0, largest=None, idempotent=False):
        """A Producer. `largest` raises the client's own limits to so many bytes."""
        raise NotImplementedError

    def consumer(self, group=None, reset="earliest", assignor=None, instance=None, small=False):
        """A Consumer that commits only when told. `assignor`: eager or cooperative. `small`: with
        small buffers."""
        raise NotImplementedError

    def admin(self):
        raise NotImplementedError

    def close(self):
        """Ends what all producers, consumers and admins share."""


class Producer:
    def send(self, topic, value, key=None, partition=None, headers=(), timestamp_ms=None):
        """Sends some time."""
        raise NotImplementedError

    def flush(self):
        """Waits for all that was sent; raises the first error."""
        raise NotImplementedError

    def send_one(self, topic, value, **kwargs):
        self.send(topic, value, **kwargs)
        self.flush()

    def close(self):
        raise NotImplementedError


class Consumer:
    """Partitions are pairs (topic, number); offsets of commits are those to be read next."""

    def assign(self, partitions):
        raise NotImplementedError

    def subscribe(self, topic, on_assigned=None, on_revoked=None):
        """The callbacks get a set of partitions; on_revoked may commit."""
        raise NotImplementedError

    def assignment(self):
        raise NotImplementedError

    def poll(self, seconds):
        """A list of records; empty after so many seconds without one."""
        raise NotImplementedError

    def seek(self, partition, offset):
        raise NotImplementedError

    def seek_to_beginning(self, partition):
        raise NotImplementedError

    def seek_to_end(self, partition):
        raise NotImplementedError

    def commit(self, offsets):
        raise NotImplementedError

    def committed(self, partition):
        """The offset, or None."""
        raise NotImplementedError

    def offset_for_time(self, partition, timestamp_ms):
        """The offset, or None if no record is that young."""
        raise NotImplementedError

    def bounds(self, partition):
        """(first offset, end)."""
        raise NotImplementedError

    def close(self):
        """Leaves the group, unless it is a static member."""
        raise NotImplementedError


class Admin:
    def create(self, topics, partitions=1, replication=1, config=None):
        raise NotImplementedError

    def topics(self):
        raise NotImplementedError

    def partitions(self, topic):
        raise NotImplementedError

    def delete(self, topics):
        raise NotImplementedError

    def config(self, topic):
        """A dict of name and text."""
        raise NotImplementedError

    def set_config(self, topic, name, value):
        raise NotImplementedError

    def add_partitions(self, topic, total):
        raise NotImplementedError

    def delete_records(self, topic, partition, before):
        raise NotImplementedError

    def groups(self):
        raise NotImplementedError

    def group(self, group):
        """(state, number of members)."""
        raise NotImplementedError

    def delete_group(self, group):
        raise NotImplementedError

    def close(self):
        raise NotImplementedError


# ---- What scenarios share ----------------------------------------------------------------------


def expect(condition, claim):
    if not condition:
        raise AssertionError(claim)


def expect_equal(found, wanted, what):
    expect(found == wanted, f"{what}: {found!r:.300} where {wanted!r:.300} is right")


def expect_failure(codes, what, call, *args, **kwargs):
    """That a call fails with one of the error codes."""
    try:
        call(*args, **kwargs)
    except Failure as failure:
        expect(failure.code in codes, f"{what}: {failure} instead of {codes}")
        return
    raise AssertionError(f"{what}: nothing was raised")


def wait_until(condition, what, seconds=100):
    deadline = time.monotonic() + seconds
    while not condition():
        expect(time.monotonic() < deadline, f"waited {seconds} s in vain: {what}")
        time.sleep(0.02)


def wait_for_end(client, topic, ends):
    """Until the records before ends[partition] can be seen: Kafka does not promise it of records
    that were acknowledged without waiting for all replicas, which some libraries do by default."""
    consumer = client.consumer()
    wait_until(
        lambda: all(consumer.bounds((topic, p))[1] >= end for p, end in ends.items()),
        "acknowledged records are seen",
    )
    consumer.close()


def read(consumer, count, seconds=100):
    """Exactly `count` records, and no more that would come at once."""
    records = []
    deadline = time.monotonic() + seconds
    while len(records) < count and time.monotonic() < deadline:
        records += consumer.poll(0.5)
    expect_equal(len(records), count, "records that came")
    extra = consumer.poll(0.2)
    expect(not extra, f"more records than there are: {extra!r:.300}")
    return records
