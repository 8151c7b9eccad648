"""
kill -9 under load, restart, read everything back.

Each round: idempotent acks=all producers write numbered records to several partitions while a group
consumes and commits; at a random moment the broker is killed; it is started again; the producers
finish (librdkafka retries by itself); then each partition is read from the beginning and checked:

    lost        a record that was acknowledged is not there
    moved       it is there, but not at the offset that was acknowledged
    duplicate   one record at two offsets
    reordered   a producer's records out of its order
    regressed   a committed group offset went back

Every record carries partition, producer and number, so that a reader needs no other state.
"""

import argparse
import collections
import random
import sys
import tempfile
import threading
import time

from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from harness import Barnabas

TOPIC = "ledger"
PARTITIONS = 4
GROUP = "ledger-readers"


class Writer(threading.Thread):
    def __init__(self, broker, name, seed):
        super().__init__(daemon=True)
        self.name_ = name
        self.random = random.Random(seed)
        self.stopping = threading.Event()
        self.acknowledged = {}  # (partition, producer, number) -> offset
        self.errors = []
        self.numbers = collections.Counter()
        self.producer = Producer(
            {
                "bootstrap.servers": broker.bootstrap,
                "enable.idempotence": True,
                "acks": "all",
                "linger.ms": 1,
                "message.timeout.ms": 60000,
                "reconnect.backoff.ms": 10,
                "reconnect.backoff.max.ms": 100,
                "retry.backoff.ms": 10,
                "retry.backoff.max.ms": 100,
            }
        )

    def on_delivery(self, error, message):
        if error is not None:
            self.errors.append(str(error))
            return
        self.acknowledged[message.value()] = (message.partition(), message.offset())

    def run(self):
        while not self.stopping.is_set():
            partition = self.random.randrange(PARTITIONS)
            number = self.numbers[partition]
            self.numbers[partition] += 1
            value = f"{partition} {self.name_} {number} ".encode() + b"." * self.random.randrange(200)
            while True:
                try:
                    self.producer.produce(TOPIC, value=value, partition=partition,
                                          on_delivery=self.on_delivery)
                    break
                except BufferError:
                    self.producer.poll(0.05)
            self.producer.poll(0)
            if number % 50 == 0:
                time.sleep(0.001)
        if self.producer.flush(90) != 0:
            self.errors.append("records were left unsent")


class Reader(threading.Thread):
    """Commits what it read; remembers the last commit that was acknowledged."""

    def __init__(self, broker):
        super().__init__(daemon=True)
        self.stopping = threading.Event()
        self.committed = {}
        self.client = Consumer(
            {
                "bootstrap.servers": broker.bootstrap,
                "group.id": GROUP,
                "enable.auto.commit": False,
                "auto.offset.reset": "earliest",
                "session.timeout.ms": 6000,
                "reconnect.backoff.ms": 10,
                "reconnect.backoff.max.ms": 100,
            }
        )

    def run(self):
        self.client.assign([TopicPartition(TOPIC, p) for p in range(PARTITIONS)])
        position = {}
        while not self.stopping.is_set():
            for message in self.client.consume(200, timeout=0.1):
                if message.error() is None:
                    position[message.partition()] = message.offset() + 1
            if position:
                offsets = [TopicPartition(TOPIC, p, o) for p, o in position.items()]
                try:
                    self.client.commit(offsets=offsets, asynchronous=False)
                    self.committed.update(position)
                except Exception:  # the broker is gone: this commit may or may not count
                    time.sleep(0.02)
        self.client.close()


def read_back(broker):
    client = Consumer({"bootstrap.servers": broker.bootstrap, "group.id": "auditor",
                       "enable.auto.commit": False})
    partitions = [TopicPartition(TOPIC, p, 0) for p in range(PARTITIONS)]
    ends = [client.get_watermark_offsets(p, 30)[1] for p in partitions]
    client.assign(partitions)
    found = [[] for _ in range(PARTITIONS)]
    deadline = time.monotonic() + 120
    while sum(map(len, found)) < sum(ends) and time.monotonic() < deadline:
        for message in client.consume(1000, timeout=1):
            assert message.error() is None, message.error()
            found[message.partition()].append((message.offset(), message.value()))
    committed = client_committed(broker)
    client.close()
    return found, ends, committed


def client_committed(broker):
    client = Consumer({"bootstrap.servers": broker.bootstrap, "group.id": GROUP,
                       "enable.auto.commit": False})
    offsets = client.committed([TopicPartition(TOPIC, p) for p in range(PARTITIONS)], 30)
    client.close()
    return {tp.partition: tp.offset for tp in offsets}


def audit(found, ends, committed, acknowledged, committed_before):
    """The list of what is wrong; empty when all is well."""
    wrong = []
    for partition, records in enumerate(found):
        if len(records) != ends[partition]:
            wrong.append(f"partition {partition}: {len(records)} of {ends[partition]} records read")
        if [offset for offset, _ in records] != list(range(len(records))):
            wrong.append(f"partition {partition}: offsets are not 0, 1, 2, ...")
        seen = {}
        last = {}
        for offset, value in records:
            _, producer, number = value.split(b" ")[:3]
            if value in seen:
                wrong.append(f"duplicate: {value[:40]} at {seen[value]} and {offset}")
            seen[value] = offset
            if int(number) <= last.get(producer, -1):
                wrong.append(f"reordered: {value[:40]} at {offset} after {last[producer]}")
            last[producer] = int(number)
        for value, (at_partition, offset) in acknowledged.items():
            if at_partition != partition:
                continue
            if value not in seen:
                wrong.append(f"lost: {value[:40]}, acknowledged at {offset}")
            elif seen[value] != offset:
                wrong.append(f"moved: {value[:40]} acknowledged at {offset}, found at {seen[value]}")
    for partition, offset in committed_before.items():
        if committed.get(partition, -1) < offset:
            wrong.append(f"regressed: partition {partition} committed {offset}, "
                         f"now {committed.get(partition)}")
    return wrong


def one_round(broker, number, seed, acknowledged, committed_before, end=Barnabas.kill):
    rng = random.Random(seed * 1000003 + number)
    writers = [Writer(broker, f"r{number}w{i}", rng.random()) for i in range(2)]
    reader = Reader(broker)
    for thread in [*writers, reader]:
        thread.start()
    time.sleep(rng.uniform(0.05, 0.6))
    end(broker)
    broker.start()
    time.sleep(rng.uniform(0.05, 0.3))
    for thread in [*writers, reader]:
        thread.stopping.set()
    for thread in [*writers, reader]:
        thread.join()
    errors = [e for w in writers for e in w.errors]
    count = 0
    for writer in writers:
        acknowledged.update(writer.acknowledged)
        count += len(writer.acknowledged)
    committed_before.update(reader.committed)
    return count, errors


def run(rounds, seed, directory=None, report=print, audit_every=1, end=Barnabas.kill, **properties):
    """
    The number of failed rounds, and how many records were audited. `end` is what is done to the
    broker under load.
    """
    broker = Barnabas(directory, **properties).start()
    failed = 0
    try:
        admin = AdminClient({"bootstrap.servers": broker.bootstrap})
        admin.create_topics([NewTopic(TOPIC, PARTITIONS, 1)])[TOPIC].result(30)
        acknowledged, committed_before = {}, {}
        for number in range(1, rounds + 1):
            count, errors = one_round(broker, number, seed, acknowledged, committed_before, end)
            wrong = [f"producer error: {e}" for e in errors[:5]]
            if number % audit_every == 0 or number == rounds:
                found, ends, committed = read_back(broker)
                wrong += audit(found, ends, committed, acknowledged, committed_before)
                outcome = f"{sum(ends)} read back, {'ok' if not wrong else 'FAILED'}"
            else:
                outcome = "not read back"
            report(f"round {number}/{rounds}: {count} acknowledged, {outcome}")
            for line in wrong[:10]:
                report(f"    {line}")
            if wrong:
                failed += 1
                report(broker.log())
                break
        return failed, len(acknowledged)
    finally:
        broker.destroy()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0].strip())
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--audit-every", type=int, default=1)
    parser.add_argument("--shards", type=int, default=1, help="num.shards")
    parser.add_argument("--durability", choices=["fsync", "page-cache"], default="fsync")
    options = parser.parse_args()
    print(f"seed {options.seed}")
    failed, audited = run(options.rounds, options.seed, tempfile.mkdtemp(prefix="kill-loop-"),
                          audit_every=options.audit_every, num_shards=options.shards,
                          durability=options.durability)
    print(f"{options.rounds} rounds, {audited} acknowledged records audited, {failed} rounds failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
