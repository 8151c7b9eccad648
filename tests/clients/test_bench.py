"""The load generator tells the truth: counts, checks, and failures."""

import json
import os
import pathlib
import socket
import socketserver
import struct
import subprocess
import threading

import pytest

import harness

BENCH = pathlib.Path(os.environ.get("BARNABASCTL", harness.ROOT / "build/barnabasctl"))
TIMEOUT_S = 120

pytestmark = pytest.mark.skipif(not BENCH.exists(), reason="barnabasctl is not built")


def bench(broker, *args, expect=0):
    """Runs a short measurement; its JSON."""
    done = subprocess.run(
        [str(BENCH), "bench", args[0], "-q", "--json", "-", "-b", broker.bootstrap, "-w", "0.2",
         "-d", "1", *args[1:]],
        capture_output=True, text=True, timeout=TIMEOUT_S,
    )  # fmt: skip
    assert done.returncode == expect, done.stdout + done.stderr
    return json.loads(done.stdout) if done.stdout else done.stderr


LOADS = [
    "produce -r 2000 -s 100 -c 4 -p 3",
    "produce -r 2000 -s 100 -a 0",
    "produce -r 2000 -s 10 -a 1 --saturate -c 2",
    "e2e -r 2000 -s 100 -c 4 -p 2 -C 2",
    "e2e -r 2000 -s 100 -c 2 -p 5 -C 2 --no-sessions",
    "e2e -r 20000 -s 100 --batch-bytes 4k -p 3 -c 3 --idempotent",
    "e2e -r 2000 -s 1k -n 16 --codec lz4 -p 2 -c 2",
    "e2e -r 2000 -s 1k -n 16 --codec zstd",
    "consume -s 1k --batch-bytes 64k -p 3 --fill 8M -C 2",
    "ping -r 1000 -c 2",
    "ping -r 1000 --metadata",
]


@pytest.mark.parametrize("load", LOADS)
def test_a_load_is_valid_and_counted(broker, load):
    result = bench(broker, *load.split())
    assert result["valid"], result["verdict"]
    assert result["errors"]["total"] == 0
    assert result["records"] > 0 and result["requests"] > 0
    assert result["broker"]["cpu_s"] > 0, "the broker's process was not found"


def test_idle_consumers_poll_and_send_heartbeats(broker):
    result = bench(broker, "idle", "-C", "4", "-p", "2", "-d", "4")
    assert result["fetches_s"] > 0 and result["heartbeats_s"] > 0


def test_what_is_offered_is_reached(broker):
    result = bench(broker, "produce", "-r", "500", "-d", "2")
    assert result["offered_s"] == 500
    assert result["ack_ms"]["count"] == 1000, "each event of the window has one latency"


def test_errors_of_the_broker_are_counted_and_fail_the_run(broker):
    result = bench(
        broker, "produce", "-r", "50", "-s", "2k", "--topic-config", "max.message.bytes=1000",
        expect=1,
    )  # fmt: skip
    assert result["errors"]["MESSAGE_TOO_LARGE"] == result["errors"]["total"] > 0
    assert not result["valid"]


def test_a_topic_is_deleted_unless_it_is_kept(broker):
    bench(broker, "produce", "-t", "kept", "--keep-topic")
    bench(broker, "produce", "-t", "dropped")
    topics = harness.kcat(broker, "-L").stdout
    assert '"kept"' in topics and '"dropped"' not in topics
    read = bench(broker, "consume", "-t", "kept", "--fill", "0", "--delete-topic")
    assert read["records"] == 1200
    assert '"kept"' not in harness.kcat(broker, "-L").stdout


def test_nobody_listens():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        done = subprocess.run(
            [str(BENCH), "bench", "ping", "-b", f"127.0.0.1:{s.getsockname()[1]}"],
            capture_output=True, text=True, timeout=TIMEOUT_S,
        )  # fmt: skip
    assert done.returncode == 1
    assert "refused" in done.stderr


# ---- A server that loses, doubles and damages ----------------------------------------------------


class FaultyFloor(socketserver.ThreadingTCPServer):
    """What bench/floor.c does, but for the tenth batch. Frames: tools/bench/payload.h."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, fault):
        super().__init__(("127.0.0.1", 0), FloorHandler)
        self.fault = fault
        self.stored = bytearray()
        self.held = b""
        self.count = 0
        self.changed = threading.Condition()

    def append(self, batch):
        with self.changed:
            self.count += 1
            if self.count == 10:
                batch = self.fault(self, batch)
            self.stored += batch
            if self.count == 11:
                self.stored += self.held
            self.changed.notify_all()

    def read(self, position, size):
        with self.changed:
            self.changed.wait_for(lambda: len(self.stored) > position, 30)
            return bytes(self.stored[position : position + size])


class FloorHandler(socketserver.BaseRequestHandler):
    def receive(self, size):
        data = b""
        while len(data) < size:
            part = self.request.recv(size - len(data))
            if not part:
                raise EOFError
            data += part
        return data

    def handle(self):
        try:
            while True:
                frame = self.receive(struct.unpack(">i", self.receive(4))[0])
                key, _, correlation_id = struct.unpack_from(">hhi", frame)
                if key == 0:
                    self.server.append(frame[8:])
                    answer = bytes(56)
                else:
                    answer = self.server.read(*struct.unpack_from(">qi", frame, 8))
                self.request.sendall(struct.pack(">ii", 4 + len(answer), correlation_id) + answer)
        except (EOFError, OSError):
            pass


def hold_back(server, batch):
    server.held = batch
    return b""


FAULTS = {
    "none": lambda server, batch: batch,
    "lost": lambda server, batch: b"",
    "doubled": lambda server, batch: batch + batch,
    "damaged": lambda server, batch: batch[:-1] + bytes([batch[-1] ^ 1]),
    "late": hold_back,
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_is_lost_doubled_damaged_or_late_is_noticed(fault):
    server = FaultyFloor(FAULTS[fault])
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        done = subprocess.run(
            [str(BENCH), "bench", "e2e", "--raw", "-q", "--no-pid", "--json", "-", "-w", "0.1",
             "-d", "0.5", "-r", "100", "-s", "100", "-b", f"127.0.0.1:{server.server_address[1]}"],
            capture_output=True, text=True, timeout=TIMEOUT_S,
        )  # fmt: skip
    finally:
        server.shutdown()
        server.server_close()
    result = json.loads(done.stdout)
    assert result["valid"] == (fault == "none"), result["verdict"]
    assert done.returncode == (0 if fault == "none" else 1)
    assert (result["errors"]["malformed"] > 0) == (fault == "damaged")
    assert (result["errors"]["disorder"] > 0) == (fault != "none"), "what follows is out of order"
