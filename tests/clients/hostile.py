"""What the tests of hostile input share: the victim, its good client, attackers, raw frames."""

import contextlib
import os
import resource
import socket
import struct
import threading
import time

import pytest
from confluent_kafka import Producer, TopicPartition

from frames import frame, served_apis
from harness import BARNABAS, end
from test_bad_input import connect, header, rss_kib
from test_librdkafka import consumer, create_topic, produce

NORMAL_TIMEOUT_S = 60


@pytest.fixture(scope="module")
def victim(new_broker):
    """A broker for the attacks of one file; whatever happened, it must still stop cleanly."""
    broker = new_broker(**{"log.retention.check.interval.ms": 500}).start()
    create_topic(broker, "hostile", partitions=2)
    create_topic(broker, "good")
    produce(broker, "hostile", [b"something to read"] * 10)
    yield broker
    found = end(broker)
    assert not found, "\n".join(found)


# ---- The good client ---------------------------------------------------------------------------


class GoodClient:
    """
    An idempotent producer and a consumer that work all the while: each record is sent when the one
    before it was acknowledged, and what was acknowledged has to be read, once and in order.
    """

    def __init__(self, broker, topic="good"):
        self.topic = topic
        self.producer = Producer(
            {
                "bootstrap.servers": broker.bootstrap,
                "enable.idempotence": True,
                "linger.ms": 0,
                "message.timeout.ms": 60000,
            }
        )
        self.consumer = consumer(broker, f"good-{topic}", **{"enable.auto.commit": False})
        self.start = None
        self.acknowledged = 0
        self.errors = []
        self.read = []
        self.stopping = threading.Event()
        self.all_sent = threading.Event()
        self.threads = [threading.Thread(target=t) for t in (self.produce, self.consume)]

    def delivered(self, error, message):
        if error is not None:
            self.errors.append(str(error))
            return
        if self.start is None:
            self.start = message.offset()
        self.acknowledged += 1

    def produce(self):
        sent = 0
        while not self.stopping.is_set() and not self.errors:
            self.producer.produce(self.topic, b"%d" % sent, on_delivery=self.delivered)
            sent += 1
            if self.producer.flush(NORMAL_TIMEOUT_S) != 0:
                self.errors.append("a record is not acknowledged")
            self.stopping.wait(0.002)

    def consume(self):
        while self.start is None and not self.all_sent.is_set():
            time.sleep(0.002)
        if self.start is None:
            return
        self.consumer.assign([TopicPartition(self.topic, 0, self.start)])
        idle_since = time.monotonic()
        while time.monotonic() - idle_since < NORMAL_TIMEOUT_S and not self.errors:
            for message in self.consumer.consume(1000, timeout=0.05):
                if message.error() is None:
                    self.read.append(message.value())
                    idle_since = time.monotonic()
            if self.all_sent.is_set() and len(self.read) >= self.acknowledged:
                return

    def wait_for(self, more):
        """Until `more` records were acknowledged and read from now on."""
        wanted = len(self.read) + more
        wait_until(lambda: len(self.read) >= wanted or self.errors)
        assert not self.errors, self.errors

    def stop(self):
        self.stopping.set()
        producing, consuming = self.threads
        producing.join()
        self.all_sent.set()
        consuming.join()
        self.consumer.close()


@contextlib.contextmanager
def served(broker, topic="good"):
    """A good client that is served while the block runs."""
    good = GoodClient(broker, topic)
    for thread in good.threads:
        thread.start()
    try:
        good.wait_for(3)
        yield good
        good.wait_for(20)
    finally:
        good.stop()
    assert not good.errors, good.errors
    assert good.read == [b"%d" % i for i in range(good.acknowledged)]


# ---- The broker's state ------------------------------------------------------------------------


def sanitized(mark):
    return mark in BARNABAS.read_bytes()


def assert_memory_stayed(broker, before, growth_mib):
    # TSan's shadow of every touched page counts as ours; ASan keeps freed memory for a while.
    if sanitized(b"__asan_"):
        growth_mib += 256 + 2 * growth_mib
    if not sanitized(b"__tsan_"):
        assert rss_kib(broker) - before < growth_mib * 1024


def reset_peak(broker):
    """Lets the peak of the resident memory begin anew; the present size in KiB."""
    with open(f"/proc/{broker.process.pid}/clear_refs", "w") as f:
        f.write("5")
    return rss_kib(broker)


def peak_kib(broker):
    with open(f"/proc/{broker.process.pid}/status") as f:
        return int(next(line for line in f if line.startswith("VmHWM")).split()[1])


@contextlib.contextmanager
def peak_memory(broker, growth_mib):
    """Inside, the broker's resident memory never grows by more than this."""
    before = reset_peak(broker)
    yield
    if not sanitized(b"__asan_") and not sanitized(b"__tsan_"):
        assert peak_kib(broker) - before < growth_mib * 1024


def descriptors(broker):
    return len(os.listdir(f"/proc/{broker.process.pid}/fd"))


def wait_until(condition, timeout_s=NORMAL_TIMEOUT_S):
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it does not come true"
        time.sleep(0.02)


# ---- Raw connections ---------------------------------------------------------------------------


def receive(s, count):
    """So many bytes, or fewer when the peer closes before."""
    data = b""
    while len(data) < count:
        got = s.recv(count - len(data))
        if got == b"":
            break
        data += got
    return data


def answer_to(s, request):
    """Sends one request and returns the whole answer without its length, or b"" when closed."""
    s.sendall(request)
    try:
        size = receive(s, 4)
        return receive(s, struct.unpack(">i", size)[0]) if len(size) == 4 else b""
    except ConnectionError:
        return b""


def api_versions(broker, correlation=7):
    with connect(broker) as s:
        answer = answer_to(s, frame(header(18, 0, correlation=correlation)))
        return len(answer) > 4 and struct.unpack(">i", answer[:4])[0] == correlation


def fetch_request(topic, max_wait_ms=0, min_bytes=1, max_bytes=50 << 20, offset=0, partition=0,
                  replica=-1):  # fmt: skip
    body = struct.pack(">iiiib", replica, max_wait_ms, min_bytes, max_bytes, 0)
    body += struct.pack(">i", 1) + struct.pack(">h", len(topic)) + topic.encode()
    body += struct.pack(">iiqi", 1, partition, offset, max_bytes)
    return frame(header(1, 4) + body)


def produce_request(topic, records, acks=-1, partition=0):
    body = struct.pack(">hhii", -1, acks, 30000, 1) + text(topic)
    body += struct.pack(">iii", 1, partition, len(records)) + records
    return frame(header(0, 7) + body)


def produce_error(answer):
    """The error code of the only partition of the answer to produce_request()."""
    topic_len = struct.unpack(">h", answer[8:10])[0]
    at = 10 + topic_len + 4 + 4
    return struct.unpack(">h", answer[at : at + 2])[0]


def text(s):
    return struct.pack(">h", len(s)) + s.encode()


class Attacker:
    """One connection that throws frames and looks at no answer."""

    def __init__(self, broker):
        self.broker = broker
        self.socket = None
        self.connections = 0

    def send(self, data):
        if self.socket is None:
            self.socket = connect(self.broker)
            self.socket.setblocking(False)
            self.connections += 1
        try:
            with contextlib.suppress(BlockingIOError):
                while self.socket.recv(1 << 20) != b"":
                    pass
            if self.socket.send(data) == len(data):
                return
        except (BlockingIOError, ConnectionError):
            pass
        self.close()  # closed, or not read because it waits for an answer: a new one

    def close(self):
        if self.socket is not None:
            self.socket.close()
            self.socket = None


class CountingAttacker:
    """
    Sends bursts of frames, each with a question behind it, and the next when that was answered or
    the connection was closed: so it is known how many frames the broker has really dealt with.
    """

    PATIENCE_S = 0.5  # some frames ask to be answered in weeks

    def __init__(self, broker):
        self.broker = broker
        self.socket = None
        self.connections = 0
        self.taken = 0
        self.number = 0
        self.burst_len = 0
        self.marker = b""
        self.tail = b""
        self.since = 0

    def ready(self):
        """Whether the next burst may be sent."""
        if self.socket is None or self.burst_len == 0:
            return True
        try:
            while True:
                data = self.socket.recv(1 << 20)
                if data == b"":
                    return self.over(1)  # the first one may have been what closed it
                data = self.tail + data
                if self.marker in data:
                    self.tail = b""
                    self.taken += self.burst_len
                    self.burst_len = 0
                    return True
                self.tail = data[-len(self.marker) :]
        except BlockingIOError:
            return time.monotonic() - self.since > self.PATIENCE_S and self.over(0)
        except ConnectionError:
            return self.over(1)

    def over(self, taken):
        self.taken += taken
        self.close()
        return True

    def send(self, burst):
        if self.socket is None:
            self.socket = connect(self.broker)
            self.connections += 1
        self.number += 1
        self.burst_len = len(burst)
        self.tail = b""
        self.since = time.monotonic()
        # The length of its answer is no part of the mark: it grows with the number of APIs.
        self.marker = struct.pack(">ihi", 0x70000000 + self.number, 0, len(served_apis()))
        question = frame(header(18, 0, correlation=0x70000000 + self.number))
        try:
            self.socket.settimeout(10)
            self.socket.sendall(b"".join(burst) + question)
            self.socket.setblocking(False)
        except (ConnectionError, TimeoutError):
            self.over(1)

    def close(self):
        self.burst_len = 0
        if self.socket is not None:
            self.socket.close()
            self.socket = None


@contextlib.contextmanager
def many(broker, count):
    """Open connections, closed at the end."""
    raise_descriptor_limit(count + 1000)
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(connect(broker)) for _ in range(count)]


def raise_descriptor_limit(wanted):
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < wanted:
        pytest.skip(f"needs {wanted} descriptors")
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
