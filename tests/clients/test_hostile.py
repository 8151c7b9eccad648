"""Frames that lie and frames that were changed at random cost a connection, and no more."""

import os
import struct

import pytest
from confluent_kafka import TopicCollection

from frames import Frames, frame, varint
from hostile import (
    CountingAttacker,
    answer_to,
    api_versions,
    assert_memory_stayed,
    peak_memory,
    served,
    victim,  # noqa: F401
)
from test_bad_input import connect, header, rss_kib
from test_librdkafka import admin

pytestmark = pytest.mark.usefixtures("only_barnabas")

FRAMES = int(os.environ.get("HOSTILE_FRAMES", 5000))
SEED = int(os.environ.get("HOSTILE_SEED", 1))


def test_mutated_frames_of_every_api_and_version_cost_only_connections(victim):
    description = admin(victim).describe_topics(TopicCollection(["hostile"]))["hostile"].result(30)
    topic_id = description.topic_id
    known = struct.pack(
        ">QQ",
        topic_id.get_most_significant_bits() & (2**64 - 1),
        topic_id.get_least_significant_bits() & (2**64 - 1),
    )
    frames = Frames(SEED, [known])
    attackers = [CountingAttacker(victim) for _ in range(50)]
    before = sent = taken = 0
    with served(victim) as good:
        while taken < FRAMES:
            for attacker in attackers:
                if attacker.ready():
                    attacker.send([frames.next() for _ in range(3)])
                    sent += 3
            taken = sum(attacker.taken for attacker in attackers)
            if before == 0 and taken >= FRAMES // 4:
                before = rss_kib(victim)
        for attacker in attackers:
            attacker.close()
        assert api_versions(victim)
    print(f"seed={SEED} sent={sent} taken={taken} restarts=0 "
          f"connections={sum(a.connections for a in attackers)} "
          f"rss_kib={before}->{rss_kib(victim)} good_records={good.acknowledged}")  # fmt: skip
    assert_memory_stayed(victim, before, 128)


# ---- Lengths, counts, tags and versions that lie -----------------------------------------------


def flexible_header(key, version, tags=b"\0"):
    return header(key, version) + tags


METADATA_TAIL = b"\0" * 5  # no topics, three flags, no tags

LIES = {
    "a length just above the limit": struct.pack(">i", 100 * 1024 * 1024 + 1),
    "a frame of one byte": frame(b"\0"),
    "a header that ends in its client id": frame(struct.pack(">hhih", 3, 1, 7, 1000) + b"x" * 999),
    "a client id of negative length": frame(struct.pack(">hhih", 3, 1, 7, -2)),
    "an array count of 2^31-1": frame(header(3, 1) + struct.pack(">i", 2**31 - 1)),
    "an array count of -2^31": frame(header(3, 1) + struct.pack(">i", -(2**31))),
    "a compact count of 2^32-1": frame(flexible_header(3, 9) + varint(2**32 - 1)),
    "a varint that does not end": frame(flexible_header(3, 9) + b"\xff" * 20),
    "a varint beyond 32 bits": frame(flexible_header(3, 9) + b"\xff\xff\xff\xff\x7f"),
    "a string beyond the frame": frame(header(3, 1) + struct.pack(">ih", 1, 32767) + b"short"),
    "a compact string beyond the frame": frame(flexible_header(3, 9) + b"\2" + varint(2**31)),
    "a tag longer than the frame": frame(flexible_header(18, 3) + b"\1\1\1\5" + varint(2**31)),
    "more tags than bytes": frame(flexible_header(18, 3, varint(2**32 - 1))),
    "tags out of order in a header": frame(header(18, 3) + b"\2\5\0\3\0" + b"\1\1\0"),
    "the highest version": frame(header(3, 32767)),
    "the lowest version": frame(header(3, -32768)),
    "an API of the future": frame(header(32767, 0)),
    "an inner array that asks for more than the outer": frame(
        header(1, 4) + struct.pack(">iiiib", -1, 0, 0, 0, 0) + struct.pack(">ih", 1, 1) + b"t"
        + struct.pack(">i", 10**8)
    ),
}  # fmt: skip


@pytest.mark.parametrize("lie", LIES)
def test_a_frame_that_lies_is_refused_before_it_costs_memory(broker, lie):
    with connect(broker) as s, peak_memory(broker, 16):
        try:
            answer = answer_to(s, LIES[lie])
        except ConnectionError:
            answer = b""
        # An answer is fine where nothing was wrong but an order that does not matter.
        assert answer == b"" or lie.startswith("tags out of order")
    assert api_versions(broker)


def test_a_frame_that_is_cut_anywhere_is_waited_for_and_then_forgotten(victim):
    whole = frame(header(3, 1) + struct.pack(">ih", 1, 4) + b"good")
    with served(victim):
        for at in range(1, len(whole)):
            with connect(victim) as s:
                s.sendall(whole[:at])
        with connect(victim) as s:
            assert len(answer_to(s, whole)) > 0


@pytest.mark.parametrize("flexible", [False, True])
def test_bytes_behind_a_request_belong_to_nobody(broker, flexible):
    request = flexible_header(3, 9) + METADATA_TAIL if flexible else header(3, 1) + b"\0\0\0\0"
    with connect(broker) as s:
        assert len(answer_to(s, frame(request + b"\x55" * 1000))) > 4
        assert answer_to(s, frame(header(18, 0, correlation=9)))[:4] == struct.pack(">i", 9)
