"""The same sequence of requests to both brokers, and then what is on their disks when they stopped."""

import disk
import session
from batches import batch
from batches import piece_lz4, piece_snappy, piece_zstd
from specs import META

TIME = 1_700_000_000_000
LONG_MS = 1_800_000
LOADING = (14, 15, 16)  # the coordinator is not ready for this group yet


def write_topics(s):
    s.topic("f-roll", 1, segment_bytes="1048576")
    for i in range(60):
        s.produce("f-roll", batch([b"%d" % i * 9000] * 3 + [b"x" * (100 * i)], time=TIME + 1000 * i))
    s.topic("f-small", 2, index_interval_bytes="300")
    for i in range(200):
        s.produce("f-small", batch([b"v%d" % i], keys=[b"k%d" % (i % 7)], time=TIME + i * 10 - (i % 5) * 100), i % 2)
    s.topic("f-codecs", 1)
    for i in range(4):
        for compress in ("gzip", piece_snappy, piece_lz4, piece_zstd, None):
            s.produce("f-codecs", batch([b"a%d" % i, b"b" * 50], keys=[None, b"k"], time=TIME + i, compress=compress))
    s.topic("f-append-time", 1, message_timestamp_type="LogAppendTime")
    for i in range(5):
        s.produce("f-append-time", batch([b"x", b"y"], time=TIME + i))
    s.topic("f-cut", 1)
    for i in range(10):
        s.produce("f-cut", batch([b"x"] * 5, time=TIME + i))
    s.ask("DeleteRecords", 2, {"Topics": [{"Name": "f-cut", "Partitions": [{"PartitionIndex": 0, "Offset": 22}]}], "TimeoutMs": 5000})


def write_producers(s):
    s.topic("f-producers", 2, segment_bytes="1048576")
    for i in range(12):
        for producer in (7000, 7001, 7002):
            records = batch([b"p" * 40_000, b"q"], producer=producer, epoch=producer % 7, sequence=2 * i, time=TIME + 100 * i)
            s.produce("f-producers", records, producer % 2)
    s.produce("f-producers", batch(producer=7001, epoch=6, sequence=0, time=TIME + 9000), 1)
    s.produce("f-producers", batch(producer=7002, epoch=3, sequence=77, time=TIME + 9000), 0)


def change_topics(s):
    s.topic("f-gone", 3)
    s.ask("DeleteTopics", 5, {"TopicNames": ["f-gone"], "TimeoutMs": 30000})
    s.until("Metadata", 12, {"Topics": [{"Name": "f-gone"}], "AllowAutoTopicCreation": False}, lambda a: a["Topics"][0]["ErrorCode"] == 3)
    s.topic("f-gone", 1)
    s.topic("f-grown", 1, retention_ms="100000000")
    s.ask("CreatePartitions", 3, {"Topics": [{"Name": "f-grown", "Count": 3, "Assignments": None}], "TimeoutMs": 30000})
    s.ready("f-grown", 3)
    for name, operation, value in (("retention.ms", 0, "5"), ("cleanup.policy", 2, "compact"), ("retention.ms", 1, None)):
        resource = {"ResourceType": 2, "ResourceName": "f-grown", "Configs": [{"Name": name, "ConfigOperation": operation, "Value": value}]}
        s.ask("IncrementalAlterConfigs", 1, {"Resources": [resource]})
        s.settle()
    resource = {"ResourceType": 2, "ResourceName": "f-grown", "Configs": [{"Name": "segment.bytes", "Value": "2000000"}]}
    s.ask("AlterConfigs", 2, {"Resources": [resource]})
    s.settle()


def commit(s, version, group, partition, offset, metadata="", generation=-1, member="", **more):
    part = {"PartitionIndex": partition, "CommittedOffset": offset, "CommittedMetadata": metadata}
    body = {"GroupId": group, "GenerationIdOrMemberEpoch": generation, "MemberId": member, "Topics": [{"Name": "f-small", "Partitions": [part]}]}
    while s.ask("OffsetCommit", version, {**body, **more})["Topics"][0]["Partitions"][0]["ErrorCode"] in LOADING:
        pass


def use_groups(s):
    s.coordinator()
    for i in range(5):
        commit(s, 8, "f-group", i % 2, 10 + i, f"m{i}")
    commit(s, 2, "f-old", 0, 3)
    commit(s, 3, "f-old", 1, 3, RetentionTimeMs=100_000_000)
    commit(s, 8, "f-gone", 0, 1)
    commit(s, 8, "f-gone", 1, 1)
    asked = [{"Name": "f-small", "Partitions": [{"PartitionIndex": 1}]}]
    s.ask("OffsetDelete", 0, {"GroupId": "f-group", "Topics": asked})
    s.ask("DeleteGroups", 2, {"GroupsNames": ["f-gone"]})
    for instance in (None, "static"):
        group = f"f-members-{instance}"
        body = {
            "GroupId": group, "SessionTimeoutMs": LONG_MS, "RebalanceTimeoutMs": 60000, "MemberId": "", "ProtocolType": "consumer",
            "GroupInstanceId": instance, "Protocols": [{"Name": "range", "Metadata": META}, {"Name": "rr", "Metadata": META}],
        }  # fmt: skip
        answer = s.ask("JoinGroup", 5, body)
        while answer["ErrorCode"] in LOADING:
            answer = s.ask("JoinGroup", 5, body)
        if answer["ErrorCode"] == 79:
            answer = s.ask("JoinGroup", 5, {**body, "MemberId": answer["MemberId"]})
        member = answer["MemberId"]
        s.name(member, f"<member of {group}>")
        s.ask("SyncGroup", 3, {"GroupId": group, "GenerationId": 1, "MemberId": member, "GroupInstanceId": instance,
                               "Assignments": [{"MemberId": member, "Assignment": b"all"}]})  # fmt: skip
        commit(s, 8, group, 0, 44, "by a member", 1, member, GroupInstanceId=instance)
        if instance is None:
            s.ask("LeaveGroup", 3, {"GroupId": group, "Members": [{"MemberId": member}]})


def plain(value):
    """Times are when they happened to be."""
    if isinstance(value, dict):
        return {k: "<time>" if k.lower().endswith("timestamp") and v > 0 else plain(v) for k, v in value.items()}
    return [plain(v) for v in value] if isinstance(value, list) else value


def note(s, what, value):
    s.log.append([f"files: {what}", s.comparable(plain(value))])


def append_times(files):
    """Of the topic with append times, only what does not say when it was written."""
    for name, content in files.items():
        if name.endswith(".log"):
            for header in content:
                header["base_time"], header["max_time"] = (header["base_time"] - TIME) < 100, "<time>"
        elif name.endswith(".timeindex"):
            files[name] = len(content) > 0  # which offset has the largest time depends on the clock
    return files


def record(broker, served):
    """What is on the disk of a stopped broker, as the one scenario of its area."""
    with broker:
        s = session.Session(broker, served)
        write_topics(s)
        write_producers(s)
        change_topics(s)
        use_groups(s)
        s.close()
        broker.stop()
        for folder in sorted(broker.data.glob("f-*")):
            if not folder.name.endswith("-delete"):
                late = folder.name.startswith("f-append-time")
                content = disk.partition(folder, exactly=not late)
                for name, one in (append_times(content) if late else content).items():
                    note(s, f"{folder.name}/{name}", one)
        for name, found in disk.consumer_offsets(broker.data).items():
            for i, one in enumerate(found):
                note(s, f"{name} record {i}", one)
        for i, one in enumerate(r for r in disk.metadata(broker.data) if is_ours(r, s)):
            note(s, f"metadata record {i}", one)
        for name in ("recovery-point-offset-checkpoint", "log-start-offset-checkpoint", "replication-offset-checkpoint"):
            note(s, name, disk.checkpoint(broker.data / name, "f-"))
        note(s, "clean shutdown", (broker.data / ".kafka_cleanshutdown").exists())
    return {"files.disk": s.log}


def is_ours(record, s):
    """Whether a metadata record is about a topic of this scenario."""
    if "topicId" in record or "TopicId" in record:
        return s.names.get(str(record.get("TopicId", record.get("topicId"))), "").startswith("<id of f-")
    return record.get("ResourceName", record.get("resourceName", "")).startswith("f-")
