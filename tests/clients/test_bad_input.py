"""Bad frames cost at most their connection; bad configuration stops the start with one line."""

import os
import shutil
import socket
import struct
import subprocess
import time

import pytest

from harness import BARNABAS, Barnabas, kcat
from wire import receive

pytestmark = pytest.mark.usefixtures("only_barnabas")


def connect(broker):
    s = socket.create_connection(("127.0.0.1", broker.port), timeout=10)
    return s


def frame(body):
    return struct.pack(">i", len(body)) + body


def header(key, version, correlation=1, client=b"raw"):
    return struct.pack(">hhih", key, version, correlation, len(client)) + client


def closed(s):
    """Whether the peer closed without an answer."""
    try:
        return s.recv(1) == b""
    except ConnectionResetError:
        return True


@pytest.mark.parametrize(
    "sent",
    [
        struct.pack(">i", -1),
        struct.pack(">i", 0),
        struct.pack(">i", 2**31 - 1),
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        frame(b"\x00"),
        frame(header(3, 99)),
        frame(header(4, 0)),
        frame(header(-1, 0)),
        frame(header(1000, 0)),
        frame(header(3, 1) + struct.pack(">i", 2**31 - 1)),
        frame(header(3, 1) + struct.pack(">i", -2)),
        frame(header(3, 9) + b"\x00" + b"\xff\xff\xff\xff\x0f"),
        frame(struct.pack(">hhih", 3, 1, 7, 32000) + b"x"),
        frame(header(0, 7) + b"\xff\xff\x00\x01\x00\x00\x75\x30" + struct.pack(">i", 10**9)),
    ],
)
def test_a_bad_frame_closes_its_connection_and_nothing_else(broker, sent):
    good = connect(broker)
    with connect(broker) as bad:
        bad.sendall(sent)
        assert closed(bad)
    good.sendall(frame(header(18, 0, correlation=77)))
    size, correlation = struct.unpack(">ii", good.recv(8))
    assert correlation == 77 and size > 100
    good.close()


def test_an_api_versions_request_that_is_too_new_is_answered_in_version_0(broker):
    with connect(broker) as s:
        s.sendall(frame(header(18, 99, correlation=5) + b"\x00\x01\x01\x00"))
        answer = s.recv(4096)
    size, correlation, error, count, key, low, high = struct.unpack(">iihihhh", answer)
    assert (size, correlation, error, count, key, low) == (16, 5, 35, 1, 18, 0)
    assert high >= 4


def test_requests_are_answered_in_the_order_they_came(broker):
    with connect(broker) as s:
        s.sendall(b"".join(frame(header(18, 0, correlation=i)) for i in range(200)))
        data = b""
        seen = []
        while len(seen) < 200:
            data += s.recv(65536)
            while len(data) >= 8 and len(data) >= 4 + struct.unpack(">i", data[:4])[0]:
                size, correlation = struct.unpack(">ii", data[:8])
                seen.append(correlation)
                data = data[4 + size :]
    assert seen == list(range(200))


def test_a_member_may_ask_to_leave_before_it_knows_its_assignment(broker):
    """Its LeaveGroup is not handled within the answer to its SyncGroup, which goes through all members."""

    def text(value):
        return struct.pack(">h", len(value)) + value

    def request(key, body):
        return frame(header(key, 0) + text(b"leaves-early") + body)

    def answer(s):
        return receive(s, struct.unpack(">i", receive(s, 4))[0])[4:]

    join = struct.pack(">i", 10000) + text(b"") + text(b"consumer")
    join += struct.pack(">i", 1) + text(b"range") + struct.pack(">i", 0)
    with connect(broker) as s:
        s.settimeout(60)
        deadline = time.monotonic() + 60
        error = 16  # NOT_COORDINATOR, until there is one
        while error != 0:
            assert error in (14, 15, 16) and time.monotonic() < deadline
            s.sendall(request(10, b""))
            answer(s)
            s.sendall(request(11, join))
            joined = answer(s)
            error, generation = struct.unpack(">hi", joined[:6])
        at = 6 + 2 + len(b"range")
        leader = joined[at + 2 : at + 2 + struct.unpack(">h", joined[at : at + 2])[0]]
        sync = struct.pack(">i", generation) + text(leader)
        sync += struct.pack(">i", 1) + text(leader) + struct.pack(">i", 4) + b"mine"
        s.sendall(request(14, sync) + request(13, text(leader)))
        assert answer(s) == struct.pack(">hi", 0, 4) + b"mine"
        assert answer(s) == struct.pack(">h", 0)
        s.sendall(request(12, struct.pack(">i", generation) + text(leader)))
        assert struct.unpack(">h", answer(s))[0] == 25  # UNKNOWN_MEMBER_ID


def test_a_frame_that_comes_byte_by_byte_is_read(broker):
    with connect(broker) as s:
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in frame(header(18, 0, correlation=9)):
            s.sendall(bytes([byte]))
        assert struct.unpack(">ii", s.recv(8))[1] == 9


def test_many_announced_giants_cost_no_memory(broker, topic):
    sockets = []
    before = rss_kib(broker)
    for _ in range(200):
        s = connect(broker)
        s.sendall(struct.pack(">i", 100 * 1024 * 1024) + b"x" * 100)
        sockets.append(s)
    kcat(broker, "-P", "-t", topic, stdin="still there\n")
    assert rss_kib(broker) - before < 32 * 1024
    for s in sockets:
        s.close()


def rss_kib(broker):
    with open(f"/proc/{broker.process.pid}/status") as f:
        return int(next(line for line in f if line.startswith("VmRSS")).split()[1])


# ---- Starting ----------------------------------------------------------------------------------


def start_and_fail(broker):
    """Starts a broker that must refuse; returns its exit code and what it said."""
    broker.write_properties()
    done = subprocess.run(broker.command(), capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout + done.stderr


@pytest.fixture
def unstarted():
    broker = Barnabas()
    yield broker
    broker.destroy()


@pytest.mark.parametrize(
    "key, value",
    [
        ("log.retention.ms", "soon"),
        ("num.partitions", "0"),
        ("log.segment.bytes", "12"),
        ("listeners", "PLAINTEXT://127.0.0.1:notaport"),
        ("listeners", "9092"),
        ("compression.type", "rar"),
        ("auto.create.topics.enable", "perhaps"),
        ("node.id", "-5"),
        ("log.cleanup.policy", "burn"),
    ],
)
def test_a_bad_value_is_named_and_nothing_is_touched(unstarted, key, value):
    unstarted.extra[key] = value
    code, said = start_and_fail(unstarted)
    errors = [line for line in said.splitlines() if "ERROR" in line or "rror" in line]
    assert code != 0
    assert len(errors) == 1 and key in errors[0] and value in errors[0]
    assert not unstarted.data.exists()


def test_a_port_in_use_is_told(unstarted, broker):
    unstarted.port = broker.port
    code, said = start_and_fail(unstarted)
    assert code != 0
    assert f":{broker.port}" in said and "in use" in said


def test_a_missing_properties_file_is_told():
    done = subprocess.run([BARNABAS, "/no/such/server.properties"], capture_output=True, text=True)
    assert done.returncode != 0
    assert "/no/such/server.properties" in done.stderr and "No such file" in done.stderr


def test_a_directory_of_another_node_or_cluster_is_refused(unstarted):
    unstarted.start()
    unstarted.stop()
    unstarted.extra["node.id"] = 2
    code, said = start_and_fail(unstarted)
    assert code != 0 and "node.id" in said
    del unstarted.extra["node.id"]
    second = unstarted.directory / "second"
    shutil.copytree(unstarted.data, second)
    meta = (second / "meta.properties").read_text().splitlines()
    (second / "meta.properties").write_text(
        "\n".join("cluster.id=another" if x.startswith("cluster.id") else x for x in meta) + "\n"
    )
    unstarted.extra["log.dirs"] = f"{unstarted.data},{second}"
    code, said = start_and_fail(unstarted)
    assert code != 0 and "cluster" in said and str(second) in said


def test_a_directory_in_use_by_another_broker_is_refused(unstarted, fresh_broker):
    unstarted.data = fresh_broker.data
    code, said = start_and_fail(unstarted)
    assert code != 0 and str(fresh_broker.data) in said and "in use" in said


def test_a_directory_that_cannot_be_made_is_told(unstarted):
    unstarted.extra["log.dirs"] = "/proc/nowhere/data"
    code, said = start_and_fail(unstarted)
    assert code != 0 and "/proc/nowhere/data" in said


def test_unknown_and_unhonoured_keys_are_named_once(unstarted):
    unstarted.extra["no.such.key"] = "1"
    unstarted.extra["num.network.threads"] = "7"
    unstarted.start()
    assert unstarted.log().count("no.such.key") == 1
    assert unstarted.log().count("num.network.threads") == 1


def test_a_clean_stop_exits_with_zero_and_leaves_its_marker(unstarted):
    unstarted.start()
    kcat(unstarted, "-P", "-t", "t", stdin="x\n")
    assert unstarted.stop() == 0
    assert (unstarted.data / ".kafka_cleanshutdown").exists()
    unstarted.start()
    assert not (unstarted.data / ".kafka_cleanshutdown").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="mounts a small file system: root only")
def test_a_full_disk_refuses_writes_serves_reads_and_recovers(tmp_path):
    mount = tmp_path / "small"
    mount.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", mount], capture_output=True)
    if made.returncode != 0:
        pytest.skip("tmpfs cannot be mounted here")
    broker = Barnabas(directory=tmp_path / "broker")
    broker.data = mount / "data"
    try:
        broker.start()
        (mount / "ballast").write_bytes(b"b" * (4 << 20))
        line = "d" * 1000
        kcat(broker, "-P", "-t", "t", "-p", 0, stdin=f"first {line}\n")
        done = kcat(broker, "-P", "-t", "t", "-p", 0, "-X", "message.timeout.ms=3000",
                    stdin=f"{line}\n" * 40000, check=False)  # fmt: skip
        assert done.returncode != 0 or "failed" in done.stderr
        out = kcat(broker, "-C", "-t", "t", "-p", 0, "-o", "beginning", "-c", 1, "-q").stdout
        assert out.startswith("first ")
        assert broker.process.poll() is None
        (mount / "ballast").unlink()
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            done = kcat(broker, "-P", "-t", "t", "-p", 0, "-X", "message.timeout.ms=3000",
                        stdin="after\n", check=False)  # fmt: skip
            if done.returncode == 0:
                break
        assert done.returncode == 0
        out = kcat(broker, "-C", "-t", "t", "-p", 0, "-o", "-1", "-e", "-q").stdout
        assert out == "after\n"
    finally:
        broker.destroy()
        subprocess.run(["umount", mount], check=True)


