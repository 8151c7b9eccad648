#!/usr/bin/env python3
"""From exec to the first acknowledged record (acks=all), and memory and CPU when idle.

usage: bench_start.py [rounds]

Speaks just enough of the protocol to produce one record: clients need longer to start than the
broker does. The first round starts on an empty directory, which is formatted and gets LearnFlow's
eight topics; the others start on what the round before left.
"""

import os
import pathlib
import signal
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
TOPIC = b"learning.requests"
IDLE_S = 5
PRODUCE, VERSION = 0, 3


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def batch(value):
    """A record batch (magic 2) with one record; varints of up to 63 are one zigzag byte."""
    record = bytes([0, 0, 0, 1, len(value) * 2]) + value + b"\0"
    now = int(time.time() * 1000)
    tail = struct.pack(">hiqqqhii", 0, 0, now, now, -1, -1, -1, 1)
    tail += bytes([len(record) * 2]) + record
    head = struct.pack(">ibI", -1, 2, crc32c(tail))
    return struct.pack(">qi", 0, len(head) + len(tail)) + head + tail


def produce_request(value):
    def text(s):
        return struct.pack(">h", len(s)) + s

    records = batch(value)
    body = struct.pack(">hhi", -1, -1, 5000) + struct.pack(">i", 1) + text(TOPIC)
    body += struct.pack(">iii", 1, 0, len(records)) + records
    message = struct.pack(">hhi", PRODUCE, VERSION, 1) + text(b"bench") + body
    return struct.pack(">i", len(message)) + message


def receive(sock, size):
    data = b""
    while len(data) < size:
        part = sock.recv(size - len(data))
        if not part:
            raise OSError("closed")
        data += part
    return data


def try_produce(port):
    """True when the record was acknowledged; False when it has to be sent again."""
    with socket.create_connection(("127.0.0.1", port), timeout=5) as sock:
        sock.sendall(produce_request(b"hello"))
        answer = receive(sock, struct.unpack(">i", receive(sock, 4))[0])
        error_at = 4 + 4 + 2 + len(TOPIC) + 4 + 4
        return struct.unpack_from(">h", answer, error_at)[0] == 0


def cpu_ticks(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return int(fields[11]) + int(fields[12])


def memory_kib(pid):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    return -1


def start(directory, port):
    began = time.monotonic()
    process = subprocess.Popen(
        [
            ROOT / "build/barnabas",
            ROOT / "config/learnflow.properties",
            "--override", f"log.dirs={directory}",
            "--override", f"listeners=PLAINTEXT://127.0.0.1:{port}",
        ],
        stderr=subprocess.DEVNULL,
    )
    while process.poll() is None and time.monotonic() - began < 30:
        try:
            if try_produce(port):
                return process, (time.monotonic() - began) * 1000
        except OSError:
            pass
        time.sleep(0.0005)
    process.kill()
    raise SystemExit("bench: the broker did not acknowledge a record")


def main():
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    times = []
    with tempfile.TemporaryDirectory() as directory:
        for number in range(rounds + 1):
            process, took_ms = start(directory, port)
            if number == 0:
                print(f"first start, formatting, to first acknowledged record: {took_ms:.1f} ms")
            else:
                times.append(took_ms)
            if number == rounds:
                time.sleep(1)
                before = cpu_ticks(process.pid)
                time.sleep(IDLE_S)
                used_ms = (cpu_ticks(process.pid) - before) * 1000 / os.sysconf("SC_CLK_TCK")
                print(f"memory when idle: {memory_kib(process.pid) / 1024:.1f} MiB")
                print(f"CPU in {IDLE_S} s when idle: {used_ms:.0f} ms")
            process.send_signal(signal.SIGTERM)
            process.wait(30)
    if times:
        print(
            f"start to first acknowledged record, {len(times)} restarts: "
            f"median {statistics.median(times):.1f} ms, worst {max(times):.1f} ms"
        )


if __name__ == "__main__":
    main()
