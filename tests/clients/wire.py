"""Requests out of the message tables, for what client libraries cannot ask; differential/codec.py."""

import base64
import socket
import struct
import sys

import harness

sys.path.insert(0, str(harness.ROOT / "tests/differential"))
import codec  # noqa: E402


def receive(connection, size):
    data = b""
    while len(data) < size:
        more = connection.recv(size - len(data))
        if not more:
            raise EOFError("the connection was closed")
        data += more
    return data


class Wire:
    """One connection; ask() returns the decoded answer as a dict."""

    def __init__(self, port, client="wire", timeout_s=30):
        self.connection = socket.create_connection(("127.0.0.1", port), timeout=timeout_s)
        self.client = client
        self.correlation = 0

    def ask(self, api, version, body=None):
        key = codec.KEYS[api]
        self.correlation += 1
        self.connection.sendall(codec.request(key, version, self.correlation, body or {}, self.client))
        size = struct.unpack(">i", receive(self.connection, 4))[0]
        correlation, value = codec.response(key, version, receive(self.connection, size))
        assert correlation == self.correlation
        return value

    def close(self):
        self.connection.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


TOPIC, BROKER, LOGGER, CLIENT_METRICS = 2, 4, 8, 16
SET, DELETE, APPEND = 0, 1, 2


def alter(port, kind, name, operation=SET, validate_only=False, **configs):
    """IncrementalAlterConfigs of one resource; the error code. Underscores are dots."""
    changes = [
        {"Name": key.replace("_", "."), "ConfigOperation": operation, "Value": value}
        for key, value in configs.items()
    ]
    body = {
        "Resources": [{"ResourceType": kind, "ResourceName": name, "Configs": changes}],
        "ValidateOnly": validate_only,
    }
    with Wire(port) as wire:
        return wire.ask("IncrementalAlterConfigs", 1, body)["Responses"][0]["ErrorCode"]


def describe(port, kind, name):
    """DescribeConfigs of one resource: name -> its entry."""
    with Wire(port) as wire:
        body = {"Resources": [{"ResourceType": kind, "ResourceName": name, "ConfigurationKeys": None}]}
        result = wire.ask("DescribeConfigs", 4, body)["Results"][0]
    assert result["ErrorCode"] == 0, result
    return {config["Name"]: config for config in result["Configs"]}


def short(id_):
    """A UUID as Kafka writes it."""
    return base64.urlsafe_b64encode(id_.bytes).decode().rstrip("=")
