"""
kafka-dump-log and barnabasctl under its name print the same of the same files.

Runs against Apache Kafka with --broker kafka, whose files then are the ones that are read.
"""

import struct
import subprocess
import sys
import time

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

import harness

TOOLS = harness.HERE / "tools"
sys.path.insert(0, str(TOOLS))

from actions import Actions  # noqa: E402
from runner import Runner  # noqa: E402
from script import normalise  # noqa: E402

FIRST = "00000000000000000000"
API = "org.apache.kafka.tools.api."


@pytest.fixture(scope="module")
def runner(java_tools):
    runner = Runner()
    yield runner
    runner.close()


def fill(broker, directory):
    """Records of all kinds, a group with a member, offsets, and the metadata of all that."""
    admin = AdminClient({"bootstrap.servers": broker.bootstrap})
    topics = [
        NewTopic("plain", 1, 1, config={"index.interval.bytes": "100", "retention.ms": "-1"}),
        NewTopic("coded", 1, 1, config={"compression.type": "producer"}),
        NewTopic("stamped", 1, 1, config={"message.timestamp.type": "LogAppendTime"}),
    ]
    for done in admin.create_topics(topics).values():
        done.result(30)
    producer = Producer({"bootstrap.servers": broker.bootstrap})
    for i in range(40):
        producer.produce(
            "plain", f'value "{i}" 12345678\n', f"key{i}0000", 0,
            headers=[("h1", b"x"), ("h2", None)], timestamp=1767225600000 + i * 1000,
        )  # fmt: skip
        producer.flush(30)
    producer.produce("plain", None, b"\xff\xfe\xe2\x82A\xed\xa0\x80BBB")
    producer.produce("plain", "ü€ and more", "12345678")
    producer.produce("stamped", "x")
    for codec in "gzip", "lz4", "snappy", "zstd":
        coded = Producer(
            {"bootstrap.servers": broker.bootstrap, "compression.type": codec, "linger.ms": 50}
        )
        for i in range(5):
            coded.produce("coded", f"v{i}" * 20)
        assert coded.flush(30) == 0
    sequenced = Producer({"bootstrap.servers": broker.bootstrap, "enable.idempotence": True})
    for i in range(5):
        sequenced.produce("coded", f"s{i}")
    assert sequenced.flush(30) == producer.flush(30) == 0
    actions = Actions(broker.bootstrap, directory)
    actions.join("g", "plain", "one")
    actions.commit("h", "plain:0:2", "coded:0:0")
    actions.leave("one")


def damage(data):
    """Files that do not agree, beside the good ones: by their number, 1000 and more."""
    log = (data / "plain-0" / f"{FIRST}.log").read_bytes()
    index = (data / "plain-0" / f"{FIRST}.index").read_bytes()
    times = bytearray((data / "plain-0" / f"{FIRST}.timeindex").read_bytes())
    snapshot = bytearray(next((data / "coded-0").glob("*.snapshot")).read_bytes())

    def write(number, suffix, content):
        (data / "plain-0" / f"{number:020}.{suffix}").write_bytes(bytes(content))

    write(1000, "log", log)  # other offsets than the name says
    write(1000, "index", index + b"123")
    write(1000, "timeindex", times)
    write(1001, "log", log[:-40])  # cut off
    write(1002, "log", log + bytes(90))  # zeros at its end
    write(1003, "log", log[:900] + b"?" + log[901:])  # a wrong byte
    end = struct.unpack_from(">i", log, 8)[0] + 12
    write(1004, "log", log[:end] + log[2 * end :])  # a batch is missing
    snapshot[20] ^= 1
    write(1005, "snapshot", snapshot)
    snapshot[1] = 9
    write(1006, "snapshot", snapshot)
    write(1007, "snapshot", snapshot[:9])
    write(1008, "txnindex", struct.pack(">hqqqq", 0, 5, 10, 20, 30) + b"rest")
    producers = struct.pack(">i", 1) + struct.pack(">qhiqiqiq", 7, 3, 1, 99, 4, 1000, 2, 95)
    write(1009, "snapshot", struct.pack(">hI", 1, crc32c(producers)) + producers)
    (data / "plain-0" / "notes.txt").write_text("no log")


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


@pytest.fixture(scope="module")
def data(new_broker, tmp_path_factory, java_tools):
    """The log dir of a broker that has stopped."""
    broker = new_broker(
        **{"metadata.log.max.snapshot.interval.ms": 500, "offsets.topic.num.partitions": 2}
    ).start()
    fill(broker, tmp_path_factory.mktemp("files"))
    metadata = broker.data / "__cluster_metadata-0"
    deadline = time.monotonic() + 60
    while len(list(metadata.glob("*.checkpoint"))) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    broker.stop()
    damage(broker.data)
    return broker.data


def both(runner, data, pattern, *options):
    """What both print of the files, the good ones in one call and the damaged ones alone."""
    files = sorted(map(str, data.glob(pattern)))
    assert files
    good = [path for path in files if "/0000000000000000100" not in path]
    compared = 0
    for some in [good, *([path] for path in files if path not in good)]:
        if not some:
            continue
        args = ["--files", ",".join(some), *options]
        wanted = runner.run("kafka-dump-log", args)
        done = subprocess.run(
            ["kafka-dump-log.sh", *args], executable=harness.BARNABAS.with_name("barnabasctl"),
            capture_output=True, timeout=60, env={"TZ": "UTC"},
        )  # fmt: skip
        assert done.stdout.decode() == wanted[1], args
        err = done.stderr.decode()
        assert normalise(err, [], []) == normalise(wanted[2], [], []), args
        assert done.returncode == wanted[0], args
        compared += 1
    return compared


LOGS = [
    [], ["--deep-iteration"], ["--deep-iteration", "--skip-record-metadata"], ["--print-data-log"],
    ["--print-data-log", "--skip-record-metadata"], ["--max-bytes", "300"], ["--max-bytes", "0"],
    ["--max-bytes", "300", "--print-data-log"], ["--cluster-metadata-decoder"],
]  # fmt: skip


@pytest.mark.parametrize("options", LOGS, ids=lambda options: " ".join(map(str, options)) or "plain")
def test_logs(runner, data, options):
    assert both(runner, data, "*/*.log", *options) > 4


DECODERS = {
    "__consumer_offsets-*/*.log": "--offsets-decoder",
    "__cluster_metadata-0/*.log": "--cluster-metadata-decoder",
    "__cluster_metadata-0/*.checkpoint": "--cluster-metadata-decoder",
    "coded-0/*.log": "--share-group-state-decoder",  # all of its records are without a key
    "stamped-0/*.log": "--transaction-log-decoder",
}


@pytest.mark.parametrize("metadata", [[], ["--skip-record-metadata"]], ids=["all", "contents"])
@pytest.mark.parametrize("pattern", DECODERS)
def test_internal_topics(runner, data, pattern, metadata):
    both(runner, data, pattern, DECODERS[pattern], *metadata)


@pytest.mark.parametrize("kind", ["index", "timeindex"])
@pytest.mark.parametrize("option", [[], ["--index-sanity-check"], ["--verify-index-only"]])
def test_indexes(runner, data, kind, option):
    both(runner, data, f"*/*.{kind}", *option)


@pytest.mark.parametrize("kind", ["snapshot", "txnindex", "txt", "checkpoint"])
def test_other_files(runner, data, kind):
    both(runner, data, f"*/*.{kind}")


@pytest.mark.parametrize(
    "options",
    [
        ["--value-decoder-class"],
        ["--key-decoder-class", API + "StringDecoder"],
        ["--value-decoder-class", API + "LongDecoder"],
        ["--value-decoder-class", API + "IntegerDecoder", "--key-decoder-class", API + "LongDecoder"],
    ],
    ids=" ".join,
)
def test_decoders_of_plain_records(runner, data, options):
    both(runner, data, f"plain-0/{FIRST}.log", *options)


REFUSED = {
    f"--value-decoder-class {API}DefaultDecoder": "loads no classes",
    "--key-decoder-class com.example.Own": "loads no classes",
    "--remote-log-metadata-decoder": "no tiered storage",
}


@pytest.mark.parametrize("options", REFUSED)
def test_what_cannot_be_decoded_is_refused(data, options):
    done = subprocess.run(
        ["kafka-dump-log", "--files", data / "plain-0" / f"{FIRST}.log", *options.split(" ")],
        executable=harness.BARNABAS.with_name("barnabasctl"), capture_output=True, text=True,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (1, "")
    assert options.split(" ")[0] in done.stderr and REFUSED[options] in done.stderr
