"""What a cluster says about itself, asked with frames of our own: no client's cache is in between."""

import dataclasses
import socket
import struct


class Reader:
    def __init__(self, data):
        self.data = data
        self.at = 0

    def take(self, layout):
        value = struct.unpack_from(">" + layout, self.data, self.at)
        self.at += struct.calcsize(">" + layout)
        return value[0] if len(value) == 1 else value

    def raw(self, size):
        self.at += size
        return self.data[self.at - size : self.at]

    def string(self):
        size = self.take("h")
        return None if size < 0 else self.raw(size).decode()

    def ints(self):
        return [self.take("i") for _ in range(self.take("i"))]

    def uvarint(self):
        value = shift = 0
        while True:
            byte = self.take("B")
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    def compact_string(self):
        size = self.uvarint() - 1
        return None if size < 0 else self.raw(size).decode()

    def tags(self):
        for _ in range(self.uvarint()):
            self.uvarint()
            self.raw(self.uvarint())


def receive(sock, size):
    data = b""
    while len(data) < size:
        more = sock.recv(size - len(data))
        if not more:
            raise OSError("the connection was closed")
        data += more
    return data


def ask(address, key, version, flexible, body, timeout_s=5):
    """The body of the answer to one request, over a connection of its own."""
    header = struct.pack(">hhih", key, version, 1, 7) + b"cluster" + (b"\0" if flexible else b"")
    frame = header + body
    with socket.create_connection(address, timeout=timeout_s) as sock:
        sock.sendall(struct.pack(">i", len(frame)) + frame)
        answer = Reader(receive(sock, struct.unpack(">i", receive(sock, 4))[0]))
    assert answer.take("i") == 1
    if flexible:
        answer.tags()
    return answer


@dataclasses.dataclass
class Partition:
    error: int
    leader: int
    leader_epoch: int
    replicas: list
    isr: list
    offline: list


@dataclasses.dataclass
class Metadata:
    brokers: dict  # id -> (host, port)
    cluster_id: str
    topics: dict  # name -> {index: Partition}; a topic with an error is missing


def metadata(address, topics=None, timeout_s=5):
    """Metadata v7; all topics when none is named."""
    names = [t.encode() for t in topics] if topics is not None else []
    body = struct.pack(">i", len(names) if topics is not None else -1)
    for name in names:
        body += struct.pack(">h", len(name)) + name
    answer = ask(address, 3, 7, False, body + b"\0", timeout_s)
    answer.take("i")
    brokers = {}
    for _ in range(answer.take("i")):
        node = answer.take("i")
        brokers[node] = (answer.string(), answer.take("i"))
        answer.string()
    out = Metadata(brokers, answer.string(), {})
    answer.take("i")  # with KRaft, any node that forwards to the controller
    for _ in range(answer.take("i")):
        error, name, _, partitions = answer.take("h"), answer.string(), answer.take("b"), {}
        for _ in range(answer.take("i")):
            code, index, leader, epoch = answer.take("hiii")
            partitions[index] = Partition(
                code, leader, epoch, answer.ints(), answer.ints(), answer.ints()
            )
        if error == 0:
            out.topics[name] = partitions
    return out


@dataclasses.dataclass
class Quorum:
    leader: int
    epoch: int
    high_watermark: int
    voters: dict  # id -> log end offset
    observers: dict


def describe_quorum(address, timeout_s=5):
    """DescribeQuorum v0 of __cluster_metadata-0; None when the answer is an error."""
    name = b"__cluster_metadata"
    body = b"\2" + bytes([len(name) + 1]) + name + b"\2" + struct.pack(">i", 0) + b"\0\0\0"
    answer = ask(address, 55, 0, True, body, timeout_s)
    if answer.take("h") != 0 or answer.uvarint() != 2:
        return None
    answer.compact_string()
    if answer.uvarint() != 2:
        return None
    _, error, leader, epoch, high_watermark = answer.take("ihiiq")
    if error != 0:
        return None
    ends = []
    for _ in range(2):
        replicas = {}
        for _ in range(answer.uvarint() - 1):
            node, end = answer.take("iq")
            answer.tags()
            replicas[node] = end
        ends.append(replicas)
    return Quorum(leader, epoch, high_watermark, *ends)


def coordinator(address, group, timeout_s=5):
    """FindCoordinator v2 of a group: its node, or None while there is none."""
    name = group.encode()
    answer = ask(address, 10, 2, False, struct.pack(">h", len(name)) + name + b"\0", timeout_s)
    answer.take("i")
    error = answer.take("h")
    answer.string()
    return None if error else answer.take("i")
