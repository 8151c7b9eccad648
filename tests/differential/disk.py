"""Reads what a stopped broker left on disk, in a form in which two brokers can be compared."""

import hashlib
import struct

import codec

HEADER = struct.Struct(">qiibIhiqqqhii")
METADATA_COMPARED = {"TopicRecord", "PartitionRecord", "ConfigRecord", "PartitionChangeRecord", "RemoveTopicRecord"}


class Bytes:
    """Reads the varints of records."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, size):
        self.at += size
        return self.data[self.at - size : self.at]

    def varint(self):
        value = shift = 0
        while True:
            byte = self.take(1)[0]
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return (value >> 1) ^ -(value & 1)

    def piece(self):
        size = self.varint()
        return None if size < 0 else self.take(size)


def batches(data):
    """Of a segment: (header as a dict, bytes of the records)."""
    at = 0
    while at + HEADER.size <= len(data):
        fields = HEADER.unpack_from(data, at)
        names = ("base_offset", "length", "leader_epoch", "magic", "crc", "attributes", "last_delta", "base_time", "max_time",
                 "producer", "epoch", "sequence", "count")  # fmt: skip
        header = dict(zip(names, fields))
        end = at + 12 + header["length"]
        yield header, data[at + HEADER.size : end]
        at = end
    if at != len(data):
        yield {"rest": len(data) - at}, b""


def records(header, data):
    """(offset, key, value) of an uncompressed batch."""
    reader = Bytes(data)
    for _ in range(header["count"]):
        size = reader.varint()
        end = reader.at + size
        reader.take(1)
        reader.varint()
        offset = header["base_offset"] + reader.varint()
        yield offset, reader.piece(), reader.piece()
        reader.at = end


def message_of(kind, number):
    return next(m for m in codec.MESSAGES if m.kind == kind and m.number == number)


def decode(message, version, data):
    reader = codec.Reader(data)
    flexible = message.flexible is not None and version >= message.flexible
    value = codec.decode_struct(message.root, version, flexible, reader)
    return {"type": message.name, "version": version, "left over": len(data) - reader.at, **value}


def offsets_record(key, value):
    """A record of __consumer_offsets."""
    number = struct.unpack(">h", key[:2])[0]
    out = {"key": decode(message_of("offsets-key", number), 0, key[2:])}
    if value is None:
        return {**out, "value": None}
    version = struct.unpack(">h", value[:2])[0]
    return {**out, "value": decode(message_of("offsets-value", number), version, value[2:])}


def metadata_record(value):
    reader = codec.Reader(value)
    frame, number, version = reader.uvarint(), reader.uvarint(), reader.uvarint()
    return {"frame": frame, **decode(message_of("metadata", number), version, value[reader.at :])}


def offset_index(data):
    return [list(struct.unpack_from(">ii", data, at)) for at in range(0, len(data), 8)]


def time_index(data):
    return [list(struct.unpack_from(">qi", data, at)) for at in range(0, len(data), 12)]


def snapshot(data):
    version, _, count = struct.unpack_from(">hIi", data)
    names = ("producer", "epoch", "last_sequence", "last_offset", "delta", "time", "coordinator_epoch", "transaction")
    entries = [dict(zip(names, struct.unpack_from(">qhiqiqiq", data, 10 + 46 * i))) for i in range(count)]
    return {"version": version, "entries": sorted(entries, key=lambda e: e["producer"]), "rest": len(data) - 10 - 46 * count}


READERS = {".index": offset_index, ".timeindex": time_index, ".snapshot": snapshot}


def log_file(data, exactly):
    if exactly:
        return {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    return [{k: v for k, v in header.items() if k != "crc"} for header, _ in batches(data)]


def partition(folder, exactly):
    """name -> content of every file of a partition."""
    out = {}
    for path in sorted(folder.iterdir()):
        data = path.read_bytes()
        if path.suffix == ".log":
            out[path.name] = log_file(data, exactly)
        elif path.suffix in READERS:
            out[path.name] = READERS[path.suffix](data)
        else:
            out[path.name] = data.decode(errors="replace").splitlines()
    return out


def log_records(folder):
    for path in sorted(folder.glob("*.log")):
        for header, data in batches(path.read_bytes()):
            if "rest" not in header and not header["attributes"] & 0x20:
                yield from records(header, data)


def consumer_offsets(root):
    """Partition -> its records, in order."""
    out = {}
    for folder in sorted(root.glob("__consumer_offsets-*")):
        found = [offsets_record(key, value) for _, key, value in log_records(folder)]
        if found:
            out[folder.name] = found
    return out


def metadata(root):
    """The records that say what topics and configurations there are."""
    found = [metadata_record(value) for _, _, value in log_records(root / "__cluster_metadata-0")]
    return [r for r in found if r["type"] in METADATA_COMPARED]


def checkpoint(path, prefix):
    if not path.exists():
        return []
    lines = path.read_text().splitlines()
    return lines[:1] + sorted(line for line in lines[2:] if line.startswith(prefix))
