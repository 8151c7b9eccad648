"""Record batches, right ones and wrong ones."""

import gzip
import struct

_TABLE = []
for _i in range(256):
    for _ in range(8):
        _i = (_i >> 1) ^ (0x82F63B78 if _i & 1 else 0)
    _TABLE.append(_i)


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = (crc >> 8) ^ _TABLE[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


def varint(value):
    value = (value << 1) ^ (value >> 63)
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def piece(data):
    return varint(-1) if data is None else varint(len(data)) + data


def record(offset_delta, time_delta=0, key=None, value=b"v", headers=()):
    body = b"\0" + varint(time_delta) + varint(offset_delta) + piece(key) + piece(value)
    body += varint(len(headers)) + b"".join(piece(k) + piece(v) for k, v in headers)
    return varint(len(body)) + body


def piece_snappy(data):
    """Snappy in the framing of Java clients, of literals only."""
    out, at = varint_unsigned(len(data)), 0
    while at < len(data):
        part = data[at : at + 60]
        out += bytes([(len(part) - 1) << 2]) + part
        at += len(part)
    return b"\x82SNAPPY\0" + struct.pack(">iii", 1, 1, len(out)) + out


def piece_lz4(data):
    """An LZ4 frame with one stored block."""
    return bytes.fromhex("04224d18604082") + struct.pack("<I", len(data) | 1 << 31) + data + b"\0" * 4


def piece_zstd(data):
    """A Zstandard frame with one raw block, for up to 255 bytes."""
    return bytes.fromhex("28b52ffd20") + bytes([len(data)]) + struct.pack("<I", len(data) << 3 | 1)[:3] + data


CODECS = {piece_snappy: 2, piece_lz4: 3, piece_zstd: 4}


def varint_unsigned(value):
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes(out) + bytes([value])


def batch(
    values=(b"v",), *, keys=None, time=1_700_000_000_000, max_time=None, attributes=0, producer=-1,
    epoch=-1, sequence=-1, base=0, last_delta=None, count=None, magic=2, crc=None, leader_epoch=-1,
    records=None, length=None, deltas=None, compress=None, cut=0,
):  # fmt: skip
    """One batch; every field can be given a wrong value. The checksum is right unless it is given."""
    if records is None:
        records = b"".join(
            record(deltas[i] if deltas else i, key=keys[i] if keys else None, value=v)
            for i, v in enumerate(values)
        )
    if compress == "gzip":
        records, attributes = gzip.compress(records, mtime=0), attributes | 1
    elif compress is not None:
        records, attributes = compress(records), attributes | CODECS[compress]
    n = len(values)
    body = struct.pack(
        ">hiqqqhii",
        attributes,
        n - 1 if last_delta is None else last_delta,
        time,
        time if max_time is None else max_time,
        producer,
        epoch,
        sequence,
        n if count is None else count,
    )
    body += records
    sum_ = crc32c(body) if crc is None else crc
    tail = struct.pack(">ibI", leader_epoch, magic, sum_) + body
    size = len(tail) if length is None else length
    out = struct.pack(">qi", base, size) + tail
    return out[: len(out) - cut]
