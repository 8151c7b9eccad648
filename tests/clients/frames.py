"""
Request frames of every served API in every version, drawn from a seed, and their mutations.

The message descriptions in protocol/messages/ say what a frame is made of. Values are drawn so that
many frames mean something: names of things that exist, small counts, whole record batches.
"""

import random
import re
import struct
import sys

from harness import ROOT

sys.path.insert(0, str(ROOT / "protocol"))
import generate  # noqa: E402

TOPICS = ["hostile", "hostile-2", "brand-new", "__consumer_offsets", "bad/name", "", "x" * 250]
GROUPS = ["hostile-group", "other-group", "", "g" * 300]
SMALL = [0, 1, 2, -1]
EDGES = [0, 1, -1, 2, 127, 128, 32767, -32768, 2**31 - 1, -(2**31), 2**63 - 1, -(2**63)]
INTEGERS = {"int8": "b", "int16": "h", "uint16": "H", "int32": "i", "uint32": "I", "int64": "q"}

# What would cost a lot of honest work, or hold a connection for ever, is drawn from these.
CHOSEN = {
    "NumPartitions": [-1, 0, 1, 2, 3, -2, 10**9],
    "ReplicationFactor": [1, -1, 0, 3],
    "Count": [0, 1, 2, 4, 10**9],
    "Partition": SMALL,
    "PartitionIndex": SMALL,
    "PartitionIndexes": SMALL,
    "Index": SMALL,
    "BrokerIds": [1, 1, 1, 2, -1],
    "MaxWaitMs": [0, 0, 50, 2**31 - 1],
    "SessionTimeoutMs": [6000, 10000, 0, -1, 2**31 - 1],
    "RebalanceTimeoutMs": [100, 6000, -1, 2**31 - 1],
    "ConfigSource": SMALL,
    "ResourceType": [2, 4, 8, 32, 0, -1],
    "ConfigOperation": [0, 1, 2, 3, 9],
    "SessionId": [0, 0, 1, -1],
    "SessionEpoch": [-1, -1, 0, 1, 2**31 - 1],
    "Acks": [-1, 1, 0, 2],
    "KeyType": [0, 0, 1, 9],
    "LeaderEpoch": [-1, 0, 1, 2**31 - 1],
    "CurrentLeaderEpoch": [-1, 0, 1, 2**31 - 1],
    "FetchOffset": [0, 0, 1, -1, 2**63 - 1],
}


def _crc32c_table():
    table = []
    for value in range(256):
        for _ in range(8):
            value = (value >> 1) ^ (0x82F63B78 if value & 1 else 0)
        table.append(value)
    return table


_TABLE = _crc32c_table()


def crc32c(data):
    value = 0xFFFFFFFF
    for byte in data:
        value = _TABLE[(value ^ byte) & 0xFF] ^ (value >> 8)
    return value ^ 0xFFFFFFFF


def record_batch(values, producer_id=-1, producer_epoch=-1, sequence=-1):
    """An uncompressed batch of magic 2."""
    records = b""
    for delta, value in enumerate(values):
        body = b"\0\0" + varint(zigzag(delta)) + varint(1) + varint(zigzag(len(value))) + value + b"\0"
        records += varint(zigzag(len(body))) + body
    checked = struct.pack(
        ">hiqqqhii", 0, len(values) - 1, 1, 1, producer_id, producer_epoch, sequence, len(values)
    )
    checked += records
    return struct.pack(">qiibI", 0, len(checked) + 9, 0, 2, crc32c(checked)) + checked


def zigzag(value):
    return value << 1


def varint(value):
    out = b""
    while value >= 0x80:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def served_apis():
    """(key, lowest, highest version) of broker/api/api.h, as far as clients are served."""
    text = (ROOT / "broker/api/api.h").read_text()
    rows = re.findall(r"X\((\d+),\s*\w+,\s*B[CF]*,\s*(\d+),\s*(\d+)\)", text)
    assert len(rows) > 20
    return [tuple(map(int, row)) for row in rows]


def frame(body):
    return struct.pack(">i", len(body)) + body


def within(versions, version):
    return versions is not None and versions[0] <= version <= versions[1]


class Frames:
    """An endless source of frames; the same seed gives the same frames."""

    def __init__(self, seed, topic_ids=()):
        self.dice = random.Random(seed)
        apis, messages = generate.load(ROOT / "protocol/messages")
        del messages
        self.requests = {api.key: api.request for api in apis}
        self.choices = [
            (key, version)
            for key, low, high in served_apis()
            for version in range(low, high + 1)
        ]
        self.topic_ids = list(topic_ids)
        self.batches = [record_batch([b"hostile"] * n) for n in (1, 2, 5)]
        self.batches.append(record_batch([b"idempotent"], 1000, 0, 0))
        self.correlation = 0

    def next(self):
        """A frame with its length; two of three are mutated."""
        body = self.valid()
        if self.dice.random() < 0.34:
            return frame(body)
        body = self.mutated(body)
        if self.dice.random() < 0.02:
            return struct.pack(">I", self.dice.choice([0, len(body) + 9, 2**31, 2**32 - 1])) + body
        return frame(body)

    def valid(self, key=None, version=None):
        if key is None:
            key, version = self.dice.choice(self.choices)
        message = self.requests[key]
        flexible = message.flexible is not None and version >= message.flexible
        self.correlation = (self.correlation + 1) & 0x7FFFFFFF
        head = struct.pack(">hhih", key, version, self.correlation, 7) + b"hostile"
        if flexible:
            head += b"\0"
        return head + self.struct(message.root, version, flexible)

    def mutated(self, body):
        data = bytearray(body)
        dice = self.dice
        for _ in range(dice.choice([1, 1, 1, 2, 4])):
            start = 8 if dice.random() < 0.9 and len(data) > 8 else 0
            at = dice.randrange(start, len(data)) if len(data) > start else 0
            kind = dice.randrange(7)
            if kind == 0 and data:
                data[at] ^= 1 << dice.randrange(8)
            elif kind == 1 and data:
                data[at] = dice.choice([0, 1, 0x7F, 0x80, 0xFF])
            elif kind == 2:
                del data[at:]
            elif kind == 3:
                del data[at : at + dice.randrange(1, 9)]
            elif kind == 4:
                data[at:at] = dice.randbytes(dice.randrange(1, 9))
            elif kind == 5:
                edge = dice.choice([2**31 - 1, -1, -(2**31), 2**24])
                data[at : at + 4] = struct.pack(">i", edge)
            else:
                data[at:at] = data[at : at + dice.randrange(1, 64)] * dice.choice([1, 2, 50])
        return bytes(data)

    # ---- Values ----

    def struct(self, described, version, flexible):
        out = b""
        tagged = {}
        for field in described.fields:
            if not within(field.versions, version):
                continue
            if within(field.tagged, version):
                if self.dice.random() < 0.3:
                    tagged[field.tag] = self.field(field, version, flexible)
                continue
            out += self.field(field, version, flexible)
        if flexible:
            if self.dice.random() < 0.02:
                tagged[100] = self.dice.randbytes(5)
            out += varint(len(tagged))
            for tag in sorted(tagged):
                out += varint(tag) + varint(len(tagged[tag])) + tagged[tag]
        return out

    def field(self, field, version, flexible):
        compact = flexible and not field.inflexible
        null = within(field.nullable, version) and self.dice.random() < 0.25
        if field.is_array:
            if null:
                return b"\0" if compact else struct.pack(">i", -1)
            count = self.dice.choice([0, 1, 1, 1, 2, 3])
            head = varint(count + 1) if compact else struct.pack(">i", count)
            return head + b"".join(self.value(field, version, flexible) for _ in range(count))
        return self.value(field, version, flexible, null)

    def value(self, field, version, flexible, null=False):
        compact = flexible and not field.inflexible
        dice = self.dice
        if field.struct is not None:
            if within(field.nullable, version) and not field.is_array:
                return b"\xff" if null else b"\1" + self.struct(field.struct, version, flexible)
            return self.struct(field.struct, version, flexible)
        if field.type == "bool":
            return bytes([dice.randrange(2)])
        if field.type in INTEGERS:
            return self.integer(field)
        if field.type == "float64":
            return struct.pack(">d", dice.choice([0.0, -1.0, 1e300, float("nan")]))
        if field.type == "uuid":
            known = dice.choice(self.topic_ids) if self.topic_ids else bytes(16)
            return dice.choice([known, known, bytes(16), dice.randbytes(16)])
        data = None if null else self.blob(field)
        wide = field.type != "string"
        if data is None:
            return b"\0" if compact else struct.pack(">i" if wide else ">h", -1)
        if compact:
            return varint(len(data) + 1) + data
        return struct.pack(">i" if wide else ">h", len(data)) + data

    def integer(self, field):
        code = INTEGERS[field.type]
        bits = 8 * struct.calcsize(code)
        value = self.dice.choice(CHOSEN.get(field.name, EDGES))
        if field.name not in CHOSEN and self.dice.random() < 0.5:
            value = self.dice.choice([0, 1, 1000])
        value &= (1 << bits) - 1
        return value.to_bytes(bits // 8, "big")

    def blob(self, field):
        dice = self.dice
        if field.type == "records":
            batch = dice.choice(self.batches)
            return self.mutated(batch) if dice.random() < 0.4 else batch
        if field.type == "bytes":
            return dice.randbytes(dice.choice([0, 3, 100]))
        name = field.name
        if "Topic" in name or name in ("Name", "ResourceName", "Topics"):
            return dice.choice(TOPICS).encode()
        if "Group" in name or name in ("Key", "CoordinatorKeys"):
            return dice.choice(GROUPS).encode()
        if "Protocol" in name:
            return dice.choice([b"consumer", b"range", b""])
        if name in ("Value", "ConfigName", "ConfigValue"):
            return dice.choice([b"retention.ms", b"max.message.bytes", b"1000000", b"-1", b""])
        return dice.choice([b"", b"a", b"\xff\xfe", b"word" * 20])
