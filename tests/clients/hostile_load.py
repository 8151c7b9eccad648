"""
What a good client feels while a broker is attacked.

The good client, a process of its own, sends 1,000 records a second at fixed times, with acks=all, and
reads them back; its latencies count from the time at which a record was due. It is not idempotent:
librdkafka's thread polls without pause while the five requests that may be in flight then are, and
takes the CPU from the broker that it waits for.
Each attack runs in windows that alternate with windows without it, so that whatever else the
machine does falls on both. The broker and the good client have one half of the CPUs, the attackers the
other, so that the good client feels what the broker does for the attackers, and not what they take
from it themselves. It does share its CPU with the broker: what the broker computes, it may wait for,
up to the kernel's next tick. `--shield` keeps all other processes of the machine off that half: one
that takes a CPU for 5 ms each second, as an agent of a cloud does, is half of a hundredth already.
Closed connections, of which the kernel forgets thousands at a time a minute later while its CPU waits,
are not remembered, where that is allowed. A thousand records a second are so many that the p99 of a
window is not decided by two of them.

Printed for each attack: the latency until acknowledged and until read, median and p99, without and
with it, each the median of its windows', and the ratio of the p99; how much the broker's memory grew;
how much of a CPU it took, without and with it; and how much was thrown at it. Two rows are no attack:
nothing at all, and a process that keeps a CPU busy, at an attacker's priority, without ever talking
to the broker. Nothing is asserted but that the good client lost nothing.
"""

import argparse
import contextlib
import gc
import json
import multiprocessing
import os
import pathlib
import resource
import socket
import statistics
import struct
import sys
import threading
import time

from confluent_kafka import Producer, TopicPartition

from bombs import MIB, bomb
from frames import Frames, frame
from harness import ApacheKafka, Barnabas
from hostile import Attacker, fetch_request, produce_request, text
from test_bad_input import connect, header, rss_kib
from test_librdkafka import consumer, create_topic, produce

RATE = 1000
SETTLE_S = 0.5
STUCK_S = 0.3  # without progress
CONNECTIONS_MAX = 10000
UNREGISTER_BROKER = 64


# ---- The good client ---------------------------------------------------------------------------


class Good:
    """Runs in its own process; the parent names the window that the next records belong to."""

    def __init__(self, bootstrap, pipe):
        self.pipe = pipe
        self.window = None
        self.acks = {}
        self.reads = {}
        self.sent = {}
        self.acknowledged = 0
        self.read = 0
        self.lost = []
        self.producer = Producer(
            {"bootstrap.servers": bootstrap, "acks": "all", "linger.ms": 0}
        )
        self.bootstrap = bootstrap
        self.done = threading.Event()

    def consume(self):
        class At:
            bootstrap = self.bootstrap

        client = consumer(At, "measured", **{"enable.auto.commit": False})
        client.assign([TopicPartition("good", 0, 0)])
        last = time.monotonic()
        while not (self.done.is_set() and (self.read >= self.acknowledged or time.monotonic() - last > 60)):
            message = client.poll(0.1)
            now = time.monotonic()
            if message is None or message.error() is not None:
                continue
            number = int(message.value())
            if number != self.read:
                self.lost.append(number)
            self.read = number + 1
            last = now
            due, window = self.sent[number]
            self.reads.setdefault(window, []).append(now - due)
        client.close()

    def hear(self):
        while not self.done.is_set():
            self.producer.poll(0.1)

    def delivered(self, number):
        def on_delivery(error, message):
            if error is not None:
                self.lost.append(f"{number}: {error}")
                return
            self.acknowledged += 1
            due, window = self.sent[number]
            self.acks.setdefault(window, []).append(time.monotonic() - due)

        return on_delivery

    def run(self):
        threads = [threading.Thread(target=self.consume), threading.Thread(target=self.hear)]
        for thread in threads:
            thread.start()
        due = time.monotonic()
        number = 0
        running = True
        while running:
            due += 1 / RATE
            time.sleep(max(0.0, due - time.monotonic()))
            while self.pipe.poll():
                word = self.pipe.recv()
                running = word != "end"
                self.window = word
            self.sent[number] = (due, self.window)
            self.producer.produce("good", b"%d" % number, on_delivery=self.delivered(number))
            number += 1
        if self.producer.flush(120) != 0:
            self.lost.append("not all was acknowledged")
        self.done.set()
        for thread in threads:
            thread.join()
        if self.read != self.acknowledged:
            self.lost.append(f"{self.acknowledged} acknowledged, {self.read} read")
        self.pipe.send((self.acks, self.reads, self.acknowledged, self.lost))


def good_process(bootstrap, pipe, cpus):
    keep_on(os.getpid(), cpus)
    Good(bootstrap, pipe).run()


def share_cpus():
    """Those of the broker and the good client, and those of everybody else."""
    cpus = sorted(os.sched_getaffinity(0))
    half = len(cpus) // 2
    return (cpus[:half], cpus[half:]) if half > 0 else (cpus, cpus)


def keep_on(pid, cpus, idle=False):
    for task in map(int, os.listdir(f"/proc/{pid}/task")):
        os.sched_setaffinity(task, cpus)
        if idle:
            os.sched_setscheduler(task, os.SCHED_IDLE, os.sched_param(0))


@contextlib.contextmanager
def shield(cpus, other_cpus):
    """Every process keeps to the other CPUs; not the kernel's threads, which also work for the broker."""
    before = {}
    for path in pathlib.Path("/proc").glob("[0-9]*/task/[0-9]*"):
        with contextlib.suppress(OSError):  # it is gone, or not ours, or the kernel's: without a program
            (path / "exe").readlink()
            task = int(path.name)
            before[task] = os.sched_getaffinity(task)
            os.sched_setaffinity(task, other_cpus)
    try:
        yield
    finally:
        for task, affinity in before.items():
            with contextlib.suppress(OSError):
                os.sched_setaffinity(task, affinity)


@contextlib.contextmanager
def few_closed_connections_remembered():
    limit = pathlib.Path("/proc/sys/net/ipv4/tcp_max_tw_buckets")
    before = limit.read_text()
    try:
        limit.write_text("1000")
    except OSError:
        print(f"{limit} cannot be changed: storms cost the kernel more", file=sys.stderr)
        yield
        return
    try:
        yield
    finally:
        limit.write_text(before)


# ---- Attacks -----------------------------------------------------------------------------------
#
# Each is a generator: every step is a blow, and what it yields is how many that was; or None when it
# only holds what it has built up, which is done before it is measured. All goes with its process.


def mutated_frames(broker):
    """frames"""
    frames = Frames(int(time.time()), [])
    # Who may unregister a broker takes its leaderships away until it has registered again.
    frames.choices = [(key, version) for key, version in frames.choices if key != UNREGISTER_BROKER]
    attackers = [Attacker(broker) for _ in range(20)]
    while True:
        for attacker in attackers:
            attacker.send(frames.next())
            yield 1


def lying_lengths(broker):
    """frames"""
    lies = [
        struct.pack(">i", 2**31 - 1),
        struct.pack(">i", 100 * MIB) + b"x",
        frame(header(3, 1) + struct.pack(">i", 2**31 - 1)),
        frame(header(3, 9) + b"\0" + b"\xff\xff\xff\xff\x0f"),
        frame(header(18, 3) + b"\xff\xff\xff\xff\x0f"),
    ]
    kept = []
    while True:
        for lie in lies:
            s = connect(broker)
            s.sendall(lie)
            kept.append(s)
            if len(kept) > 500:
                kept.pop(0).close()
            yield 1


def idle_connections(broker):
    """connections"""
    kept = []
    while len(kept) < CONNECTIONS_MAX:
        kept.append(connect(broker))
        yield 1
    while True:
        time.sleep(0.1)
        yield None


def half_open(broker):
    """connections"""
    kept = []
    while len(kept) < 2000:
        kept.append(connect(broker))
        kept[-1].sendall(b"\0\0\0")
        yield 1
    while True:
        time.sleep(0.1)
        yield None


def slow_senders(broker):
    """bytes"""
    kept = []
    for _ in range(1000):
        kept.append(connect(broker))
        kept[-1].sendall(struct.pack(">i", 100 * MIB))
    while True:
        for s in kept:
            s.sendall(b"x")
            time.sleep(1 / len(kept))
            yield 1


def unread_fetches(broker):
    """requests"""
    yield from unread(broker, fetch_request("big"))


def unread_metadata(broker):
    """requests"""
    names = b"".join(text(f"{number:04d}" + "n" * 240) for number in range(1000))
    yield from unread(broker, frame(header(3, 4) + struct.pack(">i", 1000) + names + b"\0"))


def unread(broker, request):
    kept = []
    for _ in range(300):
        s = connect(broker)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        s.setblocking(False)
        kept.append([s, b""])
    progress = time.monotonic()
    while True:
        blows = 0
        taken = 0
        for entry in kept:
            try:
                entry[1] = entry[1] or request
                sent = entry[0].send(entry[1])
                entry[1] = entry[1][sent:]
                taken += sent
                blows += entry[1] == b""
            except BlockingIOError:
                pass
            except ConnectionError:  # closed, as it deserves: another one
                entry[0].close()
                entry[:] = [connect(broker), b""]
                entry[0].setblocking(False)
        if taken == 0:
            time.sleep(0.01)
        else:
            progress = time.monotonic()
        yield blows if time.monotonic() - progress < STUCK_S else None


def storm(broker, data, reset=False):
    while True:
        with connect(broker) as s:
            if data:
                s.sendall(data)
            if reset:
                s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        yield 1


def connection_storm(broker):
    """connections"""
    yield from storm(broker, b"")


def garbage_storm(broker):
    """connections"""
    yield from storm(broker, b"GET / HTTP/1.1\r\nHost: broker\r\n\r\n", reset=True)


def bombs_of(*bombs):
    def attack(broker):
        """requests"""
        requests = [produce_request("hostile", bomb(*b)) for b in bombs]
        sockets = [connect(broker) for _ in range(4)]
        while True:
            for number, s in enumerate(sockets):
                s.sendall(requests[number % len(requests)])
            for s in sockets:
                s.settimeout(60)
                size = struct.unpack(">i", s.recv(4))[0]
                while size > 0:
                    size -= len(s.recv(size))
                yield 1

    attack.__doc__ = "requests"
    return attack


def no_descriptors(broker):
    """connections"""
    pid = broker.process.pid
    soft, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (300, hard))
    kept = []
    try:
        while True:
            for _ in range(400):
                kept.append(connect(broker))
                yield 1
            time.sleep(0.2)
            while kept:
                kept.pop().close()
            yield 0
    finally:
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (soft, hard))


ATTACKS = {
    "nothing": lambda broker: nothing(),
    "nothing, a CPU kept busy by a stranger": lambda broker: busy_stranger(),
    "lengths that lie": lying_lengths,
    "10,000 idle connections": idle_connections,
    "2,000 half-open connections": half_open,
    "1,000 senders of 1 byte/s": slow_senders,
    "300 receivers that do not read, fetch": unread_fetches,
    "300 receivers that do not read, metadata": unread_metadata,
    "storm of connections": connection_storm,
    "storm of connections with garbage": garbage_storm,
    "bombs of one record": bombs_of(("zstd", 1024 * MIB, 1), ("lz4", 200 * MIB, 1), ("gzip", 900 * MIB, 1)),
    "bombs of many records, zstd, lz4": bombs_of(("zstd", MIB // 2, 2048), ("lz4", MIB // 2, 400)),
    "bombs of many records, gzip": bombs_of(("gzip", MIB // 2, 1500)),
    "no file descriptors left": no_descriptors,
    "mutated frames": mutated_frames,  # last: some of them delete the topics of the others
}  # fmt: skip


HOLDING = {idle_connections, half_open, unread_fetches, unread_metadata}


def nothing():
    """-"""
    while True:
        time.sleep(0.1)
        yield 0


def busy_stranger():
    """What an attacker does to everybody by computing, which is not the broker's doing."""
    while True:
        sum(range(10000))
        yield 0


def attack_process(attack, broker, cpus, stop, ready, blows):
    os.sched_setaffinity(0, cpus)
    # Whoever else wakes up on its CPU runs at once.
    os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    steps = attack(broker)
    holds = attack in HOLDING
    try:
        while not stop.is_set():
            try:
                step = next(steps)
                blows.value += step or 0
                if step is None or not holds:
                    ready.set()
            except (TimeoutError, ConnectionError, struct.error):
                steps = attack(broker)
    finally:
        steps.close()
        os._exit(0)


# ---- Measuring ---------------------------------------------------------------------------------


class Sampler(threading.Thread):
    """The broker's largest resident memory, looked at a hundred times a second, as cheaply as can be."""

    def __init__(self, broker):
        super().__init__(daemon=True)
        self.statm = os.open(f"/proc/{broker.process.pid}/statm", os.O_RDONLY)
        self.largest = 0
        self.start()

    def run(self):
        page_kib = os.sysconf("SC_PAGE_SIZE") // 1024
        while True:
            try:
                self.largest = max(self.largest, int(os.pread(self.statm, 64, 0).split()[1]) * page_kib)
            except (OSError, IndexError):
                return
            time.sleep(0.01)


def percentile(latencies, name, kind, share):
    """In ms, the median of its windows': what happens in one of them alone is not the attack's doing."""
    windows = [sorted(latencies[window]) for window in latencies if window and window[:2] == (name, kind)]
    return statistics.median(w[min(len(w) - 1, int(len(w) * share))] for w in windows) * 1000


def cpu_seconds(broker):
    """Of all its threads: clock_getcpuclockid()."""
    return time.clock_gettime(~broker.process.pid << 3 | 2)


def measured_window(broker, good, name, seconds):
    """Returns the broker's CPU time in it."""
    good.send(name)
    before = cpu_seconds(broker)
    time.sleep(seconds)
    good.send(None)
    return cpu_seconds(broker) - before


def measure(broker, target, name, options, cpus, good, sampler):
    """Alternating windows; what was thrown, a second, the memory before and at most, CPU shares."""
    blows = multiprocessing.Value("q", 0)
    time.sleep(SETTLE_S)
    before = rss_kib(broker)
    sampler.largest = before
    attacked = 0
    cpu = [0, 0]
    for number in range(options.rounds):
        cpu[0] += measured_window(broker, good, (name, "without", number), options.seconds)
        stop, ready = multiprocessing.Event(), multiprocessing.Event()
        attacker = multiprocessing.Process(
            target=attack_process, args=(ATTACKS[name], target, cpus, stop, ready, blows)
        )
        began = time.monotonic()
        attacker.start()
        ready.wait(60)
        time.sleep(SETTLE_S)
        cpu[1] += measured_window(broker, good, (name, "with", number), options.seconds)
        stop.set()
        attacker.join(5)
        attacker.kill()
        attacker.join()
        attacked += time.monotonic() - began
        time.sleep(SETTLE_S)
    assert broker.process.poll() is None, "the broker is gone:\n" + broker.log()
    return blows.value / attacked, before, sampler.largest, [c / options.rounds / options.seconds for c in cpu]


def table_line(name, result):
    return (
        f"{name:42} {result['ack_p50'][0]:7.2f} {result['ack_p99'][0]:7.2f} "
        f"{result['ack_p50'][1]:7.2f} {result['ack_p99'][1]:7.2f} {result['ack_ratio']:6.2f}  "
        f"{result['read_p99'][0]:7.2f} {result['read_p99'][1]:7.2f} {result['read_ratio']:6.2f}  "
        f"{result['rss_growth_kib'] / 1024:7.1f}  {100 * result['cpu'][0]:6.1f} {100 * result['cpu'][1]:6.1f}  "
        f"{result['blows_per_s']:10.0f}"
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4, help="of one window")
    parser.add_argument("--only", help="attacks whose names contain this")
    parser.add_argument("--shards", type=int, default=1)
    parser.add_argument("--broker", choices=["barnabas", "kafka"], default="barnabas")
    parser.add_argument("--set", action="append", default=[], help="key=value of the broker")
    parser.add_argument("--decoy", action="store_true", help="attack another broker, which runs like\n"
                        "the attackers: what the good client feels of that is not the doing of its broker")  # fmt: skip
    parser.add_argument("--shield", action="store_true", help="keep all other processes of the machine off\n"
                        "the CPUs of the broker and the good client meanwhile")  # fmt: skip
    parser.add_argument("--json", help="a file for the results")
    options = parser.parse_args()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 2 * CONNECTIONS_MAX), hard))
    names = [n for n in ATTACKS if options.only is None or options.only in n]

    extra = dict(s.split("=", 1) for s in options.set)
    if options.broker == "kafka":
        broker = ApacheKafka(**extra)
    else:
        broker = Barnabas(**{"num.shards": options.shards, **extra})
    decoy = Barnabas() if options.decoy else contextlib.nullcontext(broker)
    its_cpus, cpus = share_cpus()
    alone = shield(its_cpus, cpus) if options.shield else contextlib.nullcontext()
    with alone, few_closed_connections_remembered(), broker, decoy as target:
        for topic in ("hostile", "good", "big"):
            create_topic(broker, topic)
            if target is not broker:
                create_topic(target, topic)
        produce(target, "big", [os.urandom(100000) for _ in range(200)])
        ours, theirs = multiprocessing.Pipe()
        os.sched_setaffinity(0, cpus)
        gc.disable()  # its collections take some milliseconds each second, here and in the good client
        keep_on(broker.process.pid, its_cpus)
        if target is not broker:
            keep_on(target.process.pid, cpus, idle=True)
        client = multiprocessing.Process(target=good_process, args=(broker.bootstrap, theirs, its_cpus))
        client.start()
        sampler = Sampler(broker)
        time.sleep(3)
        thrown = {}
        for name in names:
            print(f"{name} ...", file=sys.stderr, flush=True)
            thrown[name] = measure(broker, target, name, options, cpus, ours, sampler)
        ours.send("end")
        acks, reads, count, lost = ours.recv()
        client.join()

    print(f"{count} records of the good client, lost or out of order: {len(lost)}; "
          f"latencies in ms at {RATE} records/s, {options.rounds} x {options.seconds:g} s each")  # fmt: skip
    print(f"{'':42} {'acknowledged':^38}  {'read back':^22}  {'memory':>7}  {'CPU':^13}  {'thrown':>10}")
    print(f"{'attack':42} {'p50':>7} {'p99':>7} {'p50 *':>7} {'p99 *':>7} {'ratio':>6}  "
          f"{'p99':>7} {'p99 *':>7} {'ratio':>6}  {'MiB':>7}  {'%':>6} {'% *':>6}  {'a second':>10}")  # fmt: skip
    results = {}
    for name in names:
        rate, before, largest, cpu = thrown[name]
        ack_p50, ack_p99, read_p99 = (
            [percentile(latencies, name, kind, share) for kind in ("without", "with")]
            for latencies, share in ((acks, 0.5), (acks, 0.99), (reads, 0.99))
        )
        results[name] = {
            "ack_p50": ack_p50,
            "ack_p99": ack_p99,
            "read_p99": read_p99,
            "ack_ratio": ack_p99[1] / ack_p99[0],
            "read_ratio": read_p99[1] / read_p99[0],
            "rss_before_kib": before,
            "rss_growth_kib": largest - before,
            "cpu": cpu,
            "blows_per_s": rate,
        }
        print(table_line(name, results[name]))
    print("* under the attack; each the median of its windows'")
    if options.json:
        with open(options.json, "w") as f:
            json.dump(results, f, indent=1)
    for what in lost[:20]:
        print("lost:", what)
    sys.exit(1 if lost else 0)


if __name__ == "__main__":
    main()
