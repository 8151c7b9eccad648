"""The values that generated requests give to fields: right ones, borderline ones and wrong ones."""

import struct
import uuid

import codec
from batches import batch, record

TIME = 1_700_000_000_000
NOBODY = uuid.UUID("11111111-2222-3333-4444-555555555555")
LIMITS = {"int8": 7, "int16": 15, "int32": 31, "int64": 63}
META = bytes.fromhex("0001000000010003676f74ffffffff00000000")  # a subscription to "got"


class Ref:
    """What only the broker that is asked knows: filled in by the world of the API."""

    def __init__(self, name):
        self.name = name

    def __repr__(self):
        return f"<{self.name}>"

    def __eq__(self, other):
        return isinstance(other, Ref) and other.name == self.name

    __hash__ = None


BAD_NAMES = ["", ".", "..", "a b", "ä", "x" * 249, "x" * 250, "a/b"]
TOPICS = ["gen-a", "gen-b", "gen-none", "GEN-A", "gen.a", "__consumer_offsets", "__cluster_metadata", *BAD_NAMES]
TOPIC_IDS = [Ref("id gen-a"), Ref("id gen-b"), NOBODY, uuid.UUID(int=0), uuid.UUID(int=1)]
GROUPS = [Ref("stable group"), "gen-offsets", "gen-none", "", "ä", "a b", "x" * 300]
MEMBERS = [Ref("member"), "nobody", "", "ä", "x" * 300]
INSTANCES = ["i1", "i2", "", ".", "a b", "x" * 250]
PARTITIONS = [0, 1, 2, 99, -1, 2**31 - 1, -(2**31)]
EPOCHS = [-1, 0, 1, 5, -2, 2**31 - 1, -(2**31)]
OFFSETS = [0, 1, 5, 11, 12, 13, -1, -2, 2**40, 2**63 - 1, -(2**63)]
SIZES = [0, 1, 60, 100, 1 << 20, -1, 2**31 - 1, -(2**31)]
TIMES = [-1, -2, -3, -4, -5, -6, -7, 0, TIME - 1, TIME, TIME + 1, TIME + 2000, TIME + 3000, TIME + 3001, 2**63 - 1, -(2**63)]
CONFIG_NAMES = [
    "retention.ms", "retention.bytes", "segment.bytes", "segment.ms", "segment.jitter.ms", "segment.index.bytes",
    "flush.messages", "flush.ms", "max.message.bytes", "index.interval.bytes", "file.delete.delay.ms",
    "delete.retention.ms", "min.compaction.lag.ms", "max.compaction.lag.ms", "min.cleanable.dirty.ratio",
    "cleanup.policy", "unclean.leader.election.enable", "preallocate", "min.insync.replicas", "compression.type",
    "compression.gzip.level", "compression.lz4.level", "compression.zstd.level", "message.timestamp.type",
    "message.timestamp.before.max.ms", "message.timestamp.after.max.ms", "leader.replication.throttled.replicas",
    "follower.replication.throttled.replicas", "local.retention.ms", "local.retention.bytes", "remote.log.copy.disable",
    "remote.log.delete.on.disable", "message.format.version", "foo", "", "Retention.ms", "a b", "log.retention.ms",
]  # fmt: skip
CONFIG_VALUES = [
    "1000", "0", "1", "-1", "-2", "-3", "", " ", " 7 ", "+5", "007", "1e3", "5.0", "0.5", "0x10", "1_000", "true", "TRUE", "False", "yes",
    "compact", "delete", "compact,delete", "delete,delete", "Compact", ",", "compact,", "gzip", "none", "producer", "zstd", "GZIP",
    "CreateTime", "LogAppendTime", "createtime", "0:1", "0:1,1:1", "*", "14", "1048576", "2147483647", "2147483648",
    "9223372036854775807", "9223372036854775808", "NaN", "ä", "x" * 1000,
]  # fmt: skip

# What a field that is null has when it is given.
FILLED = {"Cursor": {"TopicName": "gen-a", "PartitionIndex": 0}, "ReplicaState": {}}

RECORDS = {
    "two records": batch([b"a", b"b"]),
    "keys": batch([b"a", b"b"], keys=[b"k", None]),
    "null value": batch([None]),
    "gzip": batch([b"a" * 50] * 3, compress="gzip"),
    "append time flag": batch(attributes=8),
    "time -1": batch(time=-1),
    "time -2": batch(time=-2),
    "no bytes": b"",
    "bad crc": batch(crc=1),
    "magic 3": batch(magic=3),
    "control": batch(attributes=0x20),
    "unknown flag": batch(attributes=0x100),
    "count too small": batch([b"a", b"b"], count=1, last_delta=0),
    "count too large": batch([b"a"], count=2, last_delta=1),
    "no records": batch([], last_delta=-1),
    "base offset": batch(base=100),
    "leader epoch": batch(leader_epoch=77),
    "length short": batch(length=20),
    "length negative": batch(length=-1),
    "deltas back": batch([b"a", b"b"], deltas=[1, 0]),
    "bytes after records": batch([b"a"], records=record(0) + b"\0\0"),
    "record too short": batch([b"a"], records=b"\x02" + record(0)[1:]),
    "large": batch([b"x" * 5000]),
    "too large": batch([b"x" * 1100000]),
    "idempotent": batch(producer=4000, epoch=0, sequence=0),
    "idempotent, gap": batch(producer=4000, epoch=0, sequence=7),
    "idempotent, old epoch": batch(producer=4001, epoch=-1, sequence=0),
    "epoch without producer": batch(epoch=3, sequence=0),
    "sequence without producer": batch(sequence=3),
    "headers": batch([b"a"], records=record(0, headers=[(b"h", b"1"), (b"h", None)])),
    "header key null": batch([b"a"], records=record(0, headers=[(None, b"1")])),
}  # fmt: skip

TOPIC_FIELDS = {"Topic", "TopicName", "TopicNames"}
BY_NAME = {
    "Partition": PARTITIONS, "Partitions": PARTITIONS, "PartitionIndex": PARTITIONS, "PartitionIndexes": PARTITIONS,
    "Index": PARTITIONS, "Offset": OFFSETS, "FetchOffset": OFFSETS, "CommittedOffset": OFFSETS, "LogStartOffset": OFFSETS,
    "Timestamp": TIMES, "CurrentLeaderEpoch": EPOCHS, "LeaderEpoch": EPOCHS, "LastFetchedEpoch": EPOCHS,
    "CommittedLeaderEpoch": EPOCHS, "GenerationId": EPOCHS, "GenerationIdOrMemberEpoch": EPOCHS, "MemberEpoch": EPOCHS,
    "SessionEpoch": EPOCHS, "SessionId": [0, 1, -1, 12345, 2**30],
    "MaxWaitMs": [0, 1, 4, -1, -(2**31)], "TimeoutMs": [1000, 30000, 2**31 - 1], "timeoutMs": [1000, 30000, 2**31 - 1],
    "MinBytes": SIZES, "MaxBytes": SIZES, "PartitionMaxBytes": SIZES, "IsolationLevel": [0, 1, 2, -1, 127, -128],
    "ReplicaId": [-1, -2, -3, 0, 1, 5, 2**31 - 1, -(2**31)], "ReplicaEpoch": [-1, 0, 1, 2**63 - 1, -(2**63)],
    "HighWatermark": OFFSETS, "MaxNumOffsets": [0, 1, 2, -1, 2**31 - 1],
    "Acks": [-1, 1, 2, -2, 32767, -32768], "TopicId": TOPIC_IDS, "GroupId": GROUPS, "Groups": GROUPS, "GroupsNames": GROUPS,
    "MemberId": MEMBERS, "GroupInstanceId": INSTANCES, "ProtocolType": ["consumer", "connect", "", "ä"],
    "ProtocolName": ["range", "roundrobin", "", "ä"], "Metadata": [META, b"", b"\0", META[:5], META[:-8] + b"\0\0\3\xe8" + b"x" * 1000],
    "Assignment": [b"", b"abc", b"x" * 1000], "Reason": ["", "because", "ä", "x" * 300],
    "CommittedMetadata": ["", "m", "ä", "x" * 4096, "x" * 4097], "CommitTimestamp": [-1, 0, 1, TIME, -2, 2**63 - 1],
    "RetentionTimeMs": [-1, 0, 1, 100000000, -2, 2**63 - 1],
    "NumPartitions": [1, 2, 3, 0, -1, -2, 10001, 2**31 - 1, -(2**31)], "ReplicationFactor": [1, 2, 3, 0, -1, -2, 32767, -32768],
    "BrokerIds": [1, 2, 0, -1, 2**31 - 1], "Count": [3, 4, 2, 1, 0, -1, -(2**31)],
    "ResourceType": [2, 4, 8, 16, 32, 0, 1, 3, 64, 127, -1, -128], "ResourceTypes": [2, 4, 8, 16, 32, 0, 1, 3, 64, 127, -1, -128],
    "ResourceName": ["gen-config", "gen-none", "", "1", "2", "-1", "x", "a b", "ä", "x" * 250, "__consumer_offsets", "__cluster_metadata"],
    "ConfigurationKeys": CONFIG_NAMES, "ConfigOperation": [0, 1, 2, 3, 4, -1, 127, -128], "Value": CONFIG_VALUES,
    "KeyType": [0, 3, 4, 127, -1, -128], "Key": GROUPS, "CoordinatorKeys": GROUPS, "EndpointType": [0, 1, 2, 3, 127, -1, -128],
    "StatesFilter": ["Stable", "stable", "Empty", "Dead", "PreparingRebalance", "CompletingRebalance", "Assigning", "", "foo", "ä"],
    "TypesFilter": ["classic", "Classic", "consumer", "share", "streams", "", "foo", "unknown"],
    "ResponsePartitionLimit": [0, 1, 2, 3, 2000, 2001, -1, 2**31 - 1, -(2**31)],
    "ClientSoftwareName": ["a", "a.b-c", "A9", "", "-a", "a-", "a b", "ä", "x" * 300, "a_b"],
    "ClientSoftwareVersion": ["1", "1.2.3-x", "", "-1", "1-", "1 2", "ä", "x" * 300, "1_2"],
    "SessionTimeoutMs": [10000, 6000, 5999, 0, -1, 1800000, 1800001, 2**31 - 1, -(2**31)],
    "RebalanceTimeoutMs": [100, 1000, 0, -1, -(2**31)], "TransactionTimeoutMs": [0, 1, 60000, -1, 900001, 2**31 - 1, -(2**31)],
    "TransactionalId": ["", "tx"], "ProducerId": [-1, 0, 5, -2, 2**63 - 1, -(2**63)], "ProducerEpoch": [-1, 0, 5, -2, 32767, -32768],
    "Replicas": [1, 2, 0, -1, 2**31 - 1], "ElectionType": [0, 1, 2, -1, 127, -128], "BrokerId": [2, 7, 0, -1, 2**31 - 1, -(2**31)],
    "Feature": ["metadata.version", "eligible.leader.replicas.version", "no.such", "", "ä"],
    "MaxVersionLevel": [30, 1, 0, 31, 29, 22, 6, 2, -1, 32767, -32768], "UpgradeType": [1, 2, 3, 0, 4, 127, -1],
    "ClusterId": ["wrong", "", "ä"], "RackId": ["", "r", "ä", "x" * 300], "Cursor": [],
}  # fmt: skip

# Where Kafka gives no answer at all, or makes topics of its own: cases_*.py look at these once.
SKIPPED = {
    ("Produce", "Records", None), ("Metadata", "Topics", None),
    ("DescribeLogDirs", "Topics", None),
}  # fmt: skip


def may_be_null(api, path):
    return (api, path[-1], None) not in SKIPPED


def short(value):
    if isinstance(value, str) and len(value) > 20:
        return f"{value[:3]}*{len(value)}"
    if isinstance(value, bytes):
        return f"{len(value)} bytes"
    if isinstance(value, int):
        return {2**31 - 1: "max", -(2**31): "min", 2**63 - 1: "max", -(2**63): "min"}.get(value, str(value))
    return repr(value) if isinstance(value, str) else str(value)


def pool(api, path, field):
    name = next(p for p in reversed(path) if isinstance(p, str))
    if field.type == "records":
        return None
    if name == "Name":
        owner = [p for p in path if isinstance(p, str)][-2:-1]
        if owner == ["Configs"]:
            return CONFIG_NAMES
        if owner == ["Protocols"]:
            return ["range", "roundrobin", "", "ä"]
        return TOPICS
    if name in TOPIC_FIELDS:
        return TOPICS
    return BY_NAME.get(name)


def values(api, path, field):
    """(label, value) for a field that is no struct."""
    if field.type == "records":
        return list(RECORDS.items())
    if field.type == "bool":
        return [("false", False), ("true", True)]
    given = pool(api, path, field)
    if given is None:
        given = default_pool(field)
    out = [(short(v), v) for v in given]
    if field.type == "string" and not field.is_array:
        out.append(("32768 long", "x" * 32768))
    return out


def default_pool(field):
    if field.type in codec.INTEGERS:
        bits = struct.calcsize(codec.INTEGERS[field.type]) * 8
        return [0, 1, -1, 2 ** (bits - 1) - 1, -(2 ** (bits - 1))]
    return {"string": ["", "a", "ä", "x" * 300], "bytes": [b"", b"abc", b"x" * 1000], "uuid": [uuid.UUID(int=0), uuid.UUID(int=1), NOBODY]}[field.type]
