"""The cluster, its metadata and its quorum."""

import uuid

NOBODY = uuid.UUID("11111111-2222-3333-4444-555555555555")


def by_name(answer):
    answer["Topics"].sort(key=lambda t: (t["Name"] or "", str(t.get("TopicId"))))
    return answer


def names(*given):
    return [{"Name": name} for name in given]


def case_api_versions(s):
    # Which APIs are served differs on purpose; their ranges are compared with docs/compatibility.md.
    def without_keys(answer):
        return {k: v for k, v in answer.items() if k not in ("ApiKeys", "FinalizedFeaturesEpoch")}

    for v in s.versions("ApiVersions"):
        body = {"ClientSoftwareName": "diff", "ClientSoftwareVersion": "1.0"} if v >= 3 else {}
        s.call("plain", "ApiVersions", v, body, keep=without_keys)
    s.call("too new", "ApiVersions", 5, b"\0\0\0", keep=lambda a: a)
    for name, version in [("", ""), ("-a", "1"), ("a", "1-"), ("a b", "1"), ("a", ""), ("a.b-c", "1.2-x")]:
        body = {"ClientSoftwareName": name, "ClientSoftwareVersion": version}
        s.call(f"{name!r} {version!r}", "ApiVersions", 3, body, keep=without_keys)
    s.call("no client id", "ApiVersions", 0, {}, client=None, keep=without_keys)


def case_metadata(s):
    s.topic("meta-a", 2)
    s.topic("meta-b", 1)
    a = s.ask("Metadata", 12, {"Topics": names("meta-a")})["Topics"][0]["TopicId"]
    for v in s.versions("Metadata"):
        quiet = {"AllowAutoTopicCreation": False} if v >= 4 else {}
        s.call("one", "Metadata", v, {"Topics": names("meta-a"), **quiet})
        s.call("two and twice", "Metadata", v, {"Topics": names("meta-b", "meta-a", "meta-b"), **quiet}, keep=by_name)
        s.call("none", "Metadata", v, {"Topics": [], **quiet}) if v > 0 else None
        if v >= 4:
            s.call("unknown", "Metadata", v, {"Topics": names("meta-none", "meta-a"), **quiet})
            for bad in ("", ".", "..", "a b", "x" * 250, "ä", "a/b"):
                s.call(f"bad name {bad[:5]!r}", "Metadata", v, {"Topics": names(bad), **quiet})
        if v >= 8:
            s.call("operations", "Metadata", v, {"Topics": names("meta-a", "meta-none"),
                   "IncludeTopicAuthorizedOperations": True, **quiet})  # fmt: skip
        if 8 <= v <= 10:
            s.call("cluster operations", "Metadata", v, {"Topics": [], **quiet,
                   "IncludeClusterAuthorizedOperations": True})  # fmt: skip
        if v >= 10:
            s.call("unknown id", "Metadata", v, {"Topics": [{"Name": None, "TopicId": NOBODY}], **quiet})
            s.call("known id", "Metadata", v, {"Topics": [{"Name": None, "TopicId": a}], **quiet})
            s.call("id twice", "Metadata", v, {"Topics": [{"Name": None, "TopicId": a}] * 2, **quiet})
            s.call("id and name", "Metadata", v, {"Topics": [{"Name": "meta-b", "TopicId": a}], **quiet})
            s.call("neither", "Metadata", v, {"Topics": [{"Name": None}], **quiet})
            s.call("both kinds", "Metadata", v, {"Topics": [{"Name": None, "TopicId": a}, {"Name": "meta-b"}], **quiet}, keep=by_name)


def case_metadata_of_all(s):
    """Every topic but those of features that only Kafka has."""
    def keep(answer):
        answer["Topics"] = [t for t in answer["Topics"] if not t["Name"].startswith("__")]
        return by_name(answer)

    for i in range(3):
        s.topic(f"all-{i}", i + 1)
    for v in s.versions("Metadata"):
        s.call("all", "Metadata", v, {"Topics": None if v else []}, keep=keep)
        if v >= 8:
            s.call("all, operations", "Metadata", v, {"Topics": None, "IncludeTopicAuthorizedOperations": True}, keep=keep)


def case_metadata_creates(s):
    for v in s.versions("Metadata"):
        name = f"auto-{v}"
        s.call("creates", "Metadata", v, {"Topics": names(name)})
        s.ready(name)
        s.call("created", "Metadata", v, {"Topics": names(name)}, keep=lambda a: {
            **a, "Topics": [{k: x for k, x in t.items() if k != "TopicId"} for t in a["Topics"]]})  # fmt: skip
    for bad in ("", "..", "a b", "x" * 250):
        for v in (1, 4, 9, 12):
            s.call(f"bad name {bad[:5]!r}", "Metadata", v, {"Topics": names(bad)})
    s.call("collides", "Metadata", 12, {"Topics": names("col_a.b")})
    s.ready("col_a.b")
    s.call("collides", "Metadata", 12, {"Topics": names("col_a_b")})
    s.call("collides", "Metadata", 12, {"Topics": names("col_a_b")})


def case_describe_cluster(s):
    for v in s.versions("DescribeCluster"):
        s.call("plain", "DescribeCluster", v)
        s.call("operations", "DescribeCluster", v, {"IncludeClusterAuthorizedOperations": True})
        if v >= 1:
            for kind in (0, 1, 2, 3, -1):
                s.call(f"endpoints {kind}", "DescribeCluster", v, {"EndpointType": kind})
        if v >= 2:
            s.call("fenced", "DescribeCluster", v, {"IncludeFencedBrokers": True})
            s.call("fenced controllers", "DescribeCluster", v, {"IncludeFencedBrokers": True, "EndpointType": 2})


def case_describe_quorum(s):
    moving = {"LogEndOffset", "HighWatermark", "LastFetchTimestamp", "LastCaughtUpTimestamp", "LeaderEpoch"}

    def still(value):
        if isinstance(value, dict):
            return {k: still(v) if k not in moving else (v >= 0) for k, v in value.items()}
        return [still(v) for v in value] if isinstance(value, list) else value

    def ask(label, v, topics):
        topics = [{"TopicName": t, "Partitions": [{"PartitionIndex": p} for p in ps]} for t, ps in topics]
        s.call(label, "DescribeQuorum", v, {"Topics": topics}, keep=still)

    for v in s.versions("DescribeQuorum"):
        ask("plain", v, [("__cluster_metadata", [0])])
        ask("nothing", v, [])
        ask("no partition", v, [("__cluster_metadata", [])])
        ask("another partition", v, [("__cluster_metadata", [1])])
        ask("two partitions", v, [("__cluster_metadata", [0, 1])])
        ask("another topic", v, [("foo", [0])])
        ask("two topics", v, [("__cluster_metadata", [0]), ("foo", [0])])


def case_describe_topic_partitions(s):
    for i in range(3):
        s.topic(f"dtp-{i}", i + 1)

    def ask(label, topics, limit=2000, cursor=None):
        cursor = cursor and {"TopicName": cursor[0], "PartitionIndex": cursor[1]}
        body = {"Topics": names(*topics), "ResponsePartitionLimit": limit, "Cursor": cursor}
        s.call(label, "DescribeTopicPartitions", 0, body)

    ask("some", ["dtp-0", "dtp-2"])
    ask("order", ["dtp-2", "dtp-0", "dtp-1"])
    ask("twice", ["dtp-0", "dtp-0"])
    ask("unknown", ["dtp-0", "dtp-none"])
    ask("bad name", ["a b", ""])
    for limit in (0, -1, 1, 2, 3, 4, 5, 6, 7, 100000):
        ask(f"limit {limit}", ["dtp-0", "dtp-1", "dtp-2"], limit)
        ask(f"limit {limit} unknown", ["dtp-0", "dtp-00", "dtp-1x", "dtp-2"], limit)
    for cursor in (("dtp-0", 0), ("dtp-1", 0), ("dtp-1", 1), ("dtp-1", 2), ("dtp-1", -1), ("dtp-2", 9), ("zzz", 0), ("", 0), ("dtp-01", 1)):
        ask(f"cursor {cursor}", ["dtp-0", "dtp-1", "dtp-2"], 2000, cursor)
        ask(f"cursor {cursor} limit", ["dtp-0", "dtp-1", "dtp-2"], 2, cursor)
        ask(f"cursor {cursor} unknown", ["dtp-none"], 2, cursor)


def case_find_coordinator(s):
    s.coordinator()
    for v in s.versions("FindCoordinator"):
        if v < 4:
            for kind in (0,) if v == 0 else (0, 3, -1):
                for key in ("group-x", "", "ä b"):
                    kinds = {"KeyType": kind} if v else {}
                    s.call(f"{kind} {key!r}", "FindCoordinator", v, {"Key": key, **kinds})
        else:
            for kind in (0, 3, -1):
                s.call(f"{kind}", "FindCoordinator", v, {"KeyType": kind, "CoordinatorKeys": ["g", "h"]})
            s.call("none", "FindCoordinator", v, {"KeyType": 0})
            s.call("twice", "FindCoordinator", v, {"KeyType": 0, "CoordinatorKeys": ["g", "g", ""]})
            for key in ("g", "g:x:1", "g:AAAAAAAAAAAAAAAAAAAAAQ:0", ""):
                s.call(f"share {key}", "FindCoordinator", v, {"KeyType": 2, "CoordinatorKeys": [key]})


def case_unserved(s):
    for api, version in [("Produce", 2), ("Fetch", 3), ("Fetch", 19), ("Metadata", 14), ("ControlledShutdown", 0)]:
        try:
            sent = s.send(api, version, b"\0" * 40)
        except KeyError:
            continue
        s.note("wrong version", s.receive(sent), api, version)
    s.call("garbage", "Metadata", 9, b"\x7f\xff\xff")
    s.call("bytes left over", "DescribeCluster", 0, b"\0\0rest")
    s.call("null for a string", "Heartbeat", 0, b"\xff\xff\0\0\0\0\0\0")
