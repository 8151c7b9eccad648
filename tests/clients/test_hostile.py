"""What a hostile or broken client may do to a node: cost it a connection, and no more."""

import contextlib
import os
import resource
import socket
import struct
import time

import pytest
from confluent_kafka import Producer, TopicCollection, TopicPartition

from frames import Frames, frame
from harness import BARNABAS, end
from test_bad_input import connect, header, rss_kib
from test_librdkafka import admin, consumer, create_topic, produce

pytestmark = pytest.mark.usefixtures("only_barnabas")

FRAMES = int(os.environ.get("HOSTILE_FRAMES", 20000))
SEED = int(os.environ.get("HOSTILE_SEED", 1))


def good_client(broker, topic, count=100):
    """Produces and reads back on a topic of its own."""
    values = [str(i).encode() for i in range(count)]
    start = produce(broker, topic, values)
    assert [offset for _, offset in start] == list(range(start[0][1], start[0][1] + count))
    client = consumer(broker, "good", **{"enable.auto.commit": False})
    client.assign([TopicPartition(topic, 0, start[0][1])])
    read = []
    deadline = time.monotonic() + 30
    while len(read) < count and time.monotonic() < deadline:
        read += [m.value() for m in client.consume(1000, timeout=0.5) if m.error() is None]
    client.close()
    assert read == values


def assert_memory_stayed(broker, before, growth_mib):
    if b"__tsan_" not in BARNABAS.read_bytes():  # its shadow of every touched page counts as ours
        assert rss_kib(broker) - before < growth_mib * 1024


def descriptors(broker):
    return len(os.listdir(f"/proc/{broker.process.pid}/fd"))


def wait_until(condition, timeout_s=60):
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it does not come true"
        time.sleep(0.02)


def api_versions(broker, correlation=7):
    with connect(broker) as s:
        s.sendall(frame(header(18, 0, correlation=correlation)))
        return struct.unpack(">ii", s.recv(8, socket.MSG_WAITALL))[1] == correlation


class Attacker:
    """One connection that throws frames and looks at no answer."""

    def __init__(self, broker):
        self.broker = broker
        self.socket = None

    def send(self, data):
        if self.socket is None:
            self.socket = connect(self.broker)
            self.socket.setblocking(False)
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


@pytest.fixture
def victim(new_broker):
    broker = new_broker(**{"log.retention.check.interval.ms": 500}).start()
    create_topic(broker, "hostile", partitions=2)
    create_topic(broker, "good")
    produce(broker, "hostile", [b"something to read"] * 10)
    yield broker
    found = end(broker)
    assert not found, "\n".join(found)


def test_mutated_frames_of_every_api_and_version_cost_only_connections(victim):
    description = admin(victim).describe_topics(TopicCollection(["hostile"]))["hostile"].result(30)
    topic_id = description.topic_id
    known = struct.pack(
        ">QQ",
        topic_id.get_most_significant_bits() & (2**64 - 1),
        topic_id.get_least_significant_bits() & (2**64 - 1),
    )
    frames = Frames(SEED, [known])
    attackers = [Attacker(victim) for _ in range(20)]
    before = 0
    for number in range(FRAMES):
        data = frames.next()
        attackers[number // 3 % len(attackers)].send(data)
        if number == FRAMES // 4:
            before = rss_kib(victim)
    for attacker in attackers:
        attacker.close()
    assert api_versions(victim)
    assert_memory_stayed(victim, before, 128)
    create_topic(victim, "good-after")
    good_client(victim, "good-after")


def test_two_thousand_idle_connections_cost_little_and_go_away(victim):
    raise_descriptor_limit(3000)
    before, open_before = rss_kib(victim), descriptors(victim)
    idle = [connect(victim) for _ in range(2000)]
    # Connections of the test before may have been open when it was counted, and close now.
    wait_until(lambda: descriptors(victim) >= open_before + 1900)
    assert_memory_stayed(victim, before, 32)
    good_client(victim, "good")
    for s in idle:
        s.close()
    wait_until(lambda: descriptors(victim) < open_before + 50)


def test_a_flood_of_connections_leaves_descriptors_for_files(victim):
    create_topic(victim, "many", partitions=30)
    producer = Producer({"bootstrap.servers": victim.bootstrap, "message.timeout.ms": 30000})
    errors = []

    def produce_to(partition):
        producer.produce("many", b"v", partition=partition,
                         on_delivery=lambda error, _: error and errors.append(error))
        assert producer.flush(30) == 0

    produce_to(0)
    resource.prlimit(victim.process.pid, resource.RLIMIT_NOFILE, (200, 200))
    flood = [connect(victim) for _ in range(300)]
    time.sleep(0.2)
    for partition in range(30):
        produce_to(partition)
    assert not errors
    for s in flood:
        s.close()
    good_client(victim, "good")


def test_a_storm_of_connections_leaves_nothing_behind(victim):
    before, open_before = None, descriptors(victim)
    for number in range(3000):
        if number == 1000:
            before = rss_kib(victim)
        s = connect(victim)
        if number % 3 == 0:
            s.sendall(frame(header(18, 0)))
        elif number % 3 == 1:
            s.sendall(b"\0\0")
        s.close()
    wait_until(lambda: descriptors(victim) < open_before + 50)
    assert_memory_stayed(victim, before, 16)
    assert api_versions(victim)


def fetch_request(topic, max_wait_ms=0, min_bytes=1, max_bytes=50 << 20, offset=0, partition=0):
    body = struct.pack(">iiiib", -1, max_wait_ms, min_bytes, max_bytes, 0)
    body += struct.pack(">i", 1) + struct.pack(">h", len(topic)) + topic.encode()
    body += struct.pack(">iiqi", 1, partition, offset, max_bytes)
    return frame(header(1, 4) + body)


def test_a_receiver_that_reads_nothing_holds_little_memory(victim):
    produce(victim, "good", [os.urandom(100000) for _ in range(200)])
    before = rss_kib(victim)
    sockets = []
    for _ in range(40):
        s = connect(victim)
        s.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            for _ in range(50):  # 50 times 20 MB of answers, asked for by each
                s.send(fetch_request("good"))
        sockets.append(s)
    assert api_versions(victim)
    create_topic(victim, "beside")
    good_client(victim, "beside")
    assert_memory_stayed(victim, before, 64)
    for s in sockets:
        s.close()


def test_a_sender_that_stops_in_a_frame_holds_up_nobody(victim):
    slow = connect(victim)
    request = frame(header(18, 0, correlation=3))
    slow.sendall(request[:9])
    good_client(victim, "good")
    slow.sendall(request[9:])
    assert struct.unpack(">ii", slow.recv(8))[1] == 3
    slow.close()


def test_a_client_that_only_shut_its_sending_side_is_let_go(victim):
    open_before = descriptors(victim)
    sockets = [connect(victim) for _ in range(50)]
    for s in sockets:
        s.sendall(frame(header(18, 0)) + b"\0\0\0")
        s.shutdown(socket.SHUT_WR)
    for s in sockets:
        while s.recv(65536):
            pass
    wait_until(lambda: descriptors(victim) < open_before + 20)
    for s in sockets:
        s.close()


def join_request(group):
    def text(s):
        return struct.pack(">h", len(s)) + s.encode()

    return frame(
        header(11, 2) + text(group) + struct.pack(">ii", 6000, 100) + text("") + text("consumer")
        + struct.pack(">i", 1) + text("range") + struct.pack(">i", 4) + b"meta"
    )  # fmt: skip


@pytest.mark.parametrize("kind", ["fetch", "join"])
def test_clients_that_vanish_while_they_wait_leave_nothing_behind(victim, kind):
    open_before = descriptors(victim)
    before = None
    for number in range(2000):
        if number == 700:
            before = rss_kib(victim)
        s = connect(victim)
        if kind == "fetch":
            s.sendall(fetch_request("hostile", max_wait_ms=2**31 - 1, min_bytes=2**30))
        else:
            s.sendall(join_request(f"g{number % 20}"))
        s.close()
    wait_until(lambda: descriptors(victim) < open_before + 50)
    assert_memory_stayed(victim, before, 16)
    good_client(victim, "good")


def raise_descriptor_limit(wanted):
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < wanted:
        pytest.skip(f"needs {wanted} descriptors")
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
