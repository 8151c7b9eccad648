"""Connections by the thousand, slow ones, half-open ones, and the limits that keep them few."""

import contextlib
import resource
import socket
import struct
import time

import pytest
from confluent_kafka import Producer

from frames import frame
from harness import free_port
from hostile import (
    answer_to,
    api_versions,
    assert_memory_stayed,
    descriptors,
    fetch_request,
    many,
    served,
    text,
    victim,  # noqa: F401
    wait_until,
)
from test_bad_input import closed, connect, header, rss_kib
from test_librdkafka import create_topic

ask = frame(header(18, 0, correlation=1))


# ---- Many --------------------------------------------------------------------------------------


def test_ten_thousand_idle_connections_cost_little_and_go_away(victim, only_barnabas):
    open_before = descriptors(victim)
    with served(victim) as good, many(victim, 1000) as first:
        # Memory that the allocator keeps for the first ones is not what each one costs.
        wait_until(lambda: descriptors(victim) >= open_before + len(first))
        before = rss_kib(victim)
        with many(victim, 9000) as idle:
            wait_until(lambda: descriptors(victim) >= open_before + len(first) + len(idle))
            good.wait_for(20)
            assert_memory_stayed(victim, before, 32)
    wait_until(lambda: descriptors(victim) < open_before + 50)


def test_half_open_connections_cost_little(victim, only_barnabas):
    """Peers that are gone without a word: three bytes of a frame, then nothing for ever."""
    with served(victim) as good, many(victim, 2000) as gone:
        before = rss_kib(victim)
        for s in gone:
            s.sendall(b"\0\0\0")
        good.wait_for(20)
        assert_memory_stayed(victim, before, 16)


def test_senders_of_one_byte_at_a_time_hold_up_nobody_and_cost_what_they_sent(victim, only_barnabas):
    """Each has announced 100 MiB."""
    announced = struct.pack(">i", 100 * 1024 * 1024)
    with served(victim) as good, many(victim, 500) as slow:
        before = rss_kib(victim)
        for s in slow:
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            s.sendall(announced)
        for _ in range(20):
            for s in slow:
                s.sendall(b"x")
            good.wait_for(2)
        assert_memory_stayed(victim, before, 16)
    wait_until(lambda: descriptors(victim) < 200)


def test_a_slow_sender_is_served_when_it_is_done(victim, only_barnabas):
    with connect(victim) as slow:
        slow.sendall(ask[:9])
        with served(victim):
            pass
        slow.sendall(ask[9:])
        assert struct.unpack(">ii", slow.recv(8))[1] == 1


def test_a_client_that_only_shut_its_sending_side_is_let_go(victim, only_barnabas):
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


@pytest.mark.parametrize("what", ["nothing", "half a length", "a request", "garbage", "a reset"])
def test_a_storm_of_connections_leaves_nothing_behind(victim, only_barnabas, what):
    sent = {"half a length": b"\0\0", "a request": ask, "garbage": b"GET / HTTP/1.1\r\n\r\n"}
    before, open_before = None, descriptors(victim)
    with served(victim):
        for number in range(3000):
            if number == 1000:
                before = rss_kib(victim)
            with connect(victim) as s:
                s.sendall(sent.get(what, b""))
                if what == "a reset":
                    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        assert_memory_stayed(victim, before, 16)
    wait_until(lambda: descriptors(victim) < open_before + 50)


def join_request(group):
    return frame(
        header(11, 2) + text(group) + struct.pack(">ii", 6000, 100) + text("") + text("consumer")
        + struct.pack(">i", 1) + text("range") + struct.pack(">i", 4) + b"meta"
    )  # fmt: skip


@pytest.mark.parametrize("kind", ["fetch", "join"])
def test_clients_that_vanish_while_they_wait_leave_nothing_behind(victim, only_barnabas, kind):
    open_before = descriptors(victim)
    before = None
    with served(victim):
        for number in range(2000):
            if number == 700:
                before = rss_kib(victim)
            with connect(victim) as s:
                if kind == "fetch":
                    s.sendall(fetch_request("hostile", max_wait_ms=2**31 - 1, min_bytes=2**30))
                else:
                    s.sendall(join_request(f"g{number % 20}"))
        wait_until(lambda: descriptors(victim) < open_before + 50)
        assert_memory_stayed(victim, before, 16)


# ---- Out of descriptors ------------------------------------------------------------------------


def test_a_flood_of_connections_leaves_descriptors_for_files(victim, only_barnabas):
    create_topic(victim, "many", partitions=30)
    producer = Producer({"bootstrap.servers": victim.bootstrap, "message.timeout.ms": 30000})
    errors = []

    def produce_to(partition):
        producer.produce("many", b"v", partition=partition,
                         on_delivery=lambda error, _: error and errors.append(error))
        assert producer.flush(30) == 0

    produce_to(0)
    before = resource.prlimit(victim.process.pid, resource.RLIMIT_NOFILE)
    with served(victim) as good:
        resource.prlimit(victim.process.pid, resource.RLIMIT_NOFILE, (300, before[1]))
        flood = [connect(victim) for _ in range(400)]
        wait_until(lambda: "cannot be accepted" in victim.log())
        for partition in range(30):
            produce_to(partition)
        good.wait_for(20)
        assert not errors
        for s in flood:
            s.close()
        wait_until(lambda: api_versions(victim))
    resource.prlimit(victim.process.pid, resource.RLIMIT_NOFILE, before)


# ---- Limits ------------------------------------------------------------------------------------
#
# What a connection above a limit sees is Kafka's: these run against Kafka too (--broker kafka).


class Admin:
    """A connection that was there before the limits: it changes them (and counts)."""

    def __init__(self, broker):
        self.socket = connect(broker)

    def set(self, name, value, resource_name=""):
        """Sets (None: deletes) a broker config, for all brokers unless one is named; the error."""
        body = struct.pack(">ib", 1, 4) + text(resource_name) + struct.pack(">i", 1) + text(name)
        body += b"\1\xff\xff" if value is None else b"\0" + text(value)
        answer = answer_to(self.socket, frame(header(44, 0) + body + b"\0"))
        return struct.unpack(">h", answer[12:14])[0]

    def close(self):
        self.socket.close()


@pytest.fixture
def limited(new_broker):
    """A broker with a listener of its own for clients, whose port is `client_port`."""
    yield from start_limited(new_broker)


@pytest.fixture(scope="module")
def limited_module(new_broker):
    """The same, for tests that leave it as it was."""
    yield from start_limited(new_broker)


def start_limited(new_broker):
    broker = new_broker()
    broker.client_port = free_port()
    usual = broker.properties

    def properties():
        given = usual()
        given["listeners"] += f",CLIENT://127.0.0.1:{broker.client_port}"
        given["listener.security.protocol.map"] = (
            "CLIENT:PLAINTEXT,PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT"
        )
        return given

    broker.properties = properties
    broker.start()
    broker.admin = Admin(broker)
    yield broker
    broker.admin.close()
    broker.stop()


def connect_to(port):
    return socket.create_connection(("127.0.0.1", port), timeout=10)


def is_served(s):
    """Asks; whether an answer comes. False when the connection is closed or just waits."""
    s.settimeout(0.5)
    try:
        return len(answer_to(s, ask)) > 4
    except (TimeoutError, ConnectionError, struct.error):
        return False


def is_answered(s, timeout_s=20):
    """The same for one that was asked already."""
    s.settimeout(timeout_s)
    return len(s.recv(4, socket.MSG_WAITALL)) == 4


def until_changed(limited, count, port=None):
    """Connects anew until `count` of count + 2 connections are served: the limits reach Kafka's
    listeners a moment after they were set."""
    deadline = time.monotonic() + 30
    while True:
        sockets = [connect_to(port or limited.client_port) for _ in range(count + 2)]
        seen = [is_served(s) for s in sockets]
        if seen == [True] * count + [False] * 2:
            return sockets
        for s in sockets:
            s.close()
        assert time.monotonic() < deadline, seen
        time.sleep(0.1)


def test_a_connection_above_max_connections_waits_until_another_closes(limited):
    assert limited.admin.set("max.connections", "4") == 0
    sockets = until_changed(limited, 3)  # and the admin's
    sockets[0].close()
    assert is_answered(sockets[3])
    sockets[1].close()
    assert is_answered(sockets[4])
    for s in sockets:
        s.close()


def test_a_listener_has_a_limit_of_its_own(limited):
    assert limited.admin.set("listener.name.client.max.connections", "2") == 0
    sockets = until_changed(limited, 2)
    others = [connect(limited) for _ in range(5)]
    assert all(is_served(s) for s in others)
    for s in sockets + others:
        s.close()
    assert limited.admin.set("listener.name.client.max.connections", None) == 0
    deadline = time.monotonic() + 20
    while True:
        sockets = [connect_to(limited.client_port) for _ in range(6)]
        seen = [is_served(s) for s in sockets]
        for s in sockets:
            s.close()
        if all(seen):
            break
        assert time.monotonic() < deadline


def test_a_lowered_limit_closes_the_longest_silent_connections(limited):
    sockets = [connect_to(limited.client_port) for _ in range(6)]
    assert all(is_served(s) for s in sockets)
    assert limited.admin.set("max.connections", "4") == 0
    open_ones = []
    for s in sockets:
        s.settimeout(1)
        try:
            if s.recv(1) != b"":
                raise AssertionError("nothing was asked")
        except TimeoutError:
            open_ones.append(s)
        except ConnectionError:
            pass
    assert len(open_ones) == 3
    assert all(is_served(s) for s in open_ones)
    for s in sockets:
        s.close()


def test_the_listener_of_brokers_takes_the_place_of_clients(limited):
    assert limited.admin.set("max.connections", "4") == 0
    clients = until_changed(limited, 3)
    brokers = [connect(limited) for _ in range(3)]
    assert all(is_served(s) for s in brokers)
    for s in clients[:3]:
        s.settimeout(10)
        assert closed(s)
    fourth = connect(limited)
    assert not is_served(fourth), "the limit of all is that of each listener"
    for s in clients + brokers + [fourth]:
        s.close()


def test_a_connection_above_its_address_limit_is_closed_at_once(limited):
    assert limited.admin.set("max.connections.per.ip", "4") == 0
    sockets = until_changed(limited, 3)
    assert closed(sockets[3]) and closed(sockets[4])
    sockets[0].close()
    deadline = time.monotonic() + 20
    while True:
        with connect_to(limited.client_port) as again:
            if is_served(again):
                break
        assert time.monotonic() < deadline
    for s in sockets:
        s.close()


def test_an_address_may_have_a_limit_of_its_own(limited):
    assert limited.admin.set("max.connections.per.ip", "1") == 0
    assert limited.admin.set("max.connections.per.ip.overrides", "10.0.0.1:7,127.0.0.1:3,::1:2") == 0
    for s in until_changed(limited, 2):
        s.close()


@pytest.mark.parametrize(
    "name, value",
    [
        ("max.connections", "0"),
        ("max.connections", "many"),
        ("max.connections.per.ip", "0"),
        ("max.connections.per.ip", "-1"),
        ("max.connections.per.ip.overrides", "127.0.0.1"),
        ("max.connections.per.ip.overrides", "127.0.0.1:x"),
        ("max.connections.per.ip.overrides", "a b:1"),
        ("max.connection.creation.rate", "0"),
        ("listener.name.client.max.connections", "0"),
        ("listener.name.client.max.connections", "x"),
        ("listener.name.client.max.connection.creation.rate", "0"),
    ],
)
def test_a_limit_that_would_shut_everybody_out_is_refused(limited_module, name, value):
    assert limited_module.admin.set(name, value) == 42  # INVALID_REQUEST
    assert api_versions(limited_module)


def test_connections_that_come_too_fast_are_let_in_later(limited):
    """A burst of ten seconds' worth passes; Kafka measures over that window."""
    assert limited.admin.set("listener.name.client.max.connection.creation.rate", "4") == 0
    time.sleep(0.5)
    sockets = [connect_to(limited.client_port) for _ in range(60)]
    with contextlib.ExitStack() as stack:
        for s in sockets:
            stack.enter_context(s)
            s.sendall(ask)
        s = sockets[-1]
        s.settimeout(0.5)
        with pytest.raises(TimeoutError):
            s.recv(1)
        with connect(limited) as other:
            assert is_served(other), "the other listener is not held up"
        for s in sockets[:44]:
            assert is_answered(s)


def test_an_idle_connection_is_closed_after_connections_max_idle_ms(new_broker):
    broker = new_broker(**{"connections.max.idle.ms": 1000}).start()
    with connect(broker) as silent, connect(broker) as half, connect(broker) as asked:
        half.sendall(b"\0\0")
        assert len(answer_to(asked, ask)) > 4
        for s in (silent, half, asked):
            assert closed(s)
    broker.stop()


def test_requests_beyond_queued_max_request_bytes_wait_and_are_answered(new_broker, only_barnabas):
    mib = 1024 * 1024
    broker = new_broker(
        **{"queued.max.request.bytes": 4 * mib, "socket.request.max.bytes": 4 * mib}
    ).start()
    before = rss_kib(broker)
    request = frame(header(18, 0) + b"\0" * (2 * mib))
    with many(broker, 100) as senders:
        for s in senders:
            s.setblocking(False)
        left = [memoryview(request)] * len(senders)
        answered = set()
        while len(answered) < len(senders):
            for i, s in enumerate(senders):
                with contextlib.suppress(BlockingIOError):
                    left[i] = left[i][s.send(left[i]) :] if left[i] else left[i]
                with contextlib.suppress(BlockingIOError):
                    if s.recv(1 << 16):
                        answered.add(i)
        assert_memory_stayed(broker, before, 24)
    assert broker.stop() == 0
