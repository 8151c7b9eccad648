"""Batches that are small on the wire and large when decompressed are refused, and cost little."""

import select
import struct

import pytest

from bombs import CODECS, GZIP, LZ4, SNAPPY, ZSTD, batch, bomb
from frames import varint
from hostile import (
    answer_to,
    peak_memory,
    produce_error,
    produce_request,
    served,
    victim,  # noqa: F401
)
from test_bad_input import connect
from test_librdkafka import consume, consumer, create_topic, produce

pytestmark = pytest.mark.usefixtures("only_barnabas")

MIB = 1024 * 1024
BOMB_MEMORY_MIB = 16
ANSWER_TIMEOUT_S = 120
REFUSED = {2, 10, 87}  # CORRUPT_MESSAGE, MESSAGE_TOO_LARGE, INVALID_RECORD

# What fits the usual limit of a batch, 1 MiB: how much it is when decompressed, in how many records.
# Snappy packs 21 to 1 at most, which honest records do as well.
BOMBS = {
    "gzip, a record of 900 MiB": ("gzip", 900 * MIB, 1),
    "lz4, a record of 200 MiB": ("lz4", 200 * MIB, 1),
    "zstd, a record of 1 GiB": ("zstd", 1024 * MIB, 1),
    "gzip, 1 GiB of records": ("gzip", MIB // 2, 1500),
    "lz4, 200 MiB of records": ("lz4", MIB // 2, 400),
    "zstd, 1 GiB of records": ("zstd", MIB // 2, 2048),
    "zstd, 32 MiB in less than 2 KiB": ("zstd", MIB - 64, 32),
}


@pytest.fixture(scope="module")
def target_topic(victim):
    create_topic(victim, "target")


@pytest.fixture(scope="module")
def good(victim):
    with served(victim) as good:
        yield good


@pytest.fixture
def target(victim, target_topic, good):
    with connect(victim) as s:
        yield victim, s
    good.wait_for(3)


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_refused_and_its_decompression_costs_at_most_16_mib(target, name):
    broker, s = target
    request = produce_request("target", bomb(*BOMBS[name]))
    with peak_memory(broker, BOMB_MEMORY_MIB):
        assert produce_error(answer_to(s, request)) in REFUSED


@pytest.mark.parametrize("codec", ["gzip", "lz4", "zstd"])
def test_many_bombs_at_a_time_cost_no_more_than_one(target, codec):
    broker, _ = target
    request = produce_request("target", bomb(codec, MIB // 2, 40))
    with peak_memory(broker, BOMB_MEMORY_MIB):
        sockets = [connect(broker) for _ in range(30)]
        for s in sockets:
            s.sendall(request)
        for s in sockets:
            s.settimeout(ANSWER_TIMEOUT_S)
            assert produce_error(answer_to(s, b"")) in REFUSED
            s.close()


def test_who_sent_good_batches_goes_on_while_bombs_wait(target):
    broker, s = target
    large = produce_request("target", bomb("snappy", MIB // 2, 8))  # not a bomb, but a worker's too
    s.settimeout(ANSWER_TIMEOUT_S)
    assert produce_error(answer_to(s, large)) == 0
    request = produce_request("target", bomb("gzip", MIB // 2, 1500))
    bombs = [connect(broker) for _ in range(20)]
    for b in bombs:
        b.sendall(request)
    for _ in range(10):
        assert produce_error(answer_to(s, large)) == 0
    answered, _, _ = select.select(bombs, [], [], 0)
    assert len(answered) <= len(bombs) // 2
    for b in bombs:
        b.settimeout(ANSWER_TIMEOUT_S)
        assert produce_error(answer_to(b, b"")) in REFUSED
        b.close()


LIES = {
    # CVE-2023-34455: a chunk length that was allocated before a byte of the chunk was there.
    "snappy: a chunk of 2 GiB": (
        SNAPPY, b"\x82SNAPPY\0" + struct.pack(">iii", 1, 1, 2**31 - 1) + b"x" * 100),
    "snappy: a chunk of negative length (CVE-2023-34455)": (
        SNAPPY, b"\x82SNAPPY\0" + struct.pack(">iii", 1, 1, -1) + b"x" * 100),
    "snappy: a block that says it holds 4 GiB": (
        SNAPPY, b"\x82SNAPPY\0" + struct.pack(">iii", 1, 1, 6) + varint(2**32 - 1) + b"x"),
    "snappy: a lone block that says it holds 4 GiB": (SNAPPY, varint(2**32 - 1) + b"\0x"),
    "snappy: a copy from before the start": (
        SNAPPY, b"\x82SNAPPY\0" + struct.pack(">iii", 1, 1, 4) + b"\x40\xfe\xff\xff"),
    # CVE-2021-3520: a negative size reached memmove.
    "lz4: a block of 2 GiB (CVE-2021-3520)": (
        LZ4, b"\x04\x22\x4d\x18\x60\x70\x73" + struct.pack("<I", 2**31 - 1) + b"x" * 100),
    "lz4: a literal longer than its block": (
        LZ4, b"\x04\x22\x4d\x18\x60\x70\x73" + struct.pack("<I", 40) + b"\xf0" + b"\xff" * 39),
    "lz4: a match from before the start": (
        LZ4, b"\x04\x22\x4d\x18\x60\x70\x73" + struct.pack("<I", 9) + b"\x1fa\xff\xff\xff\xff\xff\0\0"),
    "zstd: a window of 2 GiB": (ZSTD, b"\x28\xb5\x2f\xfd\x00\xa8" + b"\3\0\0x"),
    "zstd: a content size of 2^64-1": (
        ZSTD, b"\x28\xb5\x2f\xfd\xe0" + b"\xff" * 8 + b"\3\0\0x"),
    "zstd: a skippable frame of 4 GiB": (ZSTD, b"\x50\x2a\x4d\x18\xff\xff\xff\xffx"),
    "gzip: a name that does not end": (GZIP, b"\x1f\x8b\x08\x08" + bytes(6) + b"n" * 100000),
    "gzip: an extra field longer than the batch": (GZIP, b"\x1f\x8b\x08\x04" + bytes(6) + b"\xff\xff"),
    "no codec of that number": (5, b"x" * 100),
    "nothing at all": (ZSTD, b""),
}  # fmt: skip


def test_a_snappy_batch_costs_what_its_largest_record_is(target):
    broker, s = target
    with peak_memory(broker, BOMB_MEMORY_MIB):
        answer = answer_to(s, produce_request("target", bomb("snappy", MIB // 2, 32)))
        assert produce_error(answer) == 0


@pytest.mark.parametrize("lie", LIES)
def test_a_compressed_batch_that_lies_is_refused_before_it_costs_memory(target, lie):
    codec, records = LIES[lie]
    broker, s = target
    with peak_memory(broker, BOMB_MEMORY_MIB):
        error = produce_error(answer_to(s, produce_request("target", batch(codec, records))))
    assert error in REFUSED | {76}  # UNSUPPORTED_COMPRESSION_TYPE


def test_what_compresses_well_and_is_not_a_bomb_is_stored_and_read(victim, group):
    """Eight records of half a mebibyte of zeros, in a few hundred bytes."""
    values = [bytes(512 * 1024)] * 8
    create_topic(victim, "zeros")
    for codec in CODECS:
        produce(victim, "zeros", values, **{"compression.type": codec, "linger.ms": 200,
                                            "message.max.bytes": 8 * MIB})  # fmt: skip
    client = consumer(victim, group)
    client.subscribe(["zeros"])
    assert [m.value() for m in consume(client, 8 * len(CODECS))] == values * len(CODECS)
    client.close()
