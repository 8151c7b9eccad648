"""Encodes and decodes messages by the descriptions in protocol/messages/, without the broker's code.

A message is a dict by field name. What a request leaves out has its default; a decoded response has
exactly the fields of its version. Record batches are bytes.
"""

import importlib.util
import pathlib
import struct
import uuid

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent


def _generator():
    path = ROOT / "protocol/generate.py"
    spec = importlib.util.spec_from_file_location("generate", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


_apis, MESSAGES = _generator().load(ROOT / "protocol/messages")
APIS = {api.key: api for api in _apis}
KEYS = {api.name: api.key for api in _apis}

INTEGERS = {
    "int8": "b", "int16": "h", "uint16": "H", "int32": "i", "uint32": "I", "int64": "q", "float64": "d",
}  # fmt: skip


class Malformed(Exception):
    """Bytes that are no such message."""


def within(version, versions):
    return versions is not None and versions[0] <= version <= versions[1]


def default(field):
    if field.default == "null":
        return None
    if field.default is not None:
        return field.default
    if field.is_array:
        return []
    if field.struct is not None:
        return {} if not field.is_pointer else None
    return {"bool": False, "uuid": uuid.UUID(int=0), "string": "", "bytes": b"", "records": b""}.get(
        field.type, 0
    )


def uvarint(value):
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


# ---- Encoding ------------------------------------------------------------------------------------


def encode(message, version, value):
    flexible = message.flexible is not None and version >= message.flexible
    return _encode_struct(message.root, version, flexible, value)


def _encode_struct(struct_, version, flexible, value):
    names = {field.name for field in struct_.fields}
    if set(value) - names:
        raise ValueError(f"{struct_.name} has no {set(value) - names}")
    out, tags = [], []
    for field in struct_.fields:
        if not within(version, field.versions):
            continue
        item = value.get(field.name, default(field))
        if within(version, field.tagged):
            if field.name in value:
                tags.append((field.tag, _encode_field(field, version, flexible, item)))
        else:
            out.append(_encode_field(field, version, flexible, item))
    if flexible:
        out.append(uvarint(len(tags)))
        for tag, data in sorted(tags):
            out.append(uvarint(tag) + uvarint(len(data)) + data)
    return b"".join(out)


def _encode_field(field, version, flexible, value):
    compact = flexible and not field.inflexible
    if field.is_array:
        if value is None:
            return b"\0" if compact else struct.pack(">i", -1)
        count = uvarint(len(value) + 1) if compact else struct.pack(">i", len(value))
        return count + b"".join(_encode_one(field, version, flexible, item) for item in value)
    if field.is_pointer:
        if value is None:
            return b"\xff"
        return b"\x01" + _encode_one(field, version, flexible, value)
    return _encode_one(field, version, flexible, value)


def _encode_one(field, version, flexible, value):
    compact = flexible and not field.inflexible
    if field.struct is not None:
        return _encode_struct(field.struct, version, flexible, value)
    if field.type == "bool":
        return b"\1" if value else b"\0"
    if field.type in INTEGERS:
        return struct.pack(">" + INTEGERS[field.type], value)
    if field.type == "uuid":
        return value.bytes
    if value is not None and field.type == "string":
        value = value if isinstance(value, bytes) else value.encode()
    if compact:
        return b"\0" if value is None else uvarint(len(value) + 1) + value
    form = ">h" if field.type == "string" else ">i"
    return struct.pack(form, -1) if value is None else struct.pack(form, len(value)) + value


def request(key, version, correlation, value, client="diff"):
    """The frame of a request, with its length."""
    message = APIS[key].request
    header = struct.pack(">hhi", key, version, correlation)
    header += struct.pack(">h", -1) if client is None else struct.pack(">h", len(client)) + client.encode()
    if message.flexible is not None and version >= message.flexible:
        header += b"\0"
    body = value if isinstance(value, bytes) else encode(message, version, value)
    return struct.pack(">i", len(header) + len(body)) + header + body


# ---- Decoding ------------------------------------------------------------------------------------


class Reader:
    def __init__(self, data):
        self.data = data
        self.at = 0

    def take(self, size):
        if size < 0 or self.at + size > len(self.data):
            raise Malformed(f"{size} bytes wanted at {self.at} of {len(self.data)}")
        self.at += size
        return self.data[self.at - size : self.at]

    def number(self, form):
        return struct.unpack(">" + form, self.take(struct.calcsize(form)))[0]

    def uvarint(self):
        value = shift = 0
        while True:
            byte = self.take(1)[0]
            value |= (byte & 0x7F) << shift
            shift += 7
            if not byte & 0x80:
                return value


def response(key, version, frame):
    """Decodes a response without its length: (correlation id, value)."""
    message = APIS[key].response
    flexible = message.flexible is not None and version >= message.flexible
    reader = Reader(frame)
    correlation = reader.number("i")
    if flexible and key != KEYS["ApiVersions"]:
        for _ in range(reader.uvarint()):
            reader.uvarint()
            reader.take(reader.uvarint())
    value = decode_struct(message.root, version, flexible, reader)
    if reader.at != len(frame):
        raise Malformed(f"{len(frame) - reader.at} bytes too many")
    return correlation, value


def decode_struct(struct_, version, flexible, reader):
    out, tagged = {}, {}
    for field in struct_.fields:
        if not within(version, field.versions):
            continue
        if within(version, field.tagged):
            tagged[field.tag] = field
        else:
            out[field.name] = _decode_field(field, version, flexible, reader)
    if flexible:
        last = -1
        for _ in range(reader.uvarint()):
            tag, size = reader.uvarint(), reader.uvarint()
            data = reader.take(size)
            if tag <= last:
                raise Malformed(f"tag {tag} after {last}")
            last = tag
            if tag not in tagged:
                out[f"tag {tag}"] = data
                continue
            inner = Reader(data)
            out[tagged[tag].name] = _decode_field(tagged[tag], version, flexible, inner)
            if inner.at != size:
                raise Malformed(f"tag {tag} is longer than its field")
    return out


def _decode_field(field, version, flexible, reader):
    compact = flexible and not field.inflexible
    if field.is_array:
        count = reader.uvarint() - 1 if compact else reader.number("i")
        if count < 0:
            return None
        return [_decode_one(field, version, flexible, reader) for _ in range(count)]
    if field.is_pointer and reader.number("b") < 0:
        return None
    return _decode_one(field, version, flexible, reader)


def _decode_one(field, version, flexible, reader):
    compact = flexible and not field.inflexible
    if field.struct is not None:
        return decode_struct(field.struct, version, flexible, reader)
    if field.type == "bool":
        return reader.number("b") != 0
    if field.type in INTEGERS:
        return reader.number(INTEGERS[field.type])
    if field.type == "uuid":
        return uuid.UUID(bytes=reader.take(16))
    if compact:
        size = reader.uvarint() - 1
    else:
        size = reader.number("h" if field.type == "string" else "i")
    if size < 0:
        return None
    data = reader.take(size)
    return data.decode() if field.type == "string" else data
