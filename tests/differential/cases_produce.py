"""Appending, and the sequences of producers."""

import struct
import uuid

from batches import batch, record

NOBODY = uuid.UUID("11111111-2222-3333-4444-555555555555")
NOW = 1_900_000_000_000


def ask(s, label, v, topics, acks=-1, keep=None, **more):
    """topics: [(name or id, [(partition, records)])]"""
    key = "TopicId" if v >= 13 else "Name"
    data = [
        {key: name, "PartitionData": [{"Index": i, "Records": r} for i, r in parts]}
        for name, parts in topics
    ]
    body = {"Acks": acks, "TimeoutMs": 3000, "TopicData": data, **more}
    return s.call(label, "Produce", v, body, keep=keep)


def case_produce(s):
    id_ = s.topic("prod", 2)
    other = s.topic("prod2")
    for v in s.versions("Produce"):
        t, o, none = (id_, other, NOBODY) if v >= 13 else ("prod", "prod2", "prod-none")
        ask(s, "one", v, [(t, [(0, batch())])])
        ask(s, "leader only", v, [(t, [(0, batch([b"a", b"b"]))])], acks=1)
        ask(s, "two partitions", v, [(t, [(0, batch()), (1, batch())])])
        ask(s, "two topics", v, [(t, [(0, batch())]), (o, [(0, batch())])])
        ask(s, "topic twice", v, [(t, [(0, batch())]), (t, [(1, batch())])])
        ask(s, "no partitions", v, [(t, [])])
        ask(s, "unknown topic", v, [(none, [(0, batch())])])
        ask(s, "unknown and known", v, [(none, [(0, batch())]), (t, [(0, batch())])])
        ask(s, "unknown partition", v, [(t, [(2, batch()), (0, batch())])])
        ask(s, "negative partition", v, [(t, [(-1, batch())])])
        ask(s, "no topics", v, [])
        for acks in (2, -2, 32767):
            ask(s, f"acks {acks}", v, [(t, [(0, batch())])], acks=acks)
        ask(s, "acks 2 unknown", v, [(none, [(0, batch())])], acks=2)
        ask(s, "empty", v, [(t, [(0, b"")])])
        ask(s, "two batches", v, [(t, [(0, batch() + batch())])])
        ask(s, "bad crc", v, [(t, [(0, batch(crc=1))])])
        ask(s, "bad crc and good", v, [(t, [(0, batch(crc=1)), (1, batch())])])
        for magic in (0, 1, 3, -1):
            ask(s, f"magic {magic}", v, [(t, [(0, batch(magic=magic))])])
        ask(s, "gzip", v, [(t, [(0, batch([b"x" * 50] * 3, compress="gzip"))])])
        ask(s, "gzip bad", v, [(t, [(0, batch(attributes=1))])])
        ask(s, "zstd bad", v, [(t, [(0, batch(attributes=4))])])
        ask(s, "codec 5", v, [(t, [(0, batch(attributes=5))])])
        ask(s, "codec 7", v, [(t, [(0, batch(attributes=7))])])
        flagged = ask(s, "log append flag", v, [(t, [(0, batch(attributes=8))])])
        offset = flagged["Responses"][0]["PartitionResponses"][0]["BaseOffset"]
        s.call("read back", "Fetch", 4, {"MaxBytes": 1000, "Topics": [{"Topic": "prod", "Partitions": [
            {"Partition": 0, "FetchOffset": max(offset, 0), "PartitionMaxBytes": 1}]}]})  # fmt: skip
        ask(s, "control", v, [(t, [(0, batch(attributes=0x20))])])
        ask(s, "transactional without producer", v, [(t, [(0, batch(attributes=0x10))])])
        ask(s, "delete horizon flag", v, [(t, [(0, batch(attributes=0x40))])])
        ask(s, "unknown flag", v, [(t, [(0, batch(attributes=0x100))])])
    t = "prod"
    def without_offsets(answer):  # one batch more or less moves all that follow
        for part in answer["Responses"][0]["PartitionResponses"]:
            part["BaseOffset"] = part["BaseOffset"] >= 0
        return answer

    for name, records in WRONG.items():
        ask(s, name, 9, [(t, [(0, records)])], keep=without_offsets)
        if name in GZIPPED:
            ask(s, name + " gzip", 9, [(t, [(0, GZIPPED[name])])], keep=without_offsets)


def case_produce_end(s):
    t = s.topic("prod-end", 2) and "prod-end"
    ask(s, "bad", 9, [(t, [(0, batch(crc=1))])])
    ask(s, "good", 9, [(t, [(0, batch([b"a"] * 3)), (1, batch(attributes=8))])])
    s.call("end", "ListOffsets", 7, {"ReplicaId": -1, "Topics": [{"Name": t, "Partitions": [
        {"PartitionIndex": i, "Timestamp": -1} for i in range(2)]}]})  # fmt: skip


WRONG = {
    "count too small": batch([b"a", b"b"], count=1, last_delta=0),
    "count too large": batch([b"a"], count=2, last_delta=1),
    "count not delta": batch([b"a", b"b"], last_delta=5),
    "delta not count": batch([b"a", b"b"], count=5),
    "count 0": batch([b"a"], count=0, last_delta=-1),
    "no records": batch([], last_delta=-1),
    "no records 0": batch([], last_delta=0),
    "count negative": batch([b"a"], count=-1),
    "delta negative": batch([b"a"], last_delta=-1),
    "base offset": batch(base=100),
    "base negative": batch(base=-1),
    "leader epoch": batch(leader_epoch=77),
    "leader epoch negative": batch(leader_epoch=-2),
    "length short": batch(length=20),
    "length 0": batch(length=0),
    "length negative": batch(length=-1),
    "length large": batch(length=10000),
    "cut": batch(cut=1),
    "cut in header": batch(cut=50),
    "byte too many": batch() + b"\0",
    "half a batch more": batch() + batch(cut=3),
    "deltas shifted": batch([b"a", b"b"], deltas=[1, 2]),
    "deltas equal": batch([b"a", b"b"], deltas=[0, 0]),
    "deltas back": batch([b"a", b"b"], deltas=[1, 0]),
    "bytes after records": batch([b"a"], records=record(0) + b"\0\0"),
    "record too long": batch([b"a"], records=b"\x7f" + record(0)[1:]),
    "record too short": batch([b"a"], records=b"\x02" + record(0)[1:]),
    "record garbage": batch([b"a"], records=b"\xff" * 20),
    "key length": batch([b"a"], records=b"\x0c\0\0\0\x7f\x02\0"),
    "header count": batch([b"a"], records=b"\x0e\0\0\0\x01\x02a\x7f"),
    "record attributes": batch([b"a"], records=b"\x0e\x05\0\0\x01\x02a\0"),
    "null value": batch([None]),
    "time -1": batch(time=-1),
    "time -2": batch(time=-2),
    "time 0": batch(time=0),
    "max time small": batch(max_time=5),
    "max time large": batch(max_time=NOW),
    "future": batch(time=4_000_000_000_000),
    "far future": batch(time=2**62),
    "too large": batch([b"x" * 1_100_000]),
    "sequence without producer": batch(sequence=5),
    "producer without sequence": batch(producer=4, epoch=0),
    "producer without epoch": batch(producer=4, sequence=0),
    "producer epoch -2": batch(producer=4, epoch=-2, sequence=0),
    "producer -2": batch(producer=-2, epoch=0, sequence=0),
    "old magic message": struct.pack(">qiIbbii", 0, 14, 0, 1, 0, -1, -1),
}
GZIPPED = {
    "count too small": batch([b"a", b"b"], count=1, last_delta=0, compress="gzip"),
    "count too large": batch([b"a"], count=2, last_delta=1, compress="gzip"),
    "count not delta": batch([b"a", b"b"], last_delta=5, compress="gzip"),
    "deltas shifted": batch([b"a", b"b"], deltas=[1, 2], compress="gzip"),
    "deltas equal": batch([b"a", b"b"], deltas=[0, 0], compress="gzip"),
    "bytes after records": batch([b"a"], records=record(0) + b"\0\0", compress="gzip"),
    "record garbage": batch([b"a"], records=b"\xff" * 20, compress="gzip"),
    "max time small": batch(max_time=5, compress="gzip"),
    "future": batch(time=4_000_000_000_000, compress="gzip"),
    "header count": batch([b"a"], records=b"\x0e\0\0\0\x01\x02a\x7f", compress="gzip"),
}


def case_produce_configured(s):
    s.topic("pc-append", message_timestamp_type="LogAppendTime")
    s.topic("pc-compact", cleanup_policy="compact")
    s.topic("pc-past", message_timestamp_before_max_ms="1000")
    s.topic("pc-future", message_timestamp_after_max_ms="1000")
    s.topic("pc-small", max_message_bytes="200")
    s.topic("pc-isr", min_insync_replicas="2")
    s.topic("pc-both", cleanup_policy="compact,delete")
    for v in (3, 5, 7, 8, 9, 12):
        ask(s, "log append time", v, [("pc-append", [(0, batch())])])
        ask(s, "log append time flagged", v, [("pc-append", [(0, batch(attributes=8))])])
        ask(s, "log append time future", v, [("pc-append", [(0, batch(time=NOW * 2))])])
        ask(s, "without key", v, [("pc-compact", [(0, batch([b"a", b"b"], keys=[b"k", None]))])])
        ask(s, "without keys", v, [("pc-both", [(0, batch([b"a", b"b", b"c"]))])])
        ask(s, "without key gzip", v, [("pc-compact", [(0, batch([b"a", b"b"], keys=[None, b"k"], compress="gzip"))])])
        ask(s, "with key", v, [("pc-compact", [(0, batch([b"a"], keys=[b"k"]))])])
        ask(s, "too old", v, [("pc-past", [(0, batch())])])
        ask(s, "too old, one", v, [("pc-past", [(0, batch([b"a", b"b"]))])])
        ask(s, "time -1", v, [("pc-past", [(0, batch(time=-1))])])
        ask(s, "too new", v, [("pc-future", [(0, batch(time=NOW * 2))])])
        ask(s, "too large", v, [("pc-small", [(0, batch([b"x" * 300]))])])
        ask(s, "small when compressed", v, [("pc-small", [(0, batch([b"x" * 300], compress="gzip"))])])
        ask(s, "too few replicas", v, [("pc-isr", [(0, batch())])])
        ask(s, "too few replicas, acks 1", v, [("pc-isr", [(0, batch())])], acks=1)
        ask(s, "internal", v, [("__consumer_offsets", [(0, batch())])])
        ask(s, "quorum", v, [("__cluster_metadata", [(0, batch())])])
        ask(s, "bad name", v, [("a b", [(0, batch())])])


def case_produce_no_answer(s):
    s.topic("pn")
    for v in s.versions("Produce"):
        if v >= 13:
            continue
        for label, name, records in (("good", "pn", batch()), ("unknown", "pn-none", batch()), ("bad crc", "pn", batch(crc=1))):
            body = {"Acks": 0, "TimeoutMs": 10, "TopicData": [{"Name": name, "PartitionData": [{"Index": 0, "Records": records}]}]}
            s.send("Produce", v, body, on="n")
            s.call(f"after acks 0 {label} v{v}", "Metadata", 4, {"Topics": []}, on="n")


def case_produce_idempotent(s):
    s.topic("pi", 3)
    s.topic("pi-time", message_timestamp_type="LogAppendTime")

    def one(label, epoch, sequence, count=1, partition=0, producer=1000, topic="pi", **more):
        records = batch([b"x"] * count, producer=producer, epoch=epoch, sequence=sequence, **more)
        ask(s, f"{label}: {epoch}/{sequence}+{count}", 9, [(topic, [(partition, records)])])

    one("first", 0, 0)
    one("next", 0, 1, 3)
    one("again", 0, 1, 3)
    one("part again", 0, 1, 2)
    one("part again", 0, 2, 2)
    one("gap", 0, 9)
    one("next", 0, 4)
    for i in range(5, 12):
        one("next", 0, i)
    for i in range(0, 12):
        one("duplicate", 0, i)
    one("new epoch wrong", 1, 12)
    one("new epoch", 1, 0)
    one("new epoch again", 1, 0)
    one("old epoch", 0, 12)
    one("old epoch known", 0, 11)
    one("epoch jump", 5, 0)
    one("unknown producer in the middle", 0, 77, producer=2000)
    one("then next", 0, 78, producer=2000)
    one("then gap", 0, 90, producer=2000)
    one("wrap", 0, 2147483646, 2, producer=2001)
    one("wrapped", 0, 0, producer=2001)
    one("over the wrap", 0, 2147483647, 3, producer=2002)
    one("after the wrap", 0, 2, producer=2002)
    one("over the wrap again", 0, 2147483647, 3, producer=2002)
    one("sequence -1", 0, -1, producer=2003)
    one("sequence -2", 0, -2, producer=2003)
    one("epoch max", 32767, 0, producer=2004)
    one("transactional", 0, 0, producer=2005, attributes=0x10, partition=1)
    one("log append time", 0, 0, topic="pi-time", producer=2006)
    one("log append time again", 0, 0, topic="pi-time", producer=2006)

    def still(answer):
        for topic in answer["Topics"]:
            for p in topic["Partitions"]:
                p["ActiveProducers"].sort(key=lambda x: x["ProducerId"])
        return answer

    for n in (1000, 2000, 2001, 2002, 2003, 2004, 2005, 2006):
        s.name(f"producer {n}", f"<producer {n}>")
    for label, topics in (
        ("some", [("pi", [0, 1, 2]), ("pi-time", [0])]), ("unknown", [("pi-none", [0]), ("pi", [7, -1])]),
        ("none", []), ("no partitions", [("pi", [])]), ("twice", [("pi", [1, 1])]), ("bad name", [("a b", [0]), ("", [0])]),
    ):  # fmt: skip
        topics = [{"Name": t, "PartitionIndexes": p} for t, p in topics]
        s.call(label, "DescribeProducers", 0, {"Topics": topics}, keep=still)
    for transactional in ("tx", ""):
        for v in (3, 9, 11, 12):
            ask(s, f"transactional id {transactional!r}", v, [("pi", [(2, batch(producer=3000, epoch=0, sequence=0, attributes=0x10))])], TransactionalId=transactional)
            ask(s, f"transactional id {transactional!r}, plain batch", v, [("pi", [(2, batch())])], TransactionalId=transactional)


def case_init_producer_id(s):
    while s.ask("InitProducerId", 0, {"TransactionalId": None})["ErrorCode"] == 14:
        pass
    for v in s.versions("InitProducerId"):
        def keep(answer):
            return {k: (x if k != "ProducerId" or x < 0 else "<producer>") for k, x in answer.items()}

        def one(label, **body):
            s.call(label, "InitProducerId", v, {"TransactionalId": None, "TransactionTimeoutMs": 1000, **body}, keep=keep)

        one("plain")
        one("timeout 0", TransactionTimeoutMs=0)
        one("timeout -1", TransactionTimeoutMs=-1)
        one("timeout max", TransactionTimeoutMs=2147483647)
        one("empty transactional id", TransactionalId="")
        if v >= 3:
            one("known id", ProducerId=0, ProducerEpoch=0)
            one("only id", ProducerId=5, ProducerEpoch=-1)
            one("only epoch", ProducerId=-1, ProducerEpoch=5)
            one("id -2", ProducerId=-2, ProducerEpoch=-2)
            one("last epoch", ProducerId=5, ProducerEpoch=32767)
