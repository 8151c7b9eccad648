"""
Advisories and bugs of Kafka, of its clients and of brokers beside it, in what is served here: each
as a claim, with its number.
"""

import gzip
import hashlib
import random
import socket
import struct
import subprocess
import threading
import uuid

import pytest
from confluent_kafka import TopicPartition

import wire
from frames import crc32c, frame, served_apis, varint, zigzag
from harness import Barnabas
from hostile import (
    answer_to,
    api_versions,
    fetch_request,
    peak_memory,
    produce_error,
    produce_request,
    served,
    text,
    victim,  # noqa: F401
)
from test_bad_input import connect, header, rss_kib
from test_librdkafka import consume, consumer, create_topic, produce

pytestmark = pytest.mark.usefixtures("only_barnabas")

MIB = 1024 * 1024
CORRUPT = {2, 87}  # CORRUPT_MESSAGE, INVALID_RECORD


@pytest.fixture(scope="module")
def good(victim):
    with served(victim) as good:
        yield good


@pytest.fixture
def target(victim, good):
    yield victim
    good.wait_for(3)


def refused(broker, request):
    """Whether the request costs its connection and nothing else."""
    with connect(broker) as s:
        try:
            return answer_to(s, request) == b""
        except ConnectionError:
            return True


# ---- Lengths and counts ------------------------------------------------------------------------


@pytest.mark.parametrize("api", [0, 1, 2, 3, 8, 9, 10, 11, 15, 16, 19, 20, 22, 32, 42, 44, 60, 75])
def test_cve_2022_34917_a_count_in_any_request_allocates_nothing_ahead_of_its_bytes(target, api):
    """Unauthenticated clients made brokers allocate what their requests only announced; also
    KAFKA-14063 and redpanda 8513 (16 GB for a few bytes)."""
    versions = [(low, high) for key, low, high in served_apis() if key == api]
    with peak_memory(target, 16):
        for version in range(versions[0][0], versions[0][1] + 1):
            for at in range(0, 12, 2):
                for count in (b"\x7f\xff\xff\xff", b"\xff\xff\xff\xff\x0f"):
                    body = b"\0" * at + count + b"\0" * 40
                    with connect(target) as s:
                        s.sendall(frame(header(api, version) + body))


@pytest.mark.parametrize("elements", ["one byte each", "nothing each"])
def test_cve_2026_111108_an_array_takes_a_few_times_its_bytes(target, elements):
    """DescribeTopicPartitions with as many topics as there are bytes: their structs are many times
    as large as the byte that stands for each."""
    size = 10 * MIB
    body = varint(size) + (b"\1" if elements == "one byte each" else b"\0") * size
    with peak_memory(target, 10 + 4 * 10 + 16):
        assert refused(target, frame(header(75, 0) + b"\0" + body))


@pytest.mark.parametrize("where", ["header", "body"])
def test_cve_2026_111115_unknown_tags_are_skipped_without_memory(target, where):
    """Millions of tagged fields in a request header."""
    count = 500000
    many = varint(count) + b"".join(varint(tag) + b"\0" for tag in range(100, 100 + count))
    if where == "header":
        request = header(18, 3) + many + b"\1\1\0"
    else:
        request = header(18, 3) + b"\0" + b"\1\1" + many
    with peak_memory(target, 4), connect(target) as s:
        for _ in range(20):
            answer_to(s, frame(request))


@pytest.mark.parametrize("count", [-1, -2, -(2**31)])
def test_librdkafka_5577_a_null_array_is_no_number_to_count_with(target, count):
    """A count of -1 went into arithmetic. Where null is allowed it is null, elsewhere an error."""
    topics = struct.pack(">i", count)
    with connect(target) as s:
        answer = answer_to(s, frame(header(3, 1) + topics))
        assert (len(answer) > 4) == (count == -1)
    fetch = struct.pack(">iiiib", -1, 0, 0, 0, 0) + topics
    assert refused(target, frame(header(1, 4) + fetch))


def record_with(headers):
    body = b"\0\0\0\1\2v" + headers
    return varint(zigzag(len(body))) + body


def test_redpanda_26482_a_count_of_headers_is_checked_against_the_record(target):
    for count in (varint(zigzag(2**31 - 1)), varint(2**32 - 1), varint(zigzag(10**6))):
        records = record_with(count + b"\2k\2v")
        checked = struct.pack(">hiqqqhii", 0, 0, 1, 1, -1, -1, -1, 1) + records
        batch = struct.pack(">qiibI", 0, len(checked) + 9, 0, 2, crc32c(checked)) + checked
        with peak_memory(target, 4), connect(target) as s:
            assert produce_error(answer_to(s, produce_request("hostile", batch))) in CORRUPT


@pytest.mark.parametrize("claimed", [2**31 - 1, -1, 10**6])
def test_kafka_14063_a_count_of_records_is_checked_against_the_batch(target, claimed):
    records = record_with(b"\0")
    checked = struct.pack(">hiqqqhii", 0, max(claimed - 1, 0), 1, 1, -1, -1, -1, claimed) + records
    batch = struct.pack(">qiibI", 0, len(checked) + 9, 0, 2, crc32c(checked)) + checked
    with peak_memory(target, 4), connect(target) as s:
        assert produce_error(answer_to(s, produce_request("hostile", batch))) in CORRUPT


# ---- Answers that nobody reads -----------------------------------------------------------------


def test_cve_2025_21605_answers_that_nobody_reads_do_not_pile_up(target, good):
    """Valkey: replies to a client that does not read grew without limit. Here each of 300 asks for
    64 times 300 KB, and the sum stays bounded."""
    names = [f"{number:04d}" + "n" * 240 for number in range(1000)]
    body = struct.pack(">i", len(names)) + b"".join(text(name) for name in names)
    ask = frame(header(3, 4) + body + b"\0")  # not created: each is answered with an error
    with connect(target) as s:
        assert len(answer_to(s, ask)) > 200 * 1024
    before = rss_kib(target)
    sockets = []
    for _ in range(300):
        s = connect(target)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        s.setblocking(False)
        try:
            for _ in range(64):
                s.send(ask)
        except (BlockingIOError, ConnectionError):
            pass
        sockets.append(s)
    good.wait_for(20)
    assert api_versions(target)
    # 128 MiB for unread answers, and what the kernel takes into frames.
    assert rss_kib(target) - before < 512 * 1024
    for s in sockets:
        s.close()


# ---- What is not served cannot be broken -------------------------------------------------------


def test_cve_2026_111073_telemetry_that_expands_is_refused(target):
    """PushTelemetry expanded what any client sent, without a bound."""
    bomb = gzip.compress(bytes(512 << 20))
    with peak_memory(target, 24), wire.Wire(target.port) as connection:
        told = connection.ask("GetTelemetrySubscriptions", 0, {"ClientInstanceId": uuid.UUID(int=0)})
        pushed = {"ClientInstanceId": told["ClientInstanceId"], "CompressionType": 1,
                  "SubscriptionId": told["SubscriptionId"], "Metrics": bomb}
        assert connection.ask("PushTelemetry", 0, pushed)["ErrorCode"] == 87


@pytest.mark.parametrize("key", [17, 36], ids=["SaslHandshake", "SaslAuthenticate"])
def test_no_login_is_offered_that_could_be_cheated(target, key):
    """CVE-2017-12610, CVE-2021-38153, CVE-2024-56128, CVE-2026-33557, CVE-2026-110985 and
    librdkafka 5603 and 2832 are about SASL; a broker without it closes the connection."""
    for version in range(3):
        assert refused(target, frame(header(key, version) + text("SCRAM-SHA-256")))


@pytest.mark.parametrize(
    "key, value",
    [
        ("listeners", "SASL_PLAINTEXT://127.0.0.1:0"),
        ("listeners", "SSL://127.0.0.1:0"),
        ("authorizer.class.name", "org.apache.kafka.metadata.authorizer.StandardAuthorizer"),
    ],
)
def test_security_that_is_asked_for_is_not_left_out_in_silence(key, value):
    """CVE-2024-27309, and every fail-open: what cannot be enforced is refused at the start."""
    broker = Barnabas()
    broker.extra[key] = value
    broker.write_properties()
    done = subprocess.run(broker.command(), capture_output=True, text=True, timeout=60)
    broker.destroy()
    assert done.returncode != 0
    assert key in done.stderr + done.stdout


# ---- Data --------------------------------------------------------------------------------------


def test_cve_2018_1288_a_client_that_plays_replica_moves_nothing(target, group):
    """A crafted fetch as follower made the leader lose what others had written."""
    create_topic(target, "replica")
    produce(target, "replica", [b"%d" % i for i in range(100)])
    for offset in (0, 50, 100, 10**6):
        for replica in (0, 1, 2, 2**31 - 1):
            with connect(target) as s:
                answer_to(s, fetch_request("replica", offset=offset, replica=replica))
    produce(target, "replica", [b"after"])
    client = consumer(target, group)
    client.assign([TopicPartition("replica", 0, 0)])
    values = [m.value() for m in consume(client, 101)]
    assert values == [b"%d" % i for i in range(100)] + [b"after"]
    assert client.get_watermark_offsets(TopicPartition("replica", 0)) == (0, 101)
    client.close()


def test_cve_2026_35554_what_was_sent_to_a_topic_is_in_no_other(target, group):
    """A buffer that was used again while it was in flight put records into the wrong topic. Here
    producers come and go in the middle of requests while others write."""
    topics = [f"own-{number}" for number in range(6)]
    for topic in topics:
        create_topic(target, topic)
    stopping = threading.Event()

    def tear():
        dice = random.Random(7)
        while not stopping.is_set():
            value = topics[0].encode() + b":" + dice.randbytes(20000)
            body = record_with(b"\0")
            request = produce_request(topics[0], body + value)
            with connect(target) as s:
                s.sendall(request[: dice.randrange(len(request))])

    tearer = threading.Thread(target=tear)
    tearer.start()
    sent = {topic: [] for topic in topics}
    dice = random.Random(8)
    try:
        for _ in range(8):
            for topic in topics:
                values = [topic.encode() + dice.randbytes(dice.randrange(1, 9000)) for _ in range(10)]
                produce(target, topic, values)
                sent[topic] += [hashlib.sha256(v).digest() for v in values]
    finally:
        stopping.set()
        tearer.join()
    client = consumer(target, group)
    for topic in topics:
        client.assign([TopicPartition(topic, 0, 0)])
        values = [m.value() for m in consume(client, len(sent[topic]))]
        assert [hashlib.sha256(v).digest() for v in values] == sent[topic]
    client.close()
