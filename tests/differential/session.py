"""A scenario's view of one broker: sends requests and writes down what came back, comparably.

What has to differ between two brokers (ids, ports, folders, times) is replaced by a name that says
which one it is, so that a wrong id still shows.
"""

import base64
import contextlib
import re
import socket
import struct
import time
import uuid

import codec

ANSWER_TIMEOUT_S = 15
READY_TIMEOUT_S = 20
ARRIVE_S = 0.03
TEXT_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
SHORT_ID = 22  # characters of an id in base64
IDS = re.compile(rf"{TEXT_UUID.pattern}|(?<![\w-])[\w-]{{{SHORT_ID}}}(?![\w-])")
TIMES = {"LogAppendTimeMs", "LastTimestamp", "LastFetchTimestamp", "LastCaughtUpTimestamp"}
TEXTS = {"ErrorMessage", "BatchIndexErrorMessage", "Documentation"}
SIZES = {"TotalBytes", "UsableBytes"}

# Lists that Kafka takes out of a hash map: their order is no promise to anybody.
UNORDERED = {
    "Produce": ("Responses", "Responses.PartitionResponses"),
    "ListOffsets": ("Topics", "Topics.Partitions"),
    "DeleteRecords": ("Topics", "Topics.Partitions"),
    "DescribeGroups": ("Groups",),
    "OffsetCommit": ("Topics", "Topics.Partitions"),
    "OffsetDelete": ("Topics", "Topics.Partitions"),
    "OffsetFetch": ("Groups.Topics", "Groups.Topics.Partitions"),
    "DeleteGroups": ("Results",),
}


def sort_at(value, path):
    if isinstance(value, list):
        for one in value:
            sort_at(one, path)
    elif isinstance(value, dict) and value.get(path[0]):
        if len(path) == 1:
            value[path[0]].sort(key=str)
        else:
            sort_at(value[path[0]], path[1:])


def short(id_):
    return base64.urlsafe_b64encode(id_.bytes).decode().rstrip("=")


class Session:
    def __init__(self, broker, served, shared=None):
        self.broker = broker
        self.shared = {} if shared is None else shared  # what scenarios leave for the next ones
        self.served = served  # key -> (min, max) of what both brokers serve
        self.connections = {}
        self.correlation = 0
        self.log = []  # [label, comparable answer]
        self.names = {}  # text of an id -> its name
        self.texts = [(str(broker.data), "<data>"), (str(broker.directory), "<dir>")]
        self.texts += [(str(broker.port), "<port>")]
        self.texts += getattr(broker, "texts", [])
        if hasattr(broker, "controller_port"):
            self.texts.append((str(broker.controller_port), "<controller port>"))

    def versions(self, api):
        low, high = self.served[codec.KEYS[api]]
        return range(low, high + 1)

    def newest(self, api):
        return self.served[codec.KEYS[api]][1]

    def close(self):
        for connection in self.connections.values():
            connection.close()
        self.connections = {}

    # ---- Sending ---------------------------------------------------------------------------------

    def _connection(self, name):
        if name not in self.connections:
            self.connections[name] = socket.create_connection(
                ("127.0.0.1", self.broker.port), timeout=ANSWER_TIMEOUT_S
            )
        return self.connections[name]

    def send(self, api, version, body, on="a", client="diff"):
        self.correlation += 1
        key = codec.KEYS[api]
        if hasattr(self.broker, "placed"):  # three nodes
            body = self.broker.placed(api, version, body)
        frame = codec.request(key, version, self.correlation, body, client)
        with contextlib.suppress(ConnectionError):
            self._connection(on).sendall(frame)
        return key, version, self.correlation, on

    def receive(self, sent, timeout_s=ANSWER_TIMEOUT_S):
        """The decoded answer; "closed" or "silent" when there is none."""
        key, version, correlation, on = sent
        connection = self._connection(on)
        connection.settimeout(timeout_s)
        try:
            frame = self._read(connection, struct.unpack(">i", self._read(connection, 4))[0])
        except TimeoutError:
            connection.close()
            del self.connections[on]
            return "silent"
        except (ConnectionError, EOFError):
            connection.close()
            del self.connections[on]
            return "closed"
        if key == 18 and len(frame) >= 6 and struct.unpack(">h", frame[4:6])[0] == 35:
            version = 0
        got, value = codec.response(key, version, frame)
        assert got == correlation, (got, correlation)
        return value

    @staticmethod
    def _read(connection, size):
        data = b""
        while len(data) < size:
            more = connection.recv(size - len(data))
            if not more:
                raise EOFError
            data += more
        return data

    def ask(self, api, version, body=None, on="a", client="diff", timeout_s=ANSWER_TIMEOUT_S):
        """Sends and receives without writing it down."""
        return self.receive(self.send(api, version, body or {}, on, client), timeout_s)

    def call(self, label, api, version, body=None, on="a", client="diff", keep=None, timeout_s=15):
        """Sends, receives, writes down (after `keep(answer)` picked what counts), returns."""
        return self.note(label, self.ask(api, version, body, on, client, timeout_s), api, version, keep)

    def note(self, label, answer, api="", version=0, keep=None):
        if hasattr(self.broker, "as_one"):
            answer = self.broker.as_one(answer)
        kept = keep(answer) if keep and isinstance(answer, dict) else answer
        comparable = self.comparable(kept)
        for path in UNORDERED.get(api, ()):
            sort_at(comparable, path.split("."))
        self.log.append([f"{api} v{version}: {label}", comparable])
        return answer

    # ---- Names for what differs ------------------------------------------------------------------

    def name(self, value, name):
        if value not in (None, "", uuid.UUID(int=0)):
            self.names[str(value)] = name
            if isinstance(value, uuid.UUID):
                self.names[short(value)] = name

    def comparable(self, value, field=""):
        if isinstance(value, dict):
            return {k: self.comparable(v, k) for k, v in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.comparable(v, field) for v in value]
        if isinstance(value, uuid.UUID):
            if value.int in (0, 1):
                return f"<uuid {value.int}>"
            return self.names.get(str(value), "<uuid>")
        if isinstance(value, bytes):
            return "0x" + value.hex()
        if isinstance(value, str):
            return self._text(value, field)
        if isinstance(value, int) and not isinstance(value, bool):
            return self._number(value, field)
        return value

    def _text(self, value, field):
        if field == "ClusterId":
            return "<cluster>"
        if field in TEXTS:
            return "<text>" if value else value
        for text, name in self.texts:
            if text.isdigit():  # a port, which other numbers may have in them, or be
                value = re.sub(rf"(?<=:){text}(?!\d)", name, value)
            else:
                value = value.replace(text, name)
        if len(value) < SHORT_ID:
            return value
        for text in (value, *IDS.findall(value)):
            if text in self.names:
                value = value.replace(text, self.names[text])
        return TEXT_UUID.sub("<uuid>", value)

    def _number(self, value, field):
        if field in TIMES and value > 0:
            return "<time>"
        if field in SIZES and value > 0:
            return "<size>"
        if field == "Port":
            return dict((int(t), n) for t, n in self.texts if t.isdigit()).get(value, value)
        if field == "ProducerId" and value >= 0:
            return self.names.get(f"producer {value}", "<producer>")
        if field == "SessionId" and value > 0:
            return "<session>"
        return value

    # ---- What many scenarios need ----------------------------------------------------------------

    def topic(self, name, partitions=1, **configs):
        """Makes a topic and waits until it can be used; its id."""
        configs = [{"Name": k.replace("_", "."), "Value": v} for k, v in configs.items()]
        topic = {"Name": name, "NumPartitions": partitions, "ReplicationFactor": 1, "Configs": configs}
        answer = self.ask("CreateTopics", 7, {"Topics": [topic], "timeoutMs": 10000})
        assert answer["Topics"][0]["ErrorCode"] == 0, answer
        id_ = answer["Topics"][0]["TopicId"]
        self.name(id_, f"<id of {name}>")
        self.ready(name, partitions)
        return id_

    def ready(self, name, partitions=1):
        """Waits until every partition has a leader that knows it (Kafka answers before that)."""
        indexes = [{"PartitionIndex": i, "Timestamp": -1} for i in range(partitions)]
        body = {"ReplicaId": -1, "Topics": [{"Name": name, "Partitions": indexes}]}
        deadline = time.monotonic() + READY_TIMEOUT_S
        while time.monotonic() < deadline:
            metadata = self.ask("Metadata", 12, {"Topics": [{"Name": name}], "AllowAutoTopicCreation": False})
            if metadata["Topics"][0]["ErrorCode"] == 0:
                answer = self.ask("ListOffsets", 7, body)
                if all(p["ErrorCode"] == 0 for p in answer["Topics"][0]["Partitions"]):
                    return
                if hasattr(self.broker, "bring_home"):
                    self.broker.bring_home(name)
            time.sleep(0.005)
        raise AssertionError(f"{name} does not become ready")

    def settle(self):
        """A controller on another thread or node answers before the broker has applied a change;
        nothing tells when it has."""
        if self.broker.name != "barnabas":
            for _ in range(2):  # a mark may be applied together with the change before it
                self._mark()

    def pass_by(self):
        """Gives a request on another connection, which may wait for its answer, time to arrive: one
        loop has seen it after two turns; of Kafka's threads and of followers nothing tells."""
        for _ in range(2):
            self.ask("ApiVersions", 0)
        if self.broker.name != "barnabas":
            time.sleep(ARRIVE_S)

    def _mark(self):
        """Changes something after all other changes and waits until the broker knows it."""
        if "marks" not in self.shared:
            self.shared["marks"] = 1
            self.topic("__diff-marks")
        self.shared["marks"] += 1
        mark = str(self.shared["marks"])
        config = {"Name": "retention.bytes", "Value": mark, "ConfigOperation": 0}
        resource = {"ResourceType": 2, "ResourceName": "__diff-marks", "Configs": [config]}
        self.ask("IncrementalAlterConfigs", 1, {"Resources": [resource]})
        asked = {"ResourceType": 2, "ResourceName": "__diff-marks", "ConfigurationKeys": ["retention.bytes"]}
        self.until("DescribeConfigs", 4, {"Resources": [asked]}, lambda a: a["Results"][0]["Configs"][0]["Value"] == mark)

    def until(self, api, version, body, true_of):
        """Asks until something holds, or for a while."""
        deadline = time.monotonic() + READY_TIMEOUT_S
        while time.monotonic() < deadline and not true_of(self.ask(api, version, body)):
            time.sleep(0.001)

    def coordinator(self):
        """Waits until the topic of the groups is there."""
        deadline = time.monotonic() + READY_TIMEOUT_S
        while time.monotonic() < deadline:
            answer = self.ask("OffsetFetch", 7, {"GroupId": "diff-ready", "Topics": None})
            self.ask("FindCoordinator", 0, {"Key": "diff-ready"})
            if answer["ErrorCode"] == 0:
                return
            time.sleep(0.005)
        raise AssertionError("no coordinator")

    def produce(self, name, records, partition=0, version=9, acks=-1):
        data = [{"Index": partition, "Records": records}]
        body = {"Acks": acks, "TimeoutMs": 5000, "TopicData": [{"Name": name, "PartitionData": data}]}
        return self.ask("Produce", version, body)
