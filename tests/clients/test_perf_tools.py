"""The scripts that produce load and check clients, as barnabasctl: what is set has effect, and no record is
lost or doubled when the broker dies meanwhile."""

import json
import re
import subprocess
import threading
import time

import pytest

import harness

BARNABASCTL = harness.BARNABAS.parent / "barnabasctl"


def tool(name, broker, *args, wait=True):
    process = subprocess.Popen(
        [name + ".sh", "--bootstrap-server", broker.bootstrap, *map(str, args)],
        executable=BARNABASCTL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    return finish(process) if wait else process


def finish(process, timeout_s=300):
    """What it still prints; communicate() would lose what was read ahead."""
    watch = threading.Timer(timeout_s, process.kill)
    watch.start()
    try:
        out = process.stdout.read()
        assert process.wait() == 0, process.stderr.read()
    finally:
        watch.cancel()
    return out


def produce(broker, topic, count, *properties, size=100, **options):
    args = ["--topic", topic, "--num-records", count, "--record-size", size, "--throughput", -1]
    if properties:
        args += ["--command-property", *properties]
    return tool("kafka-producer-perf-test", broker, *args, **options)


def batches(broker, topic):
    """The batches of the topic's only partition, each as a dictionary of what kafka-dump-log says."""
    out = subprocess.run(
        ["kafka-dump-log.sh", "--files", f"{broker.data}/{topic}-0/{0:020}.log"],
        executable=BARNABASCTL, stdout=subprocess.PIPE, text=True, check=True,
    ).stdout  # fmt: skip
    lines = [line for line in out.splitlines() if line.startswith("baseOffset")]
    return [dict(re.findall(r"(\w+): (\S+)", line)) for line in lines]


def consumed(broker, topic, count):
    out = tool("kafka-consumer-perf-test", broker, "--topic", topic, "--num-records", count,
               "--timeout", 20000, "--hide-header")  # fmt: skip
    return int(out.splitlines()[-1].split(", ")[4])


@pytest.fixture
def lonely_broker(only_barnabas, fresh_broker):
    return fresh_broker


def test_batches_are_as_large_as_is_said(lonely_broker):
    produce(lonely_broker, "small", 500, "batch.size=1000", "linger.ms=600000")
    produce(lonely_broker, "large", 500, "batch.size=1000000", "linger.ms=600000")
    produce(lonely_broker, "single", 20, "batch.size=0")
    small = batches(lonely_broker, "small")
    assert max(int(batch["size"]) for batch in small) <= 1000
    assert {int(batch["count"]) for batch in small[:-1]} == {8}, "each has as many as there is room for"
    assert [int(batch["count"]) for batch in batches(lonely_broker, "large")] == [500]
    assert [int(batch["count"]) for batch in batches(lonely_broker, "single")] == [1] * 20


def test_codecs_acks_and_idempotence_are_as_is_said(lonely_broker):
    for codec in ["none", "gzip", "snappy", "lz4", "zstd"]:
        produce(lonely_broker, codec, 100, f"compression.type={codec}")
        assert {batch["compresscodec"].lower() for batch in batches(lonely_broker, codec)} == {codec}
    produce(lonely_broker, "plain", 100, "enable.idempotence=false")
    produce(lonely_broker, "acks1", 100, "acks=1")
    produce(lonely_broker, "acks0", 100, "acks=0")
    for topic in ["plain", "acks1", "acks0"]:
        assert consumed(lonely_broker, topic, 100) == 100
        assert {batch["producerId"] for batch in batches(lonely_broker, topic)} == {"-1"}, topic
    assert "-1" not in {batch["producerId"] for batch in batches(lonely_broker, "none")}


def test_batches_in_flight_stay_in_order(lonely_broker):
    produce(lonely_broker, "many", 3000, "batch.size=300", "max.in.flight.requests.per.connection=5")
    expected = 0
    for batch in batches(lonely_broker, "many"):
        assert int(batch["baseSequence"]) == int(batch["baseOffset"]) == expected
        expected += int(batch["count"])
    assert expected == 3000


@pytest.mark.parametrize("in_flight", [1, 5])
def test_a_broker_that_dies_costs_no_record_and_doubles_none(lonely_broker, in_flight):
    count = 20000
    args = ["--topic", "killed", "--num-records", count, "--payload-monotonic", "--throughput", 5000,
            "--reporting-interval", 200, "--command-property", "batch.size=2000",
            f"max.in.flight.requests.per.connection={in_flight}"]  # fmt: skip
    process = tool("kafka-producer-perf-test", lonely_broker, *args, wait=False)
    for _ in range(3):
        assert "records sent" in process.stdout.readline()
        lonely_broker.kill()
        lonely_broker.start()
    assert re.search(rf"^{count} records sent", finish(process), re.MULTILINE)
    assert consumed(lonely_broker, "killed", count) == count
    values = subprocess.run(
        [BARNABASCTL, "consume", "killed", "-b", lonely_broker.bootstrap, "-o", "beginning", "-e",
         "-f", "%s\n"], stdout=subprocess.PIPE, text=True, check=True, timeout=300,
    ).stdout.split()  # fmt: skip
    assert values == [str(i) for i in range(count)]


def test_a_record_that_is_refused_is_told_and_the_others_are_written(lonely_broker, tmp_path):
    subprocess.run(
        ["kafka-topics.sh", "--bootstrap-server", lonely_broker.bootstrap, "--create", "--topic",
         "narrow", "--config", "max.message.bytes=2000"],
        executable=BARNABASCTL, check=True, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    (tmp_path / "payloads").write_text("\n".join(["x" * 10, "y" * 5000]))
    process = tool(
        "kafka-producer-perf-test", lonely_broker, "--topic", "narrow", "--num-records", 40,
        "--payload-file", tmp_path / "payloads", "--throughput", -1, wait=False,
    )  # fmt: skip
    out, err = process.communicate(timeout=300)
    sent = int(re.search(r"^(\d+) records sent", out, re.MULTILINE)[1])
    told = err.count("org.apache.kafka.common.errors.RecordTooLargeException: ")
    assert process.returncode == 0 and 0 < sent < 40 and sent + told == 40
    assert consumed(lonely_broker, "narrow", sent) == sent


# ---- The verifiable clients ----------------------------------------------------------------------


def events(process, name):
    """Reads events up to the first of that name, and returns it."""
    for line in process.stdout:
        event = json.loads(line)
        if event["name"] == name:
            return event
    raise AssertionError(f"it ended without {name}: {process.stderr.read()}")


def test_a_verifiable_producer_tells_of_each_record_when_the_broker_dies(lonely_broker):
    process = tool("kafka-verifiable-producer", lonely_broker, "--topic", "told", "--throughput", 200,
                   wait=False)  # fmt: skip
    told = [events(process, "producer_send_success")]
    lonely_broker.kill()
    lonely_broker.start()
    restarted_ms = time.time() * 1000
    while told[-1]["name"] != "producer_send_success" or told[-1]["timestamp"] <= restarted_ms:
        told.append(json.loads(process.stdout.readline()))
    process.terminate()
    told += [json.loads(line) for line in finish(process).splitlines()]
    acked = {str(e["offset"]): e["value"] for e in told if e["name"] == "producer_send_success"}
    failed = [e["value"] for e in told if e["name"] == "producer_send_error"]
    assert told[-1]["acked"] == len(acked) == told[-1]["sent"] - len(failed)
    lines = subprocess.run(
        [BARNABASCTL, "consume", "told", "-b", lonely_broker.bootstrap, "-o", "beginning", "-e",
         "-f", "%o %s\n"], stdout=subprocess.PIPE, text=True, check=True, timeout=300,
    ).stdout.splitlines()  # fmt: skip
    read = dict(line.split() for line in lines)
    assert acked.items() <= read.items()
    assert len(set(read.values())) == len(read), "nothing is written twice"


def test_verifiable_consumers_share_the_partitions_of_a_topic(lonely_broker):
    subprocess.run(
        ["kafka-topics.sh", "--bootstrap-server", lonely_broker.bootstrap, "--create", "--topic",
         "shared", "--partitions", "2"], executable=BARNABASCTL, check=True,
        stdout=subprocess.DEVNULL,
    )  # fmt: skip
    args = ["--topic", "shared", "--group-id", "sharing"]
    first = tool("kafka-verifiable-consumer", lonely_broker, *args, wait=False)
    second = None
    try:
        assert len(events(first, "partitions_assigned")["partitions"]) == 2
        second = tool("kafka-verifiable-consumer", lonely_broker, *args, wait=False)
        taken = events(second, "partitions_assigned")["partitions"]
        assert len(events(first, "partitions_revoked")["partitions"]) == 2
        left = events(first, "partitions_assigned")["partitions"]
        assert sorted(p["partition"] for p in taken + left) == [0, 1]
    finally:
        for process in filter(None, [second, first]):
            process.terminate()
    for process in second, first:
        names = [json.loads(line)["name"] for line in finish(process).splitlines()]
        assert names[-1] == "shutdown_complete" and "shutdown_requested" in names


def test_a_member_that_died_is_removed_by_force(lonely_broker):
    produce(lonely_broker, "app-input", 10)
    args = ["--topic", "app-input", "--group-id", "app", "--max-messages", -1]
    member = tool("kafka-verifiable-consumer", lonely_broker, *args, wait=False)
    events(member, "offsets_committed")
    member.kill()
    member.wait()

    def reset(*options):
        return subprocess.run(
            ["kafka-streams-application-reset.sh", "--bootstrap-server", lonely_broker.bootstrap,
             "--application-id", "app", "--input-topics", "app-input", "--to-offset", "4", *options],
            executable=BARNABASCTL, capture_output=True, text=True, timeout=120,
        )  # fmt: skip

    refused = reset()
    assert refused.returncode == 1 and "Consumer group 'app' is still active" in refused.stderr
    forced = reset("--force")
    assert forced.returncode == 0, forced.stderr
    assert forced.stdout.splitlines()[0] == "Force deleting all active members in the group: app"
    described = subprocess.run(
        ["kafka-consumer-groups.sh", "--bootstrap-server", lonely_broker.bootstrap, "--describe",
         "--group", "app"], executable=BARNABASCTL, stdout=subprocess.PIPE, text=True,
    ).stdout  # fmt: skip
    assert described.splitlines()[-1].split()[:6] == ["app", "app-input", "0", "4", "10", "6"]


@pytest.mark.parametrize("name", ["connect-standalone", "kafka-jmx", "kafka-run-class", "trogdor"])
def test_a_script_that_is_about_other_programs_says_so(only_barnabas, name):
    done = subprocess.run([name + ".sh"], executable=BARNABASCTL, capture_output=True, text=True)
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr.startswith(f"{name} is not a tool of Barnabas. ") and done.stderr.count("\n") == 1
