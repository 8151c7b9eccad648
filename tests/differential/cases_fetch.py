"""Reading: Fetch, its sessions, ListOffsets, OffsetForLeaderEpoch, DeleteRecords, DescribeLogDirs."""

import uuid

from batches import batch

NOBODY = uuid.UUID("11111111-2222-3333-4444-555555555555")
TIME = 1_700_000_000_000


def filled(s, name, partitions=1, **configs):
    id_ = s.topic(name, partitions, **configs)
    for i in range(4):
        s.produce(name, batch([b"%d-%d" % (i, j) for j in range(3)], time=TIME + 1000 * i))
    return id_


def ask(s, label, v, topics, keep=None, on="a", **more):
    """topics: [(name or id, [(partition, offset, {more})])]"""
    key = "TopicId" if v >= 13 else "Topic"
    topics = [
        {key: name, "Partitions": [{"Partition": p, "FetchOffset": o, "PartitionMaxBytes": 1 << 20, **m} for p, o, m in parts]}
        for name, parts in topics
    ]  # fmt: skip
    body = {"MaxWaitMs": 0, "MinBytes": 0, "MaxBytes": 1 << 20, "Topics": topics, **more}
    return s.call(label, "Fetch", v, body, keep=keep, on=on)


def case_fetch(s):
    id_ = filled(s, "fe", 2)
    for v in s.versions("Fetch"):
        t, none = (id_, NOBODY) if v >= 13 else ("fe", "fe-none")
        for offset in (0, 1, 5, 11, 12, 13, -1, -2, 2**40):
            ask(s, f"offset {offset}", v, [(t, [(0, offset, {})])])
        ask(s, "empty partition", v, [(t, [(1, 0, {})])])
        ask(s, "both", v, [(t, [(1, 0, {}), (0, 3, {})])])
        ask(s, "unknown partition", v, [(t, [(2, 0, {}), (0, 9, {})])])
        ask(s, "negative partition", v, [(t, [(-1, 0, {})])])
        ask(s, "unknown topic", v, [(none, [(0, 0, {})])])
        ask(s, "unknown and known", v, [(none, [(0, 0, {})]), (t, [(0, 9, {})])])
        ask(s, "partition twice", v, [(t, [(0, 9, {}), (0, 6, {})])])
        ask(s, "topic twice", v, [(t, [(0, 9, {})]), (t, [(1, 0, {})])])
        ask(s, "no topics", v, [])
        ask(s, "no partitions", v, [(t, [])])
        for size in (0, 1, 75, 76, 80, 160, -1):
            ask(s, f"partition bytes {size}", v, [(t, [(0, 0, {"PartitionMaxBytes": size})])])
        for size in (0, 1, 100, -1):
            ask(s, f"bytes {size}", v, [(t, [(0, 0, {})])], MaxBytes=size)
            ask(s, f"bytes {size} both", v, [(t, [(0, 3, {}), (1, 0, {})])], MaxBytes=size)
        ask(s, "read committed", v, [(t, [(0, 0, {})])], IsolationLevel=1)
        ask(s, "isolation 2", v, [(t, [(0, 0, {})])], IsolationLevel=2)
        ask(s, "waits", v, [(t, [(1, 0, {})])], MaxWaitMs=20, MinBytes=1)
        ask(s, "min bytes not there", v, [(t, [(0, 0, {})])], MaxWaitMs=20, MinBytes=100000)
        ask(s, "error does not wait", v, [(t, [(0, 99, {}), (1, 0, {})])], MaxWaitMs=5000, MinBytes=1)
        if v >= 9:
            for epoch in (0, 1, -1, -2, 5):
                ask(s, f"current epoch {epoch}", v, [(t, [(0, 9, {"CurrentLeaderEpoch": epoch})])])
                ask(s, f"current epoch {epoch}, no partition", v, [(t, [(3, 9, {"CurrentLeaderEpoch": epoch})])])
        if v >= 12:
            for epoch in (0, 1, -1, -2, 5):
                ask(s, f"last epoch {epoch}", v, [(t, [(0, 9, {"LastFetchedEpoch": epoch})])])
                ask(s, f"last epoch {epoch} too far", v, [(t, [(0, 90, {"LastFetchedEpoch": epoch})])])
            ask(s, "cluster id", v, [(t, [(0, 9, {})])], ClusterId="wrong")
        if v >= 11:
            ask(s, "rack", v, [(t, [(0, 9, {})])], RackId="r")
        replica = {"ReplicaId": 5} if v < 15 else {"ReplicaState": {"ReplicaId": 5, "ReplicaEpoch": -1}}
        ask(s, "replica", v, [(t, [(0, 9, {})])], **replica)
        replica = {"ReplicaId": -2} if v < 15 else {"ReplicaState": {"ReplicaId": -2, "ReplicaEpoch": -1}}
        ask(s, "debugging replica", v, [(t, [(0, 9, {})])], **replica)
    for name in ("__cluster_metadata", "a b", ""):
        ask(s, f"topic {name!r}", 12, [(name, [(0, 0, {})])])
    ask(s, "topic of zeros", 13, [(uuid.UUID(int=0), [(0, 0, {})])])
    ask(s, "topic of the quorum", 13, [(uuid.UUID(int=1), [(0, 0, {})])])


def case_fetch_sessions(s):
    id_ = filled(s, "fs", 3)
    other = filled(s, "fs2")
    for v in s.versions("Fetch"):
        if v < 7:
            continue
        t, o, none = (id_, other, NOBODY) if v >= 13 else ("fs", "fs2", "fs-none")
        key = "TopicId" if v >= 13 else "Topic"
        opened = ask(s, "open", v, [(t, [(0, 9, {}), (1, 0, {})])], SessionEpoch=0)
        sid = opened["SessionId"]
        ask(s, "nothing new", v, [], SessionId=sid, SessionEpoch=1)
        ask(s, "another", v, [(t, [(2, 0, {})]), (o, [(0, 9, {})])], SessionId=sid, SessionEpoch=2)
        ask(s, "moves", v, [(t, [(0, 12, {})])], SessionId=sid, SessionEpoch=3)
        ask(s, "nothing new", v, [], SessionId=sid, SessionEpoch=4)
        ask(s, "forget", v, [], SessionId=sid, SessionEpoch=5, ForgottenTopicsData=[{key: o, "Partitions": [0]}])
        ask(s, "nothing new", v, [], SessionId=sid, SessionEpoch=6)
        ask(s, "error stays", v, [(t, [(0, 99, {})])], SessionId=sid, SessionEpoch=7)
        ask(s, "error again", v, [], SessionId=sid, SessionEpoch=8)
        ask(s, "unknown topic", v, [(none, [(0, 0, {})])], SessionId=sid, SessionEpoch=9)
        ask(s, "unknown topic again", v, [], SessionId=sid, SessionEpoch=10)
        ask(s, "wrong epoch", v, [], SessionId=sid, SessionEpoch=77)
        ask(s, "still good", v, [], SessionId=sid, SessionEpoch=11)
        ask(s, "old epoch", v, [], SessionId=sid, SessionEpoch=11)
        ask(s, "unknown session", v, [], SessionId=sid ^ 0x55, SessionEpoch=1)
        ask(s, "no session with epoch", v, [(t, [(0, 9, {})])], SessionId=0, SessionEpoch=5)
        ask(s, "close", v, [(t, [(0, 9, {})])], SessionId=sid, SessionEpoch=-1)
        ask(s, "closed", v, [], SessionId=sid, SessionEpoch=12)
        ask(s, "close unknown", v, [(t, [(0, 9, {})])], SessionId=12345, SessionEpoch=-1)
        ask(s, "open with unknown id", v, [(t, [(0, 9, {})])], SessionId=12345, SessionEpoch=0)
        ask(s, "open empty", v, [], SessionEpoch=0)
        opened = ask(s, "open with unknown topic", v, [(none, [(0, 0, {})]), (t, [(0, 9, {})])], SessionEpoch=0)
        if opened.get("SessionId"):
            ask(s, "unknown stays", v, [], SessionId=opened["SessionId"], SessionEpoch=1)
        opened = ask(s, "open", v, [(t, [(1, 0, {})])], SessionEpoch=0)
        s.produce("fs", batch(), partition=1)
        ask(s, "new data", v, [], SessionId=opened["SessionId"], SessionEpoch=1)
        ask(s, "same data", v, [], SessionId=opened["SessionId"], SessionEpoch=2)
        s.ask("DeleteRecords", 2, {"Topics": [{"Name": "fs", "Partitions": [{"PartitionIndex": 1, "Offset": -1}]}], "TimeoutMs": 3000})


def case_list_offsets(s):
    filled(s, "lo", 2)
    filled(s, "lo-append", message_timestamp_type="CreateTime")
    for v in s.versions("ListOffsets"):
        def one(label, topics, **more):
            topics = [{"Name": t, "Partitions": [{"PartitionIndex": p, "Timestamp": x, **m} for p, x, m in ps]} for t, ps in topics]
            s.call(label, "ListOffsets", v, {"ReplicaId": -1, "Topics": topics, **more})

        for time in (-1, -2, -3, -4, -5, -6, -7, 0, TIME - 1, TIME, TIME + 1, TIME + 1000, TIME + 2999, TIME + 3000, TIME + 3001, 2**62):
            one(f"time {time}", [("lo", [(0, time, {})])])
            one(f"empty time {time}", [("lo", [(1, time, {})])])
        one("both", [("lo", [(0, -1, {}), (1, -1, {})])])
        one("twice", [("lo", [(0, -1, {}), (0, -2, {})])])
        one("unknown partition", [("lo", [(2, -1, {}), (-1, -1, {}), (0, -1, {})])])
        one("unknown topic", [("lo-none", [(0, -1, {})])])
        one("bad topic", [("a b", [(0, -1, {})]), ("", [(0, -1, {})])])
        one("none", [])
        one("no partitions", [("lo", [])])
        for replica in (-2, 0, 1, 5):
            one(f"replica {replica}", [("lo", [(0, -1, {})])], ReplicaId=replica)
            one(f"replica {replica} time", [("lo", [(0, TIME, {})])], ReplicaId=replica)
        if v >= 2:
            one("read committed", [("lo", [(0, -1, {}), (1, -3, {})])], IsolationLevel=1)
            one("isolation 2", [("lo", [(0, -1, {})])], IsolationLevel=2)
        if v >= 4:
            for epoch in (0, 1, -1, -2):
                one(f"epoch {epoch}", [("lo", [(0, -1, {"CurrentLeaderEpoch": epoch}), (1, TIME, {"CurrentLeaderEpoch": epoch})])])


def case_offset_for_leader_epoch(s):
    filled(s, "ol", 2)
    for v in s.versions("OffsetForLeaderEpoch"):
        def one(label, topics, **more):
            topics = [{"Topic": t, "Partitions": [{"Partition": p, "CurrentLeaderEpoch": c, "LeaderEpoch": e} for p, c, e in ps]} for t, ps in topics]
            s.call(label, "OffsetForLeaderEpoch", v, {"Topics": topics, **more})

        for current in (-1, 0, 1, -2):
            for epoch in (-1, 0, 1, 5, -2):
                one(f"{current} {epoch}", [("ol", [(0, current, epoch), (1, current, epoch)])])
        one("unknown", [("ol", [(7, -1, 0), (-1, -1, 0)]), ("ol-none", [(0, -1, 0)]), ("a b", [(0, 0, 0)])])
        one("none", [])
        if v >= 3:
            for replica in (-1, -2, 0, 1, 7):
                one(f"replica {replica}", [("ol", [(0, -1, 0)])], ReplicaId=replica)


def case_delete_records(s):
    for v in s.versions("DeleteRecords"):
        filled(s, f"dr{v}", 2)
        s.topic(f"dr{v}c", cleanup_policy="compact")

        def one(label, topics, **more):
            topics = [{"Name": t, "Partitions": [{"PartitionIndex": p, "Offset": o} for p, o in ps]} for t, ps in topics]
            s.call(label, "DeleteRecords", v, {"Topics": topics, "TimeoutMs": 3000, **more})

        for offset in (0, 2, 1, 2, 13, -2, -9, 4, 12, -1, 12, 11, 2**40):
            one(f"to {offset}", [(f"dr{v}", [(0, offset)])])
            s.call(f"after {offset}", "ListOffsets", 7, {"ReplicaId": -1, "Topics": [{"Name": f"dr{v}", "Partitions": [{"PartitionIndex": 0, "Timestamp": -2}]}]})
        for fetched in (0, 4, 11, 12):
            ask(s, f"fetch {fetched}", 11, [(f"dr{v}", [(0, fetched, {})])])
        one("empty", [(f"dr{v}", [(1, -1)])])
        one("empty 0", [(f"dr{v}", [(1, 0)])])
        one("empty 1", [(f"dr{v}", [(1, 1)])])
        one("compact", [(f"dr{v}c", [(0, 0)])])
        one("unknown", [(f"dr{v}", [(9, 0), (-1, 0)]), ("dr-none", [(0, 0)]), ("a b", [(0, 0)])])
        one("twice", [(f"dr{v}", [(1, 0), (1, -1)])])
        one("none", [])
        one("no partitions", [(f"dr{v}", [])])
        one("internal", [("__consumer_offsets", [(0, 0)]), ("__cluster_metadata", [(0, 0)])])
        one("timeout 0", [(f"dr{v}", [(0, 12)])], TimeoutMs=0)


def case_describe_log_dirs(s):
    filled(s, "ld", 2)

    def keep(answer):
        for result in answer["Results"]:
            result["Topics"].sort(key=lambda t: t["Name"])
            for topic in result["Topics"]:
                topic["Partitions"].sort(key=lambda p: p["PartitionIndex"])
        return answer

    for v in s.versions("DescribeLogDirs"):
        def one(label, topics):
            topics = topics and [{"Topic": t, "Partitions": p} for t, p in topics]
            s.call(label, "DescribeLogDirs", v, {"Topics": topics}, keep=keep)

        one("some", [("ld", [0, 1])])
        one("one", [("ld", [1])])
        one("no partitions", [("ld", [])])
        one("unknown", [("ld", [7]), ("ld-none", [0])])
        one("twice", [("ld", [0, 0]), ("ld", [0])])
        s.call("none", "DescribeLogDirs", v, {"Topics": []}, keep=keep)


def case_moved_start(s):
    """What is said of a log whose start moved, and of one with append times."""
    filled(s, "ms")
    filled(s, "ms-append", message_timestamp_type="LogAppendTime")
    s.ask("DeleteRecords", 2, {"Topics": [{"Name": "ms", "Partitions": [{"PartitionIndex": 0, "Offset": 7}]}], "TimeoutMs": 3000})
    for time in (-1, -2, -3, -4, -5, -6, 0, TIME, TIME + 1000, TIME + 2000, TIME + 3000, TIME + 3001):
        for name in ("ms", "ms-append") if time != -3 else ("ms",):  # equal append times are chance
            def keep(answer):
                for part in answer["Topics"][0]["Partitions"]:
                    if name == "ms-append" and part["Timestamp"] > 0:
                        part["Timestamp"] = "now"
                return answer

            body = {"ReplicaId": -1, "Topics": [{"Name": name, "Partitions": [{"PartitionIndex": 0, "Timestamp": time}]}]}
            s.call(f"{name} {time}", "ListOffsets", 11, body, keep=keep)
    for v in (4, 11, 12):
        for offset in (0, 6, 7, 8, 11, 12, 13):
            ask(s, f"{offset}", v, [("ms", [(0, offset, {})])])
    for epoch in (-1, 0, 1):
        body = {"Topics": [{"Topic": "ms", "Partitions": [{"Partition": 0, "CurrentLeaderEpoch": -1, "LeaderEpoch": epoch}]}]}
        s.call(f"epoch {epoch}", "OffsetForLeaderEpoch", 4, body)
    s.produce("ms", batch(time=TIME + 9000))
    for offset in (7, 12):
        ask(s, f"more {offset}", 11, [("ms", [(0, offset, {})])])
