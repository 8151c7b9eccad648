"""The cells of the comparison: one load each, and what is read off it.

A cell's load is a command line of `barnabasctl bench`, the same for every system. Which systems it is
for, and how often it is repeated, stands beside it.
"""

import dataclasses

# Names of the systems in results. Barnabas is measured in two kinds of durability: "barnabas" is the
# default (acknowledged and visible means synced), "barnabas-pc" is durability=page-cache, which is
# what Kafka does.
KAFKA = "kafka"
BARNABAS = "barnabas"
BARNABAS_PC = "barnabas-pc"
FLOOR = "floor"
ALL = (KAFKA, BARNABAS, BARNABAS_PC, FLOOR)
BROKERS = (KAFKA, BARNABAS, BARNABAS_PC)
SCALED = (BARNABAS_PC, FLOOR)


@dataclasses.dataclass(frozen=True)
class Metric:
    path: str  # in the JSON of barnabasctl bench
    label: str
    unit: str
    scale: float = 1.0
    compared: bool = True  # False: shown, but no ratios are taken


@dataclasses.dataclass(frozen=True)
class Cell:
    name: str
    title: str
    args: tuple  # of barnabasctl bench, without broker, time and topic's durability
    metrics: tuple
    systems: tuple = ALL
    primary: bool = False  # in every round; others only in the first few
    kind: str = "load"  # load, cold, start; scaling: with a broker of its own, so that thousands of
    # partitions and connections leave nothing behind in the memory of the one that others use
    x: int = 0  # of scaling cells: partitions, connections, shards
    shards: int = 1
    warmup_s: float = 1.0


US_PER_REQUEST = Metric("broker.us_per_request", "CPU per request", "us")
S_PER_GB = Metric("broker.s_per_gb", "CPU per GB", "s")
S_PER_MILLION = Metric("broker.s_per_million_records", "CPU per million records", "s")
RSS = Metric("broker.rss_max", "resident memory", "MiB", 1 / 1048576)
CPU_SHARE = Metric("broker.cpu_share", "CPU", "% of a CPU", 100)
E2E = tuple(
    Metric(f"e2e_ms.{key}", f"end to end {label}", "ms")
    for key, label in (("p50", "p50"), ("p99", "p99"), ("p99_9", "p99.9"))
)
LAG = Metric("client_lag_ms.p99", "the generator's own lag p99", "ms", compared=False)


def args(text):
    return tuple(text.split())


PRIMARY = [
    Cell(
        "request", "5,000 unbatched produce requests a second (100 B, 16 connections, acks=all)",
        args("produce -s 100 -r 5000 -c 16"), (US_PER_REQUEST,), primary=True,
    ),
    Cell(
        "request-busy", "unbatched produce requests as fast as they are answered "
        "(100 B, 16 connections with one request in flight, acks=all)",
        args("produce -s 100 --saturate -c 16 -i 1"), (US_PER_REQUEST,), primary=True,
    ),
    Cell(
        "batch-64k", "50 MB/s produced and consumed in batches of 64 KiB (1 KiB records, 6 partitions)",
        args("e2e -s 1k --batch-bytes 64k -r 48000 -p 6 -c 2 -C 2"), (S_PER_GB, RSS), primary=True,
    ),
    Cell(
        "small-4k", "50,000 records of 100 B a second produced and consumed in batches of 4 KiB "
        "(6 partitions)",
        args("e2e -s 100 --batch-bytes 4k -r 50000 -p 6 -c 4 -C 2"), (S_PER_MILLION,), primary=True,
    ),
    Cell(
        "latency", "end to end at 1,000 records of 1 KiB a second, unbatched (acks=all)",
        args("e2e -s 1k -r 1000 -c 1 -C 1"), (*E2E, LAG, US_PER_REQUEST), primary=True,
    ),
]  # fmt: skip

SECONDARY = [
    Cell(
        "t0", "100,000 records of 1 KiB a second produced and consumed in batches of 64 KiB (acks=1)",
        args("e2e -s 1k --batch-bytes 64k -r 100000 -p 6 -c 2 -C 2 -a 1"), (CPU_SHARE, RSS),
        systems=BROKERS,
    ),
    Cell(
        "small-1k", "50,000 records of 100 B a second produced and consumed in batches of 1 KiB",
        args("e2e -s 100 --batch-bytes 1k -r 50000 -p 6 -c 4 -C 2"), (S_PER_MILLION,),
    ),
    Cell(
        "small-16k", "100,000 records of 100 B a second produced and consumed in batches of 16 KiB",
        args("e2e -s 100 --batch-bytes 16k -r 100000 -p 6 -c 4 -C 2"), (S_PER_MILLION,),
    ),
    Cell(
        "lz4-64k", "the same 50 MB/s, compressed by the producer with lz4 (per GB on the wire)",
        args("e2e -s 1k --batch-bytes 64k -r 48000 -p 6 -c 2 -C 2 --codec lz4"), (S_PER_GB,),
        systems=BROKERS,
    ),
    Cell(
        "idempotent", "50,000 records of 1 KiB a second from idempotent producers, batches of 16 KiB",
        args("produce -s 1k --batch-bytes 16k -r 50000 -p 6 -c 4 --idempotent"), (S_PER_GB,),
        systems=BROKERS,
    ),
    Cell(
        "consume-hot", "consuming 512 MiB that the page cache holds (64 KiB batches, 6 partitions)",
        args("consume -s 1k --batch-bytes 64k -p 6 --fill 512M"), (S_PER_GB,),
    ),
    Cell(
        "consume-cold", "consuming 512 MiB that only the disk holds (64 KiB batches, 6 partitions)",
        args("consume -s 1k --batch-bytes 64k -p 6 --fill 512M"), (S_PER_GB,), systems=BROKERS,
        kind="cold",
    ),
    Cell(
        "large-1m", "50 MB/s of records of 1 MiB produced and consumed",
        args("e2e -s 1023k -r 48 -p 6 -c 2 -C 2 --partition-bytes 16M --topic-config max.message.bytes=16777216"),
        (S_PER_GB, RSS),
    ),
    Cell(
        "large-10m", "50 MB/s of records of 10 MiB produced and consumed",
        args("e2e -s 10M -r 5 -p 6 -c 2 -C 2 --partition-bytes 16M --topic-config max.message.bytes=16777216"),
        (S_PER_GB, RSS),
    ),
    Cell(
        "partitions-1k", "5,000 unbatched produce requests a second over 1,000 partitions",
        args("produce -s 100 -r 5000 -c 16 -p 1000"), (US_PER_REQUEST, RSS), systems=BROKERS,
    ),
    Cell(
        "idle", "100 idle consumers, each in a group of its own, over 6 partitions",
        args("idle -C 100 -p 6"), (CPU_SHARE, RSS), systems=(KAFKA, BARNABAS),
    ),
    Cell(
        "ping", "5,000 ApiVersions requests a second over 16 connections",
        args("ping -r 5000 -c 16"), (US_PER_REQUEST,), systems=(KAFKA, BARNABAS),
    ),
    Cell(
        "start", "from exec to the first acknowledged record, empty directory",
        (), (Metric("median_ms", "median", "ms"), Metric("max_ms", "max", "ms")),
        systems=(KAFKA, BARNABAS), kind="start",
    ),
]  # fmt: skip

SCALING = [
    *(
        Cell(
            f"scale-partitions-{n}", f"20,000 produce requests a second over {n:,} partitions",
            args(f"produce -s 100 -r 20000 -c 16 -p {n}"), (US_PER_REQUEST,), systems=SCALED, x=n,
            kind="scaling",
        )
        for n in (1, 10, 100, 1000, 5000)
    ),
    *(
        Cell(
            f"scale-connections-{n}", f"20,000 produce requests a second over {n:,} connections",
            args(f"produce -s 100 -r 20000 -c {n} -p 8"), (US_PER_REQUEST,), systems=SCALED, x=n,
            kind="scaling",
        )
        for n in (10, 100, 1000, 5000)
    ),
    *(
        Cell(
            f"scale-shards-{n}", f"20,000 produce requests a second, {n} shard{'s' * (n > 1)}",
            args("produce -s 100 -r 20000 -c 16 -p 8"), (US_PER_REQUEST,), x=n,
            systems=(BARNABAS_PC,), kind="scaling", shards=n,
        )
        for n in (1, 2)
    ),
]  # fmt: skip

CELLS = PRIMARY + SECONDARY + SCALING
