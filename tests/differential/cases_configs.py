"""Reading and changing configurations."""

TOPIC, BROKER, LOGGER, METRICS, GROUP = 2, 4, 8, 16, 32


def sort_configs(answer):
    for result in answer["Results"]:
        result["Configs"].sort(key=lambda c: c["Name"])
    answer["Results"].sort(key=lambda r: (r["ResourceType"], r["ResourceName"]))
    return answer


def sort_responses(answer):
    answer["Responses"].sort(key=lambda r: (r["ResourceType"], r["ResourceName"]))
    return answer


def describe(s, label, v, resources, **more):
    resources = [{"ResourceType": t, "ResourceName": n, "ConfigurationKeys": k} for t, n, k in resources]
    s.call(label, "DescribeConfigs", v, {"Resources": resources, **more}, keep=sort_configs)


def case_describe_configs(s):
    s.topic("dc", 1, retention_ms="777", cleanup_policy="compact")
    for v in s.versions("DescribeConfigs"):
        full = {"IncludeSynonyms": True} if v >= 1 else {}
        describe(s, "topic", v, [(TOPIC, "dc", None)])
        describe(s, "topic with synonyms", v, [(TOPIC, "dc", None)], **full)
        describe(s, "some keys", v, [(TOPIC, "dc", ["retention.ms", "foo", "cleanup.policy", "retention.ms"])], **full)
        describe(s, "no keys", v, [(TOPIC, "dc", [])], **full)
        describe(s, "broker", v, [(BROKER, "1", None)], **full)
        describe(s, "broker some keys", v, [(BROKER, "1", ["num.network.threads", "log.retention.ms", "foo"])], **full)
        describe(s, "default broker", v, [(BROKER, "", None)], **full)
        describe(s, "other broker", v, [(BROKER, "2", None)], **full)
        describe(s, "bad broker", v, [(BROKER, "x", None)], **full)
        describe(s, "unknown topic", v, [(TOPIC, "dc-none", None)], **full)
        describe(s, "bad topic", v, [(TOPIC, "a b", None)], **full)
        describe(s, "empty topic", v, [(TOPIC, "", None)], **full)
        describe(s, "type 0", v, [(0, "x", None)], **full)
        describe(s, "type 3", v, [(3, "x", None)], **full)
        describe(s, "type 99", v, [(99, "x", None)], **full)
        describe(s, "logger of other broker", v, [(LOGGER, "2", None)], **full)
        describe(s, "logger of bad broker", v, [(LOGGER, "x", None)], **full)
        describe(s, "group", v, [(GROUP, "g", None)], **full)
        describe(s, "empty group", v, [(GROUP, "", None)], **full)
        describe(s, "metrics", v, [(METRICS, "m", None)], **full)
        describe(s, "empty metrics", v, [(METRICS, "", None)], **full)
        describe(s, "several", v, [(TOPIC, "dc", ["retention.ms"]), (BROKER, "1", ["node.id"]), (TOPIC, "no", None)], **full)
        describe(s, "twice", v, [(TOPIC, "dc", ["retention.ms"])] * 2, **full)
        describe(s, "none", v, [], **full)


def change(s, label, v, resources, **more):
    """IncrementalAlterConfigs: (type, name, [(key, operation, value)])."""
    resources = [
        {"ResourceType": t, "ResourceName": n,
         "Configs": [{"Name": k, "ConfigOperation": o, "Value": x} for k, o, x in c]}
        for t, n, c in resources
    ]  # fmt: skip
    s.call(label, "IncrementalAlterConfigs", v, {"Resources": resources, **more}, keep=sort_responses)
    s.settle()


SET, DELETE, APPEND, SUBTRACT = range(4)


def case_incremental_alter_topic(s):
    for v in s.versions("IncrementalAlterConfigs"):
        name = f"ia{v}"
        s.topic(name)

        def one(label, *configs, **more):
            change(s, label, v, [(TOPIC, name, configs)], **more)
            describe(s, f"after {label}", 4, [(TOPIC, name, ["retention.ms", "cleanup.policy", "segment.bytes", "leader.replication.throttled.replicas"])], IncludeSynonyms=True)

        one("set", ("retention.ms", SET, "1000"))
        one("validate", ("retention.ms", SET, "2000"), ValidateOnly=True)
        one("append", ("cleanup.policy", APPEND, "compact"))
        one("append again", ("cleanup.policy", APPEND, "compact"))
        one("subtract", ("cleanup.policy", SUBTRACT, "delete"))
        one("subtract absent", ("cleanup.policy", SUBTRACT, "delete"))
        one("subtract to nothing", ("cleanup.policy", SUBTRACT, "compact"))
        one("append to scalar", ("retention.ms", APPEND, "5"))
        one("subtract from scalar", ("retention.ms", SUBTRACT, "5"))
        one("append list", ("leader.replication.throttled.replicas", APPEND, "0:1,1:1"))
        one("append more", ("leader.replication.throttled.replicas", APPEND, "2:1"))
        one("subtract one", ("leader.replication.throttled.replicas", SUBTRACT, "1:1"))
        one("delete", ("retention.ms", DELETE, None))
        one("delete with value", ("retention.ms", DELETE, "5"))
        one("delete unset", ("segment.bytes", DELETE, None))
        one("delete unknown", ("foo", DELETE, None))
        one("set null", ("retention.ms", SET, None))
        one("append null", ("cleanup.policy", APPEND, None))
        one("set empty", ("cleanup.policy", SET, ""))
        one("unknown key", ("foo", SET, "1"))
        one("empty key", ("", SET, "1"))
        one("bad value", ("retention.ms", SET, "x"))
        one("one bad", ("segment.bytes", SET, "2000000"), ("retention.ms", SET, "x"))
        one("key twice", ("retention.ms", SET, "1"), ("retention.ms", SET, "2"))
        one("operation 4", ("retention.ms", 4, "1"))
        one("operation -1", ("retention.ms", -1, "1"))
        one("nothing")
        change(s, "none", v, [])
        change(s, "unknown topic", v, [(TOPIC, name + "x", [("retention.ms", SET, "1")])])
        change(s, "bad topic", v, [(TOPIC, "a b", [("retention.ms", SET, "1")])])
        change(s, "empty topic", v, [(TOPIC, "", [("retention.ms", SET, "1")])])
        change(s, "twice", v, [(TOPIC, name, [("retention.ms", SET, "1")])] * 2)
        change(s, "type 0", v, [(0, "x", [("retention.ms", SET, "1")])])
        change(s, "type 99", v, [(99, "x", [("retention.ms", SET, "1")])])
        change(s, "several", v, [(TOPIC, name, [("retention.ms", SET, "7")]), (TOPIC, "none", [("retention.ms", SET, "1")])])
        describe(s, "at last", 4, [(TOPIC, name, None)], IncludeSynonyms=True)


BROKER_SETS = [
    ("log.retention.ms", "5000"), ("log.retention.ms", "x"), ("log.cleaner.threads", "2"),
    ("num.io.threads", "3"), ("num.io.threads", "100"), ("num.io.threads", "0"), ("num.network.threads", "4"),
    ("node.id", "5"), ("broker.id", "5"), ("log.dirs", "/x"), ("listeners", "PLAINTEXT://:1"),
    ("advertised.listeners", "PLAINTEXT://x:1"), ("foo", "1"), ("max.connections", "50"),
    ("max.connections.per.ip", "9"), ("min.insync.replicas", "1"), ("min.insync.replicas", "0"),
    ("message.max.bytes", "2000000"), ("log.segment.bytes", "2000000"), ("log.segment.bytes", "5"),
    ("log.roll.ms", "1000000"), ("log.roll.hours", "4"), ("log.retention.hours", "9"), ("log.cleanup.policy", "compact"),
    ("log.cleanup.policy", "compact,delete"), ("compression.type", "lz4"), ("compression.type", "foo"), ("unclean.leader.election.enable", "true"),
    ("background.threads", "5"), ("num.replica.fetchers", "2"), ("num.recovery.threads.per.data.dir", "2"),
    ("auto.create.topics.enable", "false"), ("num.partitions", "3"), ("default.replication.factor", "1"),
    ("log.message.timestamp.type", "LogAppendTime"), ("log.flush.interval.messages", "5"),
    ("leader.replication.throttled.rate", "100"), ("follower.replication.throttled.rate", "100"),
    ("replica.alter.log.dirs.io.max.bytes.per.second", "100"), ("metric.reporters", "x"),
    ("ssl.keystore.location", "/x"), ("listener.name.plaintext.ssl.keystore.location", "/x"),
    ("listener.name.plaintext.max.connections", "5"), ("principal.builder.class", "x"),
    ("log.index.interval.bytes", "100"), ("transaction.partition.verification.enable", "false"),
    ("producer.id.expiration.ms", "86400000"), ("remote.log.manager.copier.thread.pool.size", "3"),
    ("group.consumer.session.timeout.ms", "50000"), ("offsets.retention.minutes", "5"),
    ("max.connection.creation.rate", "5"), ("log.local.retention.ms", "-2"), ("retention.ms", "7"),
    ("connection.max.idle.ms", "7"), ("cordoned.log.dirs", ""),
]  # fmt: skip


def case_incremental_alter_broker(s):
    for target in ("1", ""):
        for key, value in BROKER_SETS:
            label = f"{target or 'default'} {key}={value}"
            change(s, label, 1, [(BROKER, target, [(key, SET, value)])])
            describe(s, label, 4, [(BROKER, target, [key])], IncludeSynonyms=True)
            describe(s, label + " of 1", 4, [(BROKER, "1", [key])], IncludeSynonyms=True)
            change(s, f"delete {label}", 1, [(BROKER, target, [(key, DELETE, None)])])
    change(s, "append", 1, [(BROKER, "1", [("log.cleanup.policy", APPEND, "compact")])])
    describe(s, "appended", 4, [(BROKER, "1", ["log.cleanup.policy"])], IncludeSynonyms=True)
    change(s, "delete", 1, [(BROKER, "1", [("log.cleanup.policy", DELETE, None)])])
    change(s, "other broker", 1, [(BROKER, "2", [("log.retention.ms", SET, "1")])])
    change(s, "bad broker", 1, [(BROKER, "x", [("log.retention.ms", SET, "1")])])
    change(s, "validate", 1, [(BROKER, "1", [("log.retention.ms", SET, "1")])], ValidateOnly=True)
    change(s, "group", 1, [(GROUP, "g1", [("consumer.session.timeout.ms", SET, "50000")])])
    change(s, "group bad", 1, [(GROUP, "g1", [("consumer.session.timeout.ms", SET, "1")])])
    change(s, "group unknown", 1, [(GROUP, "g1", [("foo", SET, "1")])])
    change(s, "empty group", 1, [(GROUP, "", [("consumer.session.timeout.ms", SET, "50000")])])
    describe(s, "group", 4, [(GROUP, "g1", None)], IncludeSynonyms=True)
    change(s, "metrics", 1, [(METRICS, "m1", [("interval.ms", SET, "1000"), ("metrics", SET, "a.b"), ("match", SET, "client_id=x")])])
    change(s, "metrics bad", 1, [(METRICS, "m1", [("interval.ms", SET, "1")])])
    change(s, "metrics bad match", 1, [(METRICS, "m1", [("match", SET, "foo=x")])])
    change(s, "metrics unknown", 1, [(METRICS, "m1", [("foo", SET, "1")])])
    change(s, "empty metrics", 1, [(METRICS, "", [("interval.ms", SET, "1000")])])
    describe(s, "metrics", 4, [(METRICS, "m1", None)], IncludeSynonyms=True)
    change(s, "logger of other broker", 1, [(LOGGER, "2", [("a", SET, "INFO")])])
    change(s, "logger bad level", 1, [(LOGGER, "1", [("kafka.x", SET, "LOUD")])])
    change(s, "retention", 1, [(BROKER, "1", [("log.retention.ms", SET, "4000")]), (BROKER, "", [("log.retention.ms", SET, "6000")])])
    s.topic("ia-synonyms")
    describe(s, "synonyms", 4, [(TOPIC, "ia-synonyms", ["retention.ms"])], IncludeSynonyms=True)
    list_all(s, "with all")
    change(s, "undo", 1, [(BROKER, "1", [("log.retention.ms", DELETE, None)]), (BROKER, "", [("log.retention.ms", DELETE, None)])])
    change(s, "undo", 1, [(GROUP, "g1", [("consumer.session.timeout.ms", DELETE, None)])])
    change(s, "undo", 1, [(METRICS, "m1", [(k, DELETE, None) for k in ("interval.ms", "metrics", "match")])])
    list_all(s, "after undo")


def case_alter_configs(s):
    for v in s.versions("AlterConfigs"):
        name = f"ac{v}"
        s.topic(name, segment_bytes="3000000")

        def one(label, type_, resource, configs, **more):
            configs = [{"Name": k, "Value": x} for k, x in configs]
            body = {"Resources": [{"ResourceType": type_, "ResourceName": resource, "Configs": configs}], **more}
            s.call(label, "AlterConfigs", v, body, keep=sort_responses)
            s.settle()
            if type_ == TOPIC:
                describe(s, f"after {label}", 4, [(TOPIC, name, ["retention.ms", "segment.bytes"])])

        one("validate", TOPIC, name, [("retention.ms", "5")], ValidateOnly=True)
        one("replace", TOPIC, name, [("retention.ms", "5")])
        one("null", TOPIC, name, [("retention.ms", None)])
        one("bad", TOPIC, name, [("retention.ms", "x")])
        one("unknown", TOPIC, name, [("foo", "x")])
        one("twice", TOPIC, name, [("retention.ms", "5"), ("retention.ms", "6")])
        one("nothing", TOPIC, name, [])
        one("unknown topic", TOPIC, "none", [("retention.ms", "5")])
        one("bad topic", TOPIC, "a b", [])
        one("broker", BROKER, "1", [("log.cleaner.threads", "2")])
        one("broker nothing", BROKER, "1", [])
        one("default broker", BROKER, "", [("log.retention.ms", "99999")])
        one("default broker nothing", BROKER, "", [])
        one("read only", BROKER, "1", [("node.id", "7")])
        one("other broker", BROKER, "2", [])
        one("bad broker", BROKER, "x", [])
        one("type 0", 0, "x", [])
        one("type 99", 99, "x", [])
        one("group", GROUP, "gx", [("consumer.heartbeat.interval.ms", "6000")])
        one("group nothing", GROUP, "gx", [])


def list_all(s, label):
    for v in s.versions("ListConfigResources"):
        kinds = [()] if v == 0 else [(), (TOPIC,), (BROKER,), (LOGGER,), (METRICS,), (GROUP,), (0,), (1,), (99,), (2, 4), (2, 2)]
        for kind in kinds:
            def keep(a):
                a["ConfigResources"] = sorted((r for r in a["ConfigResources"] if not r.get("ResourceName", "").startswith("__")), key=str)
                return a

            body = {"ResourceTypes": list(kind)} if v else {}
            s.call(f"{label} {kind}", "ListConfigResources", v, body, keep=keep)
