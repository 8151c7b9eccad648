"""
A producer that never stops, and the audit of what it was told.

Records are due at fixed times (an open loop), so that a cluster that stalls is charged for all who
had to wait. Each value is unique and says partition and number. The audit reads the log files of
every node after all have stopped:

    lost         a record that was acknowledged is missing on some node
    moved        it is there, at another offset than was acknowledged
    duplicated   one record at two offsets
    reordered    numbers of a partition that do not grow
    torn         offsets of a partition with a hole, or twice
    different    two nodes with different records at an offset
"""

import bisect
import collections
import re
import subprocess
import threading
import time

import harness
from confluent_kafka import Producer

PADDING = b"." * 80


class Load(threading.Thread):
    def __init__(self, cluster, topic, partitions=1, rate=1000, **client):
        super().__init__(daemon=True)
        self.topic = topic
        self.partitions = partitions
        self.rate = rate
        self.stopping = threading.Event()
        self.acknowledged = {}  # number -> (partition, offset)
        self.ack_times = [[] for _ in range(partitions)]
        self.sent = 0
        self.failed = []  # delivery reports that a retrying producer shows to its user
        self.events = collections.Counter()  # what else the client had to say: lost connections, ...
        self.began = None
        self.producer = Producer(
            {
                "bootstrap.servers": cluster.bootstrap,
                "enable.idempotence": True,
                "acks": "all",
                "error_cb": lambda e: self.events.update([e.name()]),
                "logger": Quiet(),
                **{k.replace("_", "."): v for k, v in client.items()},
            }
        )

    def on_delivery(self, error, message):
        if error is not None:
            self.failed.append(str(error))
            return
        number = int(message.value().split(b" ")[1])
        self.ack_times[message.partition()].append(time.monotonic())
        self.acknowledged[number] = (message.partition(), message.offset())

    def produce(self):
        partition = self.sent % self.partitions
        value = b"%d %d %s" % (partition, self.sent, PADDING)
        self.producer.produce(self.topic, value, partition=partition, on_delivery=self.on_delivery)
        self.sent += 1

    def run(self):
        self.began = due = time.monotonic()
        while not self.stopping.is_set():
            now = time.monotonic()
            while due <= now:
                try:
                    self.produce()
                except BufferError:  # so long a stall that the client's queue is full
                    self.events.update(["QUEUE_FULL"])
                    break
                due += 1 / self.rate
            self.producer.poll(max(0.0, min(due - time.monotonic(), 0.005)))
        self.ended = time.monotonic()
        if self.producer.flush(60) != 0:
            self.failed.append("records were left unsent")

    def finish(self):
        self.stopping.set()
        self.join()

    def acks(self):
        return len(self.acknowledged)

    def wait_for_acks(self, more, timeout_s=30):
        """Until each partition has had so many more; the time it took."""
        begin = time.monotonic()
        wanted = [len(times) + more for times in self.ack_times]
        while any(len(times) < n for times, n in zip(self.ack_times, wanted)):
            if time.monotonic() - begin > timeout_s:
                raise TimeoutError(f"no acks for {timeout_s} s")
            time.sleep(0.005)
        return time.monotonic() - begin

    def longest_gap(self, begin, end, touching=True):
        """
        The longest time without an ack of a partition that touches [begin, end], in seconds; or of
        those that begin in it.
        """
        longest = 0.0
        for times in self.ack_times:
            at = max(bisect.bisect_left(times, begin) - touching, 0)
            if at == len(times):
                continue
            previous = times[at] if times else begin
            for now in times[at + 1 :]:
                longest = max(longest, now - previous)
                previous = now
                if now > end:
                    break
            else:
                longest = max(longest, end - previous)
        return longest


class Quiet:
    """librdkafka's log: what matters is counted by error_cb."""

    def log(self, *_):
        pass


# ---- Audit -----------------------------------------------------------------------------------------

RECORD = re.compile(r'^  offset=(\d+) .*? value="([^"]*)"')


def read_log(directory):
    """(offset, value) of all records of a partition's directory, by its files."""
    files = sorted(directory.glob("*.log"))
    if not files:
        return []
    tool = harness.BARNABAS.with_name("barnabasctl")
    done = subprocess.run(
        [tool, "log", "dump", "--records", *files], capture_output=True, text=True, check=True
    )
    found = (RECORD.match(line) for line in done.stdout.splitlines())
    return [(int(m.group(1)), m.group(2)) for m in found if m]


def audit_partition(partition, copies, acknowledged):
    """
    What is wrong, as lines that begin with the kind. `copies` is {node: [(offset, value)]},
    `acknowledged` {number: offset} of this partition.
    """
    wrong = []
    for node, records in copies.items():
        where = f"partition {partition} on node {node}"
        offsets = [offset for offset, _ in records]
        if offsets != list(range(len(offsets))):
            wrong.append(f"torn: {where} has offsets that are not 0, 1, 2, ...")
        seen = {}
        last = -1
        for offset, value in records:
            number = int(value.split(" ")[1])
            if number in seen:
                wrong.append(f"duplicated: record {number} at {seen[number]} and {offset}, {where}")
            elif number < last:
                wrong.append(f"reordered: record {number} at {offset} after {last}, {where}")
            seen.setdefault(number, offset)
            last = max(last, number)
        for number, offset in acknowledged.items():
            if number not in seen:
                wrong.append(f"lost: record {number}, acknowledged at {offset}, {where}")
            elif seen[number] != offset:
                wrong.append(f"moved: record {number} acknowledged at {offset}, found at "
                             f"{seen[number]}, {where}")
    first, *others = copies
    for node in others:
        for a, b in zip(copies[first], copies[node]):
            if a != b:
                wrong.append(f"different: partition {partition} at offset {a[0]}: "
                             f"{a[1][:20]} on node {first}, {b[1][:20]} on node {node}")
                break
        if len(copies[first]) != len(copies[node]):
            wrong.append(f"different: partition {partition} has {len(copies[first])} records on "
                         f"node {first}, {len(copies[node])} on node {node}")
    return wrong


def audit(cluster, load):
    """After all nodes have stopped; every node must have every partition of the load's topic."""
    by_partition = collections.defaultdict(dict)
    for number, (partition, offset) in load.acknowledged.items():
        by_partition[partition][number] = offset
    wrong = []
    read = 0
    for partition in range(load.partitions):
        copies = {
            i: read_log(node.data / f"{load.topic}-{partition}") for i, node in cluster.nodes.items()
        }
        read += sum(map(len, copies.values()))
        wrong += audit_partition(partition, copies, by_partition[partition])
    return wrong, read


def kinds(wrong):
    return collections.Counter(line.split(":")[0] for line in wrong)
