"""One class an API: its right requests, what they need in the broker, and what of the answers counts."""

import uuid

import pools
from batches import batch
from pools import META, NOBODY, TIME, Ref

SPECS = {}
LONG_MS = 1_800_000  # longer than any run: members stay


def of(*apis):
    def register(cls):
        for api in apis:
            SPECS[api] = type(f"{cls.__name__}_{api}", (cls,), {"API": api})
        return cls

    return register


class Spec:
    TIMEOUT_S = 15

    def __init__(self, s):
        self.s = s
        self.prepare()

    @staticmethod
    def bases(version):
        """(name, right request) pairs."""
        raise NotImplementedError

    @staticmethod
    def mend(body, version):
        """Takes out of a request what would make the answer a matter of chance."""

    def prepare(self):
        """Before the first version."""

    def begin(self, version):
        """Before a version."""

    def before(self, version, case):
        """Before a case."""

    def after(self, version, case, answer):
        """After a case."""

    def end(self):
        """After all: what is left in the broker, as cases of its own."""

    def keep(self, answer):
        return answer

    def ref(self, name):
        if name.startswith("id "):
            return topic_id(self.s, name[3:])
        raise KeyError(name)


def topic_id(s, name):
    shared = s.shared.setdefault("ids", {})
    if name not in shared:
        answer = s.ask("Metadata", 12, {"Topics": [{"Name": name}], "AllowAutoTopicCreation": False})
        shared[name] = answer["Topics"][0]["TopicId"]
        s.name(shared[name], f"<id of {name}>")
    s.name(shared[name], f"<id of {name}>")
    return shared[name]


def data_topics(s):
    """gen-a with twelve records in partition 0 and none in 1, gen-b with one: made once a broker."""
    if "data" not in s.shared:
        s.shared["data"] = True
        s.topic("gen-a", 2)
        s.topic("gen-b", 1)
        for i in range(4):
            s.produce("gen-a", batch([b"%d-%d" % (i, j) for j in range(3)], time=TIME + 1000 * i))
        s.produce("gen-b", batch([b"b"], time=TIME))


def no_offsets_topic(body, version):
    """What is in the topic of the groups, and when it was written, depends on what ran before."""
    for topic in body["Topics"] or []:
        for key in ("Name", "Topic"):
            if topic.get(key) == "__consumer_offsets":
                topic[key] = "gen-b"


# ---- Records -------------------------------------------------------------------------------------


@of("Produce")
class Produce(Spec):
    @staticmethod
    def bases(version):
        part = {"Index": 0, "Records": batch()}
        topic = {"Name": "gen-p", "TopicId": Ref("id gen-p"), "PartitionData": [part]}
        both = {**topic, "PartitionData": [{"Index": 1, "Records": batch([b"x", b"y"])}, part]}
        return [
            ("one", {"Acks": -1, "TimeoutMs": 5000, "TopicData": [topic]}),
            ("two", {"Acks": 1, "TimeoutMs": 5000, "TopicData": [both]}),
        ]

    @staticmethod
    def mend(body, version):
        """Of a partition that is named twice, the second time with what is no batch, Kafka appends
        the first records and answers with the error of the second."""
        parts = [p for topic in body["TopicData"] or [] for p in topic["PartitionData"] or []]
        if len({p["Index"] for p in parts}) < len(parts) or body["Acks"] not in (-1, 1):
            for part in parts:
                if part["Records"] in (b"", pools.RECORDS["length short"]):
                    part["Records"] = batch([b"m"])

    def prepare(self):
        data_topics(self.s)
        self.s.topic("gen-p", 2)
        self.ends = {}

    def keep(self, answer):
        """Offsets count from the last ones, so that one difference does not make all others."""
        for topic in answer["Responses"]:
            for part in topic["PartitionResponses"]:
                if part["BaseOffset"] >= 0:
                    key = (topic.get("Name"), topic.get("TopicId"), part["Index"])
                    last = self.ends.get(key, -1)
                    self.ends[key] = max(last, part["BaseOffset"])
                    part["BaseOffset"] = f"+{part['BaseOffset'] - last}" if part["BaseOffset"] > last else "earlier"
        return answer


@of("Fetch")
class Fetch(Spec):
    @staticmethod
    def bases(version):
        def body(*parts):
            parts = [{"Partition": p, "FetchOffset": o, "PartitionMaxBytes": 1 << 20} for p, o in parts]
            topic = {"Topic": "gen-a", "TopicId": Ref("id gen-a"), "Partitions": parts}
            return {"MaxWaitMs": 0, "MinBytes": 1, "MaxBytes": 1 << 20, "Topics": [topic]}

        bases = [("start", body((0, 0))), ("end", body((0, 12))), ("both", body((0, 9), (1, 0)))]
        if version >= 7:
            forgotten = {"Topic": "gen-a", "TopicId": Ref("id gen-a"), "Partitions": [0]}
            bases.append(("forgets", {**body((0, 9)), "ForgottenTopicsData": [forgotten]}))
        return bases

    def prepare(self):
        data_topics(self.s)

    mend = staticmethod(no_offsets_topic)

    def after(self, version, case, answer):
        if isinstance(answer, dict) and answer.get("SessionId", 0) > 0:  # there is room for a thousand
            self.s.ask("Fetch", version, {"SessionId": answer["SessionId"], "SessionEpoch": -1})


@of("ListOffsets")
class ListOffsets(Spec):
    @staticmethod
    def bases(version):
        def body(*parts):
            parts = [{"PartitionIndex": p, "Timestamp": t} for p, t in parts]
            return {"ReplicaId": -1, "TimeoutMs": 5000, "Topics": [{"Name": "gen-a", "Partitions": parts}]}

        return [("end", body((0, -1))), ("time", body((0, TIME + 1000))), ("both", body((1, -2), (0, -3)))]

    mend = staticmethod(no_offsets_topic)

    def prepare(self):
        data_topics(self.s)


@of("OffsetForLeaderEpoch")
class OffsetForLeaderEpoch(Spec):
    @staticmethod
    def bases(version):
        part = {"Partition": 0, "CurrentLeaderEpoch": 0, "LeaderEpoch": 0}
        two = [{"Partition": 1, "CurrentLeaderEpoch": -1, "LeaderEpoch": 0}, part]
        return [
            ("one", {"ReplicaId": -1, "Topics": [{"Topic": "gen-a", "Partitions": [part]}]}),
            ("two", {"ReplicaId": -1, "Topics": [{"Topic": "gen-a", "Partitions": two}]}),
        ]

    mend = staticmethod(no_offsets_topic)

    def prepare(self):
        data_topics(self.s)


@of("DeleteRecords")
class DeleteRecords(Spec):
    @staticmethod
    def bases(version):
        def body(*parts):
            parts = [{"PartitionIndex": p, "Offset": o} for p, o in parts]
            return {"TimeoutMs": 5000, "Topics": [{"Name": "gen-dr", "Partitions": parts}]}

        return [("one", body((0, 0))), ("two", body((0, 2), (1, -1)))]

    def prepare(self):
        data_topics(self.s)
        self.s.topic("gen-dr", 2)

    def begin(self, version):
        for partition in (0, 1):
            self.s.produce("gen-dr", batch([b"x"] * 20), partition)


@of("DescribeProducers")
class DescribeProducers(Spec):
    @staticmethod
    def bases(version):
        return [
            ("one", {"Topics": [{"Name": "gen-dp", "PartitionIndexes": [0]}]}),
            ("two", {"Topics": [{"Name": "gen-dp", "PartitionIndexes": [0, 1]}, {"Name": "gen-a", "PartitionIndexes": [1]}]}),
        ]

    def prepare(self):
        data_topics(self.s)
        self.s.topic("gen-dp", 2)
        for producer in (5000, 5001):
            self.s.name(f"producer {producer}", f"<producer {producer}>")
            self.s.produce("gen-dp", batch(producer=producer, epoch=0, sequence=0))

    def keep(self, answer):
        for topic in answer["Topics"]:
            for part in topic["Partitions"]:
                part["ActiveProducers"].sort(key=lambda p: p["ProducerId"])
        return answer


@of("DescribeLogDirs")
class DescribeLogDirs(Spec):
    @staticmethod
    def bases(version):
        return [
            ("one", {"Topics": [{"Topic": "gen-a", "Partitions": [0]}]}),
            ("two", {"Topics": [{"Topic": "gen-a", "Partitions": [0, 1]}, {"Topic": "gen-b", "Partitions": [0]}]}),
        ]

    def prepare(self):
        data_topics(self.s)

    mend = staticmethod(no_offsets_topic)

    def keep(self, answer):
        for result in answer["Results"]:
            for topic in result["Topics"]:
                topic["Partitions"].sort(key=lambda p: p["PartitionIndex"])
            result["Topics"].sort(key=lambda t: t["Name"])
        return answer


@of("AlterReplicaLogDirs")
class AlterReplicaLogDirs(Spec):
    """Into the one dir where they are, and into others, which are none."""

    @staticmethod
    def bases(version):
        def into(path, *topics):
            return {"Path": path, "Topics": [{"Name": t, "Partitions": p} for t, p in topics]}

        return [
            ("one", {"Dirs": [into(Ref("data"), ("gen-a", [0]))]}),
            ("two", {"Dirs": [into(Ref("data"), ("gen-a", [0, 1]), ("gen-b", [0])), into("/nowhere", ("gen-b", [1]))]}),
        ]

    def prepare(self):
        data_topics(self.s)

    def ref(self, name):
        return str(self.s.broker.data) if name == "data" else super().ref(name)

    def keep(self, answer):
        for topic in answer["Results"]:
            topic["Partitions"].sort(key=lambda p: p["PartitionIndex"])
        answer["Results"].sort(key=lambda t: t["TopicName"])
        return answer


@of("InitProducerId")
class InitProducerId(Spec):
    @staticmethod
    def bases(version):
        return [("plain", {"TransactionalId": None, "TransactionTimeoutMs": 1000})]

    def prepare(self):
        while self.s.ask("InitProducerId", 0, {"TransactionalId": None})["ErrorCode"] == 14:
            pass

    @staticmethod
    def mend(body, version):
        if body.get("TransactionalId") == "tx":
            body["TransactionalId"] = ""

    def keep(self, answer):
        return {k: (x if k != "ProducerId" or x < 0 else "<producer>") for k, x in answer.items()}


# ---- The cluster ---------------------------------------------------------------------------------


@of("ApiVersions")
class ApiVersions(Spec):
    @staticmethod
    def bases(version):
        return [("plain", {"ClientSoftwareName": "diff", "ClientSoftwareVersion": "1.0"})]

    def keep(self, answer):
        return {k: v for k, v in answer.items() if k not in ("ApiKeys", "FinalizedFeaturesEpoch")}


@of("Metadata")
class Metadata(Spec):
    @staticmethod
    def bases(version):
        quiet = {"AllowAutoTopicCreation": False}
        bases = [
            ("one", {"Topics": [{"Name": "gen-a"}], **quiet}),
            ("two", {"Topics": [{"Name": "gen-b"}, {"Name": "gen-a"}], **quiet}),
        ]
        if version >= 10:
            bases.append(("id", {"Topics": [{"Name": None, "TopicId": Ref("id gen-a")}], **quiet}))
        return bases

    @staticmethod
    def mend(body, version):
        for topic in body["Topics"]:
            if not isinstance(topic, dict):
                continue
            creates = version < 4 or body.get("AllowAutoTopicCreation", True)
            if creates and topic.get("Name") in ("gen-none", "GEN-A", "gen.a", "x" * 249):
                topic["Name"] = "gen-b"  # cases_cluster.py looks at what is made by asking
            if topic.get("Name") == "__consumer_offsets":
                topic["Name"] = "gen-b"  # there or not, and with as many partitions as chance has it

    def prepare(self):
        data_topics(self.s)

    def keep(self, answer):
        answer["Topics"] = [t for t in answer["Topics"] if (t["Name"] or "gen-").startswith("gen-") or t["ErrorCode"]]
        answer["Topics"].sort(key=lambda t: (t["Name"] or "", str(self.s.comparable(t.get("TopicId")))))
        return answer


@of("DescribeCluster")
class DescribeCluster(Spec):
    @staticmethod
    def bases(version):
        return [("plain", {}), ("operations", {"IncludeClusterAuthorizedOperations": True})]


@of("DescribeQuorum")
class DescribeQuorum(Spec):
    MOVING = {"LogEndOffset", "HighWatermark", "LastFetchTimestamp", "LastCaughtUpTimestamp", "LeaderEpoch"}

    @staticmethod
    def bases(version):
        return [("plain", {"Topics": [{"TopicName": "__cluster_metadata", "Partitions": [{"PartitionIndex": 0}]}]})]

    def keep(self, answer):
        if isinstance(answer, dict):
            return {k: (v >= 0) if k in self.MOVING else self.keep(v) for k, v in answer.items()}
        return [self.keep(v) for v in answer] if isinstance(answer, list) else answer


@of("DescribeTopicPartitions")
class DescribeTopicPartitions(Spec):
    @staticmethod
    def bases(version):
        names = [{"Name": "gen-b"}, {"Name": "gen-a"}]
        return [
            ("two", {"Topics": names, "ResponsePartitionLimit": 2000}),
            ("limit", {"Topics": names, "ResponsePartitionLimit": 1}),
            ("cursor", {"Topics": names, "Cursor": {"TopicName": "gen-a", "PartitionIndex": 1}}),
        ]

    @staticmethod
    def mend(body, version):
        for topic in body["Topics"] or []:
            if topic.get("Name") == "__consumer_offsets":
                topic["Name"] = "gen-none"

    def prepare(self):
        data_topics(self.s)

    def keep(self, answer):
        """A request for all topics has them, too."""
        answer["Topics"] = [t for t in answer["Topics"] if t["Name"].startswith("gen-") or t["ErrorCode"]]
        return answer


# ---- Topics --------------------------------------------------------------------------------------


def by_name(answer):
    answer["Topics"].sort(key=lambda t: t["Name"])
    return answer


class FreshNames(Spec):
    """Names that no topic has yet, one a case."""

    made = 0

    def before(self, version, case):
        self.made += 1

    def ref(self, name):
        if name == "fresh":
            return f"fresh-{self.API}-{self.made}"
        if name == "fresh beside":
            return f"fresh-{self.API}-{self.made}-b"
        return super().ref(name)


@of("CreateTopics")
class CreateTopics(FreshNames):
    @staticmethod
    def bases(version):
        plain = {"Name": Ref("fresh"), "NumPartitions": 1, "ReplicationFactor": 1}
        assigned = {
            "Name": Ref("fresh"), "NumPartitions": -1, "ReplicationFactor": -1,
            "Assignments": [{"PartitionIndex": 0, "BrokerIds": [1]}],
        }  # fmt: skip
        configured = {**plain, "Configs": [{"Name": "retention.ms", "Value": "1000"}]}
        return [
            ("plain", {"Topics": [plain], "timeoutMs": 30000}),
            ("assigned", {"Topics": [assigned], "timeoutMs": 30000, "validateOnly": True}),
            ("configured", {"Topics": [configured], "timeoutMs": 30000, "validateOnly": version >= 1}),
        ]

    def prepare(self):
        data_topics(self.s)

    @staticmethod
    def mend(body, version):
        for topic in body["Topics"] or []:
            if topic.get("Name") in ("__consumer_offsets", "x" * 249, "GEN-A", "gen-none"):
                topic["Name"] = Ref("fresh beside")

    def keep(self, answer):
        for one in answer["Topics"]:
            if one.get("Configs"):
                one["Configs"].sort(key=lambda c: c["Name"])
        return by_name(answer)


@of("DeleteTopics")
class DeleteTopics(FreshNames):
    """Every tenth name is that of a topic, which is made before."""

    @staticmethod
    def bases(version):
        if version < 6:
            return [("one", {"TopicNames": [Ref("fresh")], "TimeoutMs": 30000})]
        return [
            ("name", {"Topics": [{"Name": Ref("fresh")}], "TimeoutMs": 30000}),
            ("id", {"Topics": [{"Name": None, "TopicId": Ref("fresh id")}], "TimeoutMs": 30000}),
        ]

    @staticmethod
    def mend(body, version):
        def other(name):
            return "gen-none" if name in ("gen-a", "gen-b", "__consumer_offsets") else name

        if version < 6:
            body["TopicNames"] = body["TopicNames"] and [other(n) for n in body["TopicNames"]]
        for topic in body.get("Topics") or []:
            topic["Name"] = other(topic.get("Name"))
            if isinstance(topic.get("TopicId"), Ref) and topic["TopicId"].name.startswith("id gen"):
                topic["TopicId"] = NOBODY

    def before(self, version, case):
        self.made += 1
        self.id = NOBODY
        if self.made % 10 == 1:
            topic = {"Name": self.ref("fresh"), "NumPartitions": 1, "ReplicationFactor": 1}
            answer = self.s.ask("CreateTopics", 7, {"Topics": [topic], "timeoutMs": 10000})
            self.id = answer["Topics"][0]["TopicId"]
            self.s.name(self.id, f"<id of {self.ref('fresh')}>")

    def ref(self, name):
        return self.id if name == "fresh id" else super().ref(name)

    def keep(self, answer):
        answer["Responses"].sort(key=lambda r: (r["Name"] or "", str(self.s.comparable(r.get("TopicId"))), r["ErrorCode"]))
        return answer


@of("CreatePartitions")
class CreatePartitions(FreshNames):
    @staticmethod
    def bases(version):
        plain = {"Name": Ref("growing"), "Count": 3, "Assignments": None}
        assigned = {**plain, "Assignments": [{"BrokerIds": [1]}]}
        return [
            ("plain", {"Topics": [plain], "TimeoutMs": 30000}),
            ("assigned", {"Topics": [assigned], "TimeoutMs": 30000}),
            ("validate", {"Topics": [plain], "TimeoutMs": 30000, "ValidateOnly": True}),
        ]

    def prepare(self):
        data_topics(self.s)

    @staticmethod
    def mend(body, version):
        for topic in body["Topics"] or []:
            if topic.get("Name") in ("gen-a", "gen-b", "__consumer_offsets"):
                topic["Name"] = "gen-none"

    def before(self, version, case):
        if self.made % 10 == 0:
            topic = {"Name": f"growing-{self.made // 10}", "NumPartitions": 2, "ReplicationFactor": 1}
            self.s.ask("CreateTopics", 7, {"Topics": [topic], "timeoutMs": 10000})
        self.made += 1

    def ref(self, name):
        return f"growing-{(self.made - 1) // 10}" if name == "growing" else super().ref(name)

    def keep(self, answer):
        answer["Results"].sort(key=lambda r: r["Name"])
        return answer


# ---- Leaders, reassignments, features ------------------------------------------------------------


class Topics(Spec):
    """Internal topics are left alone: what they have depends on what ran before."""

    def prepare(self):
        data_topics(self.s)

    @staticmethod
    def mend(body, version):
        for key in ("TopicPartitions", "Topics"):
            for topic in body.get(key) or []:
                for name in ("Topic", "Name"):
                    if topic.get(name) == "__consumer_offsets":
                        topic[name] = "gen-none"


@of("ElectLeaders")
class ElectLeaders(Topics):
    @staticmethod
    def bases(version):
        topic = {"Topic": "gen-a", "Partitions": [0]}
        return [
            ("one", {"TopicPartitions": [topic], "TimeoutMs": 30000}),
            ("all", {"TopicPartitions": None, "TimeoutMs": 30000}),
        ]

    def keep(self, answer):
        # Of all topics: which there are depends on what ran before.
        answer["ReplicaElectionResults"] = [r for r in answer["ReplicaElectionResults"] if r["PartitionResult"]]
        answer["ReplicaElectionResults"].sort(key=lambda r: r["Topic"])
        return answer


@of("AlterPartitionReassignments")
class AlterPartitionReassignments(Topics):
    @staticmethod
    def bases(version):
        def body(replicas):
            return {"Topics": [{"Name": "gen-a", "Partitions": [{"PartitionIndex": 0, "Replicas": replicas}]}], "TimeoutMs": 30000}

        return [("same", body([1])), ("cancel", body(None))]

    def keep(self, answer):
        answer["Responses"].sort(key=lambda r: r["Name"])
        return answer


@of("ListPartitionReassignments")
class ListPartitionReassignments(Topics):
    @staticmethod
    def bases(version):
        return [
            ("one", {"Topics": [{"Name": "gen-a", "PartitionIndexes": [0]}], "TimeoutMs": 30000}),
            ("all", {"Topics": None, "TimeoutMs": 30000}),
        ]


@of("UpdateFeatures")
class UpdateFeatures(Spec):
    @staticmethod
    def bases(version):
        def body(feature, level):
            update = {"Feature": feature, "MaxVersionLevel": level}
            return {"timeoutMs": 30000, "FeatureUpdates": [update], **({"ValidateOnly": True} if version > 0 else {})}

        return [("same", body("metadata.version", 30)), ("less", body("eligible.leader.replicas.version", 0))]


@of("UnregisterBroker")
class UnregisterBroker(Spec):
    @staticmethod
    def bases(version):
        return [("unknown", {"BrokerId": 7})]

    @staticmethod
    def mend(body, version):
        if body["BrokerId"] == 1:
            body["BrokerId"] = 8  # the only broker is needed


# ---- Configurations ------------------------------------------------------------------------------


class Configs(Spec):
    def prepare(self):
        data_topics(self.s)
        if "config" not in self.s.shared:
            self.s.shared["config"] = True
            self.s.topic("gen-config", 1, retention_ms="5000")

    @staticmethod
    def mend(body, version):
        for resource in body["Resources"] or []:
            if resource.get("ResourceName") == "__consumer_offsets":  # there or not
                resource["ResourceName"] = "gen-none"
            if resource.get("ResourceType") == 4 and "ValidateOnly" in body:
                body["ValidateOnly"] = True  # what a broker has concerns everything that follows

    def keep(self, answer):
        key = "Results" if "Results" in answer else "Responses"
        for one in answer[key]:
            if one.get("Configs"):
                one["Configs"].sort(key=lambda c: c["Name"])
        answer[key].sort(key=lambda r: (r["ResourceType"], r["ResourceName"], r["ErrorCode"]))
        return answer


@of("DescribeConfigs")
class DescribeConfigs(Configs):
    @staticmethod
    def bases(version):
        def body(type_, name, *keys):
            return {"Resources": [{"ResourceType": type_, "ResourceName": name, "ConfigurationKeys": list(keys)}]}

        return [
            ("topic", body(2, "gen-config", "retention.ms", "cleanup.policy")),
            ("broker", body(4, "1", "log.retention.ms", "node.id")),
            ("default", body(4, "", "log.retention.ms")),
        ]


@of("AlterConfigs", "IncrementalAlterConfigs")
class AlterConfigs(Configs):
    @staticmethod
    def bases(version):
        def body(type_, name, *pairs, **more):
            configs = [{"Name": k, "Value": v, "ConfigOperation": o} for k, v, o in pairs]
            return {"Resources": [{"ResourceType": type_, "ResourceName": name, "Configs": configs}], **more}

        return [
            ("topic", body(2, "gen-config", ("retention.ms", "1000", 0), ValidateOnly=False)),
            ("list", body(2, "gen-config", ("cleanup.policy", "compact", 2), ValidateOnly=False)),
            ("broker", body(4, "1", ("log.retention.ms", "1000", 0), ValidateOnly=True)),
        ]

    def begin(self, version):
        """The topic as it was: what another version left must not change this one's answers."""
        configs = [{"Name": "retention.ms", "Value": "5000"}]
        body = {"Resources": [{"ResourceType": 2, "ResourceName": "gen-config", "Configs": configs}]}
        self.s.ask("AlterConfigs", 2, body)


def without_second(body, version):
    """Kafka gives no answer when it is told twice of the same resource by the old API."""
    AlterConfigs.mend(body, version)
    resources = body["Resources"] or []
    body["Resources"] = [
        r for i, r in enumerate(resources)
        if not any((o["ResourceType"], o["ResourceName"]) == (r["ResourceType"], r["ResourceName"]) for o in resources[:i])
    ]  # fmt: skip


SPECS["AlterConfigs"].mend = staticmethod(without_second)
# The old API has no operations.
SPECS["AlterConfigs"].bases = staticmethod(lambda version: [
    (name, {**body, "Resources": [{**r, "Configs": [{k: v for k, v in c.items() if k != "ConfigOperation"} for c in r["Configs"]]}
                                  for r in body["Resources"]]})
    for name, body in AlterConfigs.bases(version)
])  # fmt: skip


@of("ListConfigResources")
class ListConfigResources(Configs):
    @staticmethod
    def bases(version):
        return [("all", {}), ("topics", {"ResourceTypes": [2]})] if version else [("all", {})]

    @staticmethod
    def mend(body, version):
        pass

    def keep(self, answer):
        answer["ConfigResources"] = sorted(
            (r for r in answer["ConfigResources"] if r["ResourceName"].startswith("gen-")), key=str
        )
        return answer


# ---- Groups --------------------------------------------------------------------------------------


def member_of(s, group, instance=None):
    """A group with one member, which stays."""
    body = {
        "GroupId": group, "SessionTimeoutMs": LONG_MS, "RebalanceTimeoutMs": 100, "MemberId": "", "GroupInstanceId": instance,
        "ProtocolType": "consumer", "Protocols": [{"Name": "range", "Metadata": META}],
    }  # fmt: skip
    answer = s.ask("JoinGroup", 5, body)
    while answer["ErrorCode"] in (14, 15, 16):  # the coordinator of this group still loads
        answer = s.ask("JoinGroup", 5, body)
    if answer["ErrorCode"] == 79:
        answer = s.ask("JoinGroup", 5, {**body, "MemberId": answer["MemberId"]})
    member = answer["MemberId"]
    s.ask("SyncGroup", 3, {
        "GroupId": group, "GenerationId": answer["GenerationId"], "MemberId": member, "GroupInstanceId": instance,
        "Assignments": [{"MemberId": member, "Assignment": b"all"}],
    })  # fmt: skip
    return member


class Groups(Spec):
    def prepare(self):
        data_topics(self.s)
        self.s.coordinator()
        self.made = 0
        if "groups" not in self.s.shared:
            self.s.shared["groups"] = member_of(self.s, "gen-stable")
            commit(self.s, "gen-offsets")
        self.member = self.s.shared["groups"]
        self.group = "gen-stable"
        self.s.name(self.member, "<member>")

    def ref(self, name):
        if name == "stable group":
            return self.group
        if name == "member":
            return self.member
        if name == "fresh group":
            return f"fresh-{self.API}-{self.made}"
        return super().ref(name)

    def use_new_group(self):
        self.made += 1
        self.group = f"used-{self.API}-{self.made}"
        self.member = member_of(self.s, self.group)


def commit(s, group):
    parts = [{"PartitionIndex": p, "CommittedOffset": 5 + p, "CommittedMetadata": "m"} for p in (0, 1)]
    s.ask("OffsetCommit", 8, {"GroupId": group, "Topics": [{"Name": "gen-a", "Partitions": parts}]})


@of("FindCoordinator")
class FindCoordinator(Groups):
    @staticmethod
    def bases(version):
        return [("one", {"Key": "gen-stable", "KeyType": 0, "CoordinatorKeys": ["gen-stable"]})]


@of("JoinGroup")
class JoinGroup(Groups):
    @staticmethod
    def bases(version):
        body = {
            "SessionTimeoutMs": LONG_MS, "RebalanceTimeoutMs": 100, "MemberId": "", "ProtocolType": "consumer",
            "Protocols": [{"Name": "range", "Metadata": META}],
        }  # fmt: skip
        if version == 0:
            body["SessionTimeoutMs"] = 10000
        return [
            ("new", {**body, "GroupId": Ref("fresh group")}),
            ("again", {**body, "GroupId": Ref("stable group"), "MemberId": Ref("member")}),
        ]

    @staticmethod
    def mend(body, version):
        """A newcomer in a group with a member waits for it, so it goes to a group without."""
        if body.get("MemberId") == "" and body["GroupId"] == Ref("stable group"):
            body["GroupId"] = Ref("fresh group")
        if body.get("GroupId") == "gen-offsets":
            body["MemberId"] = "nobody"
        if body.get("GroupId") in ("gen-none", "a b", "ä", "x" * 300) and body["MemberId"] == "":
            body["GroupId"] = Ref("fresh group")
        seen = set()
        for protocol in body["Protocols"] or []:  # Kafka gives no answer when one is named twice
            if protocol["Name"] in seen:
                protocol["Name"] = f"other{len(seen)}"
            seen.add(protocol["Name"])

    def begin(self, version):
        self.used = False
        self.use_new_group()

    def before(self, version, case):
        self.made += 1
        if "again" in case.label and self.used:
            self.used = False
            self.use_new_group()

    def after(self, version, case, answer):
        self.used = self.used or "again" in case.label

    def keep(self, answer):
        answer["Members"].sort(key=lambda m: m["MemberId"])
        return answer


@of("SyncGroup", "Heartbeat")
class SyncGroup(Groups):
    @staticmethod
    def bases(version):
        body = {"GroupId": Ref("stable group"), "GenerationId": 1, "MemberId": Ref("member")}
        return [("stable", body), ("unknown", {**body, "GroupId": "gen-none", "MemberId": "nobody"})]


def sync_bases(version):
    body = {
        "GroupId": Ref("stable group"), "GenerationId": 1, "MemberId": Ref("member"),
        "Assignments": [{"MemberId": Ref("member"), "Assignment": b"abc"}],
    }  # fmt: skip
    if version >= 5:
        body |= {"ProtocolType": "consumer", "ProtocolName": "range"}
    return [("leader", body), ("follower", {**body, "Assignments": []})]


SPECS["SyncGroup"].bases = staticmethod(sync_bases)


@of("LeaveGroup")
class LeaveGroup(Groups):
    @staticmethod
    def bases(version):
        return [("one", {"GroupId": Ref("stable group"), "MemberId": Ref("member"), "Members": [{"MemberId": Ref("member")}]})]

    def begin(self, version):
        self.use_new_group()

    def after(self, version, case, answer):
        gone = {"GroupId": self.group, "GenerationId": 1, "MemberId": self.member}
        if self.s.ask("Heartbeat", 0, gone)["ErrorCode"] != 0:
            self.use_new_group()


@of("DescribeGroups")
class DescribeGroups(Groups):
    @staticmethod
    def bases(version):
        return [("one", {"Groups": [Ref("stable group")]}), ("two", {"Groups": ["gen-none", Ref("stable group")]})]


@of("ListGroups")
class ListGroups(Groups):
    @staticmethod
    def bases(version):
        return [("all", {}), ("some", {"StatesFilter": ["Stable"], "TypesFilter": ["classic"]})] if version >= 4 else [("all", {})]

    def keep(self, answer):
        answer["Groups"] = sorted((g for g in answer["Groups"] if g["GroupId"].startswith("gen-")), key=lambda g: g["GroupId"])
        return answer


@of("DeleteGroups")
class DeleteGroups(Groups):
    @staticmethod
    def bases(version):
        return [("one", {"GroupsNames": [Ref("fresh group")]}), ("two", {"GroupsNames": ["gen-none", Ref("fresh group")]})]

    @staticmethod
    def mend(body, version):
        names = body["GroupsNames"]
        body["GroupsNames"] = names and ["gen-none" if n == "gen-offsets" else n for n in names]

    def before(self, version, case):
        self.made += 1
        commit(self.s, self.ref("fresh group"))

    def keep(self, answer):
        answer["Results"].sort(key=lambda r: r["GroupId"])
        return answer


@of("OffsetCommit")
class OffsetCommit(Groups):
    @staticmethod
    def bases(version):
        part = {"PartitionIndex": 0, "CommittedOffset": 7, "CommittedMetadata": "m"}
        topic = {"Name": "gen-a", "TopicId": Ref("id gen-a"), "Partitions": [part]}
        two = {**topic, "Partitions": [{**part, "PartitionIndex": 1}, part]}
        return [
            ("alone", {"GroupId": "gen-commits", "GenerationIdOrMemberEpoch": -1, "MemberId": "", "Topics": [topic]}),
            ("member", {"GroupId": Ref("stable group"), "GenerationIdOrMemberEpoch": 1, "MemberId": Ref("member"), "Topics": [two]}),
        ]

    @staticmethod
    def mend(body, version):
        if body.get("GroupId") in ("gen-offsets", "gen-none"):
            body["GroupId"] = "gen-commits"  # those two stay as they are
        for topic in body["Topics"] or []:
            if topic.get("Name") == "__consumer_offsets":
                topic["Name"] = "gen-none"

    def end(self):
        for group in ("gen-commits", "gen-stable"):
            self.s.call(f"{group} at last", "OffsetFetch", 7, {"GroupId": group, "Topics": None}, keep=committed)


def committed(answer):
    for group in answer.get("Groups", [answer]):
        for topic in group["Topics"]:
            topic["Partitions"].sort(key=lambda p: p["PartitionIndex"])
        group["Topics"].sort(key=lambda t: (t.get("Name") or "", str(t.get("TopicId"))))
    return answer


@of("OffsetFetch")
class OffsetFetch(Groups):
    @staticmethod
    def bases(version):
        topics = [{"Name": "gen-a", "PartitionIndexes": [0, 1]}]
        if version >= 10:
            topics[0]["TopicId"] = Ref("id gen-a")
        if version < 8:
            bases = [("some", {"GroupId": "gen-offsets", "Topics": topics})]
            return bases + [("all", {"GroupId": "gen-offsets", "Topics": None})] if version >= 2 else bases
        group = {"GroupId": "gen-offsets", "Topics": topics}
        return [("some", {"Groups": [group]}), ("all", {"Groups": [{**group, "Topics": None}, group]})]

    keep = staticmethod(committed)


@of("OffsetDelete")
class OffsetDelete(Groups):
    @staticmethod
    def bases(version):
        topic = {"Name": "gen-a", "Partitions": [{"PartitionIndex": 0}]}
        return [
            ("alone", {"GroupId": Ref("fresh group"), "Topics": [topic]}),
            ("member", {"GroupId": Ref("stable group"), "Topics": [topic]}),
        ]

    @staticmethod
    def mend(body, version):
        if body.get("GroupId") == "gen-offsets":
            body["GroupId"] = "gen-none"

    def before(self, version, case):
        self.made += 1
        commit(self.s, self.ref("fresh group"))
