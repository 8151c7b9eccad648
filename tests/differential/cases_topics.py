"""Making, growing and deleting topics."""

import uuid

NOBODY = uuid.UUID("11111111-2222-3333-4444-555555555555")


def topic(name, partitions=1, replicas=1, assignments=(), **configs):
    return {
        "Name": name, "NumPartitions": partitions, "ReplicationFactor": replicas,
        "Assignments": [{"PartitionIndex": i, "BrokerIds": b} for i, b in assignments],
        "Configs": [{"Name": k.replace("_", "."), "Value": v} for k, v in configs.items()],
    }  # fmt: skip


def sort_configs(answer):
    for one in answer["Topics"]:
        if one.get("Configs"):
            one["Configs"].sort(key=lambda c: c["Name"])
    return answer


def case_create_topics(s):
    def ask(label, v, topics, **more):
        body = {"Topics": topics, "timeoutMs": 10000, **more}
        return s.call(label, "CreateTopics", v, body, keep=sort_configs)

    for v in s.versions("CreateTopics"):
        p = f"ct{v}-"
        ask("plain", v, [topic(p + "a")])
        ask("exists", v, [topic(p + "a")])
        ask("several", v, [topic(p + "b", 3), topic(p + "a"), topic(p + "c", cleanup_policy="compact")])
        ask("none", v, [])
        ask("twice", v, [topic(p + "d"), topic(p + "d"), topic(p + "e")])
        ask("defaults", v, [topic(p + "f", -1, -1)])
        ask("no partitions", v, [topic(p + "g", 0)])
        ask("negative partitions", v, [topic(p + "g", -2)])
        ask("no replicas", v, [topic(p + "g", 1, 0)])
        ask("negative replicas", v, [topic(p + "g", 1, -2)])
        ask("two replicas", v, [topic(p + "g", 1, 2)])
        ask("many replicas", v, [topic(p + "g", 3, 32767)])
        ask("too many partitions", v, [topic(p + "g", 20000)])
        ask("assigned", v, [topic(p + "h", -1, -1, [(0, [1]), (1, [1])])])
        ask("assigned and counted", v, [topic(p + "i", 1, -1, [(0, [1])])])
        ask("assigned and replicas", v, [topic(p + "i", -1, 1, [(0, [1])])])
        ask("assigned with a hole", v, [topic(p + "i", -1, -1, [(0, [1]), (2, [1])])])
        ask("assigned not from 0", v, [topic(p + "i", -1, -1, [(1, [1])])])
        ask("assigned twice", v, [topic(p + "i", -1, -1, [(0, [1]), (0, [1])])])
        ask("assigned to nobody", v, [topic(p + "i", -1, -1, [(0, [])])])
        ask("assigned to unknown", v, [topic(p + "i", -1, -1, [(0, [7])])])
        ask("assigned to twice the same", v, [topic(p + "i", -1, -1, [(0, [1, 1])])])
        ask("assigned unevenly", v, [topic(p + "i", -1, -1, [(0, [1]), (1, [1, 2])])])
        ask("assigned negative", v, [topic(p + "i", -1, -1, [(-1, [1])])])
        for bad in ("", ".", "..", "a b", "x" * 250, "x" * 249, "a/b", "ä"):
            ask(f"name {bad[:5]!r} {len(bad)}", v, [topic(bad)], validateOnly=True)
        ask("dot", v, [topic(p + "x.y_z")])
        ask("collides", v, [topic(p + "x_y.z")])
        ask("collide in request", v, [topic(p + "k.l"), topic(p + "k_l")], validateOnly=True)
        ask("internal name", v, [topic("__cluster_metadata")])
        ask("validate", v, [topic(p + "v", 2, 1, cleanup_policy="compact,delete")], validateOnly=True)
        ask("validate existing", v, [topic(p + "a")], validateOnly=True)
        ask("validate configs", v, [topic(p + "v", 1, 1, retention_ms="5")], validateOnly=True)
        ask("unknown config", v, [topic(p + "n", 1, 1, foo_bar="1")])
        ask("null config", v, [topic(p + "n", 1, 1, retention_ms=None)])
        ask("empty config name", v, [{**topic(p + "n"), "Configs": [{"Name": "", "Value": "1"}]}])
        ask("config twice", v, [{**topic(p + "o"), "Configs": [{"Name": "retention.ms", "Value": "1"}, {"Name": "retention.ms", "Value": "2"}]}])
        ask("timeout 0", v, [topic(p + "t0")], timeoutMs=0)
        s.ready(p + "a")


BAD_VALUES = [
    ("retention.ms", "x"), ("retention.ms", ""), ("retention.ms", "-2"), ("retention.ms", "-1"),
    ("retention.ms", "9223372036854775808"), ("retention.ms", " 5 "), ("retention.ms", "5.0"),
    ("retention.bytes", "-5"), ("segment.bytes", "10"), ("segment.bytes", "1048575"),
    ("segment.bytes", "1048576"), ("segment.bytes", "2147483648"), ("segment.ms", "0"),
    ("segment.jitter.ms", "-1"), ("segment.index.bytes", "3"), ("flush.messages", "0"),
    ("flush.ms", "-1"), ("max.message.bytes", "-1"), ("max.message.bytes", "0"),
    ("index.interval.bytes", "-1"), ("file.delete.delay.ms", "-1"), ("delete.retention.ms", "-1"),
    ("min.compaction.lag.ms", "-1"), ("max.compaction.lag.ms", "0"),
    ("min.cleanable.dirty.ratio", "1.1"), ("min.cleanable.dirty.ratio", "x"),
    ("min.cleanable.dirty.ratio", "0.25"), ("cleanup.policy", "foo"), ("cleanup.policy", ""),
    ("cleanup.policy", "delete,compact"), ("cleanup.policy", "delete,delete"),
    ("cleanup.policy", "DELETE"), ("cleanup.policy", "delete, compact"),
    ("unclean.leader.election.enable", "yes"), ("unclean.leader.election.enable", "TRUE"),
    ("preallocate", "x"), ("min.insync.replicas", "0"), ("min.insync.replicas", "3"),
    ("compression.type", "brotli"), ("compression.type", "GZIP"), ("compression.type", "zstd"),
    ("compression.gzip.level", "0"), ("compression.gzip.level", "10"), ("compression.gzip.level", "-1"),
    ("compression.lz4.level", "18"), ("compression.lz4.level", "0"), ("compression.zstd.level", "23"),
    ("message.timestamp.type", "foo"), ("message.timestamp.type", "createtime"),
    ("message.timestamp.before.max.ms", "-1"), ("message.timestamp.after.max.ms", "-1"),
    ("leader.replication.throttled.replicas", "foo"), ("leader.replication.throttled.replicas", "*"),
    ("leader.replication.throttled.replicas", "0:1,1:2"), ("leader.replication.throttled.replicas", "none"),
    ("follower.replication.throttled.replicas", "1"), ("remote.storage.enable", "true"),
    ("remote.storage.enable", "false"), ("local.retention.ms", "-3"), ("local.retention.ms", "5"),
    ("local.retention.bytes", "-2"), ("local.retention.bytes", "99"),
    ("remote.log.copy.disable", "true"), ("remote.log.delete.on.disable", "true"),
    ("message.format.version", "3.0"), ("message.downconversion.enable", "true"),
    ("message.timestamp.difference.max.ms", "5"), ("internal.segment.bytes", "100"),
    ("errors.deadletterqueue.group.enable", "true"),
]  # fmt: skip


def case_create_topics_values(s):
    """Every refusal comes with the text that tools print."""
    for key, value in BAD_VALUES:
        one = {**topic("values"), "Configs": [{"Name": key, "Value": value}]}
        body = {"Topics": [one], "timeoutMs": 1000, "validateOnly": True}
        s.call(f"{key}={value}", "CreateTopics", 7, body, keep=sort_configs)
    for pairs in ([("min.compaction.lag.ms", "10"), ("max.compaction.lag.ms", "5")],
                  [("retention.ms", "5"), ("local.retention.ms", "10")],
                  [("segment.bytes", "x"), ("retention.ms", "y")]):  # fmt: skip
        one = {**topic("values"), "Configs": [{"Name": k, "Value": v} for k, v in pairs]}
        body = {"Topics": [one], "timeoutMs": 1000, "validateOnly": True}
        s.call(f"{pairs}", "CreateTopics", 7, body, keep=sort_configs)


def case_create_partitions(s):
    for v in s.versions("CreatePartitions"):
        name = f"cp{v}"
        s.topic(name, 2)

        def ask(label, topics, **more):
            topics = [{"Name": n, "Count": c, "Assignments": a and [{"BrokerIds": b} for b in a]} for n, c, a in topics]
            s.call(label, "CreatePartitions", v, {"Topics": topics, "TimeoutMs": 10000, **more}, keep=by_name)

        ask("validate", [(name, 4, None)], ValidateOnly=True)
        ask("same", [(name, 2, None)])
        ask("fewer", [(name, 1, None)])
        ask("zero", [(name, 0, None)])
        ask("negative", [(name, -1, None)])
        ask("unknown", [(name + "x", 5, None)])
        ask("bad name", [("", 5, None), ("a b", 5, None)])
        ask("twice", [(name, 3, None), (name, 4, None)])
        ask("none", [])
        ask("assigned too few", [(name, 5, [[1]])])
        ask("assigned too many", [(name, 3, [[1], [1]])])
        ask("assigned empty", [(name, 3, [])])
        ask("assigned nobody", [(name, 3, [[]])])
        ask("assigned unknown", [(name, 3, [[9]])])
        ask("assigned twice", [(name, 3, [[1, 1]])])
        ask("assigned two", [(name, 3, [[1, 2]])])
        ask("three", [(name, 3, None)])
        s.ready(name, 3)
        ask("assigned", [(name, 4, [[1]]), (name + "x", 3, None)])
        s.ready(name, 4)
        s.call("now", "Metadata", 9, {"Topics": [{"Name": name}], "AllowAutoTopicCreation": False})
    s.call("internal", "CreatePartitions", 3, {"Topics": [{"Name": "__cluster_metadata", "Count": 3, "Assignments": None}], "TimeoutMs": 1000})


def by_name(answer):
    answer["Results"].sort(key=lambda r: r["Name"])
    return answer


def by_topic(answer):
    answer["Responses"].sort(key=lambda r: (r["Name"] or "", str(r.get("TopicId"))))
    return answer


def case_delete_topics(s):
    for v in s.versions("DeleteTopics"):
        ids = {n: s.topic(f"dt{v}-{n}") for n in "abcdef"}

        def ask(label, names=(), topics=()):
            if v < 6:
                body = {"TopicNames": [f"dt{v}-{n}" for n in names]}
            else:
                body = {"Topics": [{"Name": f"dt{v}-{n}"} for n in names] + list(topics)}
            s.call(label, "DeleteTopics", v, {**body, "TimeoutMs": 10000}, keep=by_topic)

        ask("one", "a")
        ask("again", "a")
        ask("unknown", ["none"])
        ask("none")
        ask("twice", "bb")
        ask("two", "cb")
        if v >= 6:
            ask("id", (), [{"TopicId": ids["d"]}])
            ask("id again", (), [{"TopicId": ids["d"]}])
            ask("unknown id", (), [{"TopicId": NOBODY}])
            ask("neither", (), [{}])
            ask("both", (), [{"Name": f"dt{v}-e", "TopicId": ids["e"]}])
            ask("id twice", (), [{"TopicId": ids["e"]}, {"TopicId": ids["e"]}])
            ask("id and name", "f", [{"TopicId": ids["f"]}])
            ask("empty name", (), [{"Name": ""}])
    s.call("bad", "DeleteTopics", 5, {"TopicNames": ["", "a b", "__cluster_metadata"], "TimeoutMs": 1000}, keep=by_topic)
