"""Topics that are made, grown, written, cut, deleted and made again."""

import uuid

from batches import batch

NOBODY = uuid.UUID("11111111-2222-3333-4444-555555555555")
NAMES = 4


def make(rng, length):
    ops = []
    kinds = {
        "create": 10, "delete": 6, "delete_by_id": 3, "grow": 6, "produce": 20, "cut": 6, "offsets": 8, "metadata": 8,
        "metadata_by_id": 6, "epochs": 4, "describe": 5, "fetch_by_id": 6, "configure": 3,
    }  # fmt: skip
    for _ in range(length):
        kind = rng.choices(list(kinds), kinds.values())[0]
        which = rng.randrange(NAMES)
        partition = rng.choice((0, 0, 0, 1, 1, 2, 5))
        more = {
            "create": (rng.choice((1, 1, 2, 3, -1, 0)), rng.random() < 0.1),
            "grow": (rng.choice((1, 2, 3, 4)), rng.random() < 0.2),
            "produce": (partition, rng.choice((1, 2, 10))),
            "cut": (partition, rng.choice((-1, 0, 1, 5, 1000))),
            "offsets": (partition,),
            "epochs": (partition,),
            "fetch_by_id": (partition, rng.choice((0, 1, 5, 1000))),
            "configure": (rng.choice(("60000000", "x", "-1")),),
        }.get(kind, ())
        ops.append((kind, which, *more))
    return ops


class Runner:
    def __init__(self, s, name):
        self.s = s
        self.prefix = f"seq-{name}-"
        self.ids = {}  # of the last topic of each name
        self.counts = {}  # partitions of what exists
        self.made = 0

    def run(self, kind, which, *rest):
        getattr(self, kind)(self.prefix + str(which), *rest)

    def call(self, api, version, body, keep=None):
        return self.s.call(self.s.step, api, version, body, keep=keep)

    def id(self, name):
        return self.ids.get(name, NOBODY)

    def create(self, name, partitions, only_validate):
        topic = {"Name": name, "NumPartitions": partitions, "ReplicationFactor": 1}
        body = {"Topics": [topic], "timeoutMs": 30000, "validateOnly": only_validate}

        def keep(answer):
            for one in answer["Topics"]:
                if one["ErrorCode"] == 0 and not only_validate:
                    self.made += 1
                    self.ids[name] = one["TopicId"]
                    self.s.name(one["TopicId"], f"<id {self.made} of {name}>")
                    self.counts[name] = one["NumPartitions"]
                one["TopicId"] = one["TopicId"] if not only_validate else "validated"
                one["Configs"] = sorted(one["Configs"] or [], key=lambda c: c["Name"])
            return answer

        answer = self.call("CreateTopics", 7, body, keep)
        if answer["Topics"][0]["ErrorCode"] == 0 and not only_validate:
            self.s.ready(name, self.counts[name])

    def gone(self, name, answer):
        if answer["Responses"][0]["ErrorCode"] == 0:
            body = {"Topics": [{"Name": name}], "AllowAutoTopicCreation": False}
            self.s.until("Metadata", 12, body, lambda a: a["Topics"][0]["ErrorCode"] == 3)
            self.counts.pop(name, None)

    def delete(self, name):
        self.gone(name, self.call("DeleteTopics", 6, {"Topics": [{"Name": name}], "TimeoutMs": 30000}))

    def delete_by_id(self, name):
        body = {"Topics": [{"Name": None, "TopicId": self.id(name)}], "TimeoutMs": 30000}
        self.gone(name, self.call("DeleteTopics", 6, body))

    def grow(self, name, count, only_validate):
        body = {"Topics": [{"Name": name, "Count": count, "Assignments": None}], "TimeoutMs": 30000, "ValidateOnly": only_validate}
        answer = self.call("CreatePartitions", 3, body)
        if answer["Results"][0]["ErrorCode"] == 0 and not only_validate:
            self.counts[name] = count
            self.s.ready(name, count)

    def produce(self, name, partition, count):
        data = [{"Name": name, "PartitionData": [{"Index": partition, "Records": batch([b"x"] * count)}]}]
        self.call("Produce", 9, {"Acks": -1, "TimeoutMs": 5000, "TopicData": data})

    def cut(self, name, partition, offset):
        topics = [{"Name": name, "Partitions": [{"PartitionIndex": partition, "Offset": offset}]}]
        self.call("DeleteRecords", 2, {"TimeoutMs": 5000, "Topics": topics})

    def offsets(self, name, partition):
        for time in (-1, -2):
            topics = [{"Name": name, "Partitions": [{"PartitionIndex": partition, "Timestamp": time}]}]
            self.call("ListOffsets", 7, {"ReplicaId": -1, "Topics": topics})

    def epochs(self, name, partition):
        parts = [{"Partition": partition, "CurrentLeaderEpoch": 0, "LeaderEpoch": 0}]
        self.call("OffsetForLeaderEpoch", 4, {"ReplicaId": -1, "Topics": [{"Topic": name, "Partitions": parts}]})

    def metadata(self, name):
        self.call("Metadata", 12, {"Topics": [{"Name": name}], "AllowAutoTopicCreation": False})

    def metadata_by_id(self, name):
        topics = [{"Name": None, "TopicId": self.id(name)}]
        self.call("Metadata", 12, {"Topics": topics, "AllowAutoTopicCreation": False})

    def describe(self, name):
        self.call("DescribeTopicPartitions", 0, {"Topics": [{"Name": name}]})

    def fetch_by_id(self, name, partition, offset):
        parts = [{"Partition": partition, "FetchOffset": offset, "PartitionMaxBytes": 1 << 20}]
        topics = [{"TopicId": self.id(name), "Partitions": parts}]
        self.call("Fetch", 13, {"MaxWaitMs": 0, "MinBytes": 0, "MaxBytes": 1 << 20, "Topics": topics})

    def configure(self, name, value):
        configs = [{"Name": "retention.ms", "ConfigOperation": 0, "Value": value}]
        self.call("IncrementalAlterConfigs", 1, {"Resources": [{"ResourceType": 2, "ResourceName": name, "Configs": configs}]})
        self.s.settle()

    def end(self):
        for name in sorted(self.counts):
            self.s.ask("DeleteTopics", 5, {"TopicNames": [name], "TimeoutMs": 30000})
