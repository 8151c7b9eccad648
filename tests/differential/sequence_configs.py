"""Configurations of topics and brokers that are set, appended to, replaced, deleted and described."""

TOPIC, BROKER = 2, 4
KEYS = {
    TOPIC: ["retention.ms", "cleanup.policy", "segment.bytes", "min.compaction.lag.ms", "max.compaction.lag.ms", "max.message.bytes", "foo",
            "leader.replication.throttled.replicas"],
    BROKER: ["log.retention.ms", "log.segment.bytes", "message.max.bytes", "log.cleanup.policy", "node.id"],
}  # fmt: skip
VALUES = {
    "cleanup.policy": ["compact", "delete", "compact,delete", "x", ""],
    "log.cleanup.policy": ["compact", "delete", "compact,delete", "x"],
    "leader.replication.throttled.replicas": ["0:1", "1:1", "0:1,1:1", "*", "x"],
    "segment.bytes": ["2000000", "3000000", "1"],
    "log.segment.bytes": ["2000000", "3000000", "1"],
    "max.message.bytes": ["1000000", "2000000", "-1"],
    "message.max.bytes": ["1000000", "2000000", "-1"],
}
NUMBERS = ["1000", "5000", "9000000000", "-1", "x"]


def make(rng, length):
    ops = []

    def entry(type_):
        key = rng.choice(KEYS[type_])
        return key, rng.choice((0, 0, 0, 1, 2, 3)), rng.choice(VALUES.get(key, NUMBERS))

    for _ in range(length):
        type_ = rng.choice((TOPIC, TOPIC, BROKER))
        which = rng.choice((0, 1, 0, 1, "none") if type_ == TOPIC else ("1", "", "", "7"))
        # Of brokers the old API is left to cases_configs.py: it drops what other scenarios have set.
        kind = rng.choices(["alter", "replace", "describe"], [5, 2 if type_ == TOPIC else 0, 4])[0]
        entries = tuple(entry(type_) for _ in range(rng.choice((1, 1, 2, 3))))
        if kind == "describe":
            ops.append((kind, type_, which))
        else:
            ops.append((kind, type_, which, entries, rng.random() < 0.15))
    return ops


class Runner:
    def __init__(self, s, name):
        self.s = s
        self.prefix = f"seq-{name}-"
        for i in range(2):
            s.topic(self.prefix + str(i))

    def resource(self, type_, which):
        return {"ResourceType": type_, "ResourceName": self.prefix + str(which) if type_ == TOPIC else which}

    def run(self, kind, type_, which, *rest):
        getattr(self, kind)(type_, which, *rest)

    def change(self, api, version, resource, configs, validate):
        body = {"Resources": [{**resource, "Configs": configs}], "ValidateOnly": validate}
        answer = self.s.call(self.s.step, api, version, body)
        if not validate and answer["Responses"][0]["ErrorCode"] == 0:
            self.s.settle()

    def alter(self, type_, which, entries, validate):
        configs = [{"Name": k, "ConfigOperation": o, "Value": v} for k, o, v in entries]
        self.change("IncrementalAlterConfigs", 1, self.resource(type_, which), configs, validate)

    def replace(self, type_, which, entries, validate):
        configs = [{"Name": k, "Value": v} for k, _, v in entries]
        self.change("AlterConfigs", 2, self.resource(type_, which), configs, validate)

    def describe(self, type_, which):
        def keep(answer):
            for one in answer["Results"]:
                one["Configs"].sort(key=lambda c: c["Name"])
            return answer

        asked = {**self.resource(type_, which), "ConfigurationKeys": KEYS[type_]}
        self.s.call(self.s.step, "DescribeConfigs", 4, {"Resources": [asked], "IncludeSynonyms": True}, keep=keep)

    def end(self):
        self.s.step = "at last"
        for type_, which in ((TOPIC, 0), (TOPIC, 1), (BROKER, "1"), (BROKER, "")):
            self.describe(type_, which)
        for which in ("1", ""):  # what is set for brokers would show in all that follows
            self.alter(BROKER, which, tuple((key, 1, None) for key in KEYS[BROKER] if key != "node.id"), False)
