"""
Three nodes of Barnabas as one broker, for answers that Kafka gave with a single node.

All requests go to node 1, the home. What is created gets its replicas as that node would have placed
them, and two more on the others: every partition and every group has its leader at home, and is
replicated. In answers, three replicas and three nodes are told as the one (as_one); nothing else is.
Between scenarios a node dies and comes back: the home, a follower and the active controller in turn.
"""

import brokers  # also the path to the client tests
import cluster as clusters
import cluster_wire
import harness
import session

HOME = 1
OTHERS = [40001, 40002]  # ids that no case has for a node that does not exist
NODES = [HOME, *OTHERS]
GROUPS = "__consumer_offsets"
ROLES = ("home", "controller", "follower")


class _Cluster(clusters.Cluster):
    """With the reference's properties, but for those of a quorum of three."""

    def properties(self, node):
        ours = super().properties(node)
        return {
            **harness.ApacheKafka.properties(self.nodes[node]),
            "node.id": node,
            "listeners": ours["listeners"],
            "controller.quorum.voters": ours["controller.quorum.voters"],
        }


class ThreeNodes:
    name = "three nodes"

    def __init__(self, fail_over=True, **settings):
        self.cluster = _Cluster(quorum="static", ids=NODES, **settings)
        self.home = self.cluster.nodes[HOME]
        for i, node in self.cluster.nodes.items():
            node.controller_port = self.cluster.controller_ports[i]
        ports = self.cluster.controller_ports
        self.texts = [("".join(f",{i}@{clusters.HOST}:{ports[i]}" for i in OTHERS), "")]  # of the voters
        self.fails_over = fail_over
        self.turn = 0

    data = property(lambda self: self.home.data)
    directory = property(lambda self: self.home.directory)
    port = property(lambda self: self.home.port)
    controller_port = property(lambda self: self.home.controller_port)

    def __enter__(self):
        self.cluster.__enter__()
        s = session.Session(self, {})
        partitions = 50  # offsets.topic.num.partitions
        topic = {"Name": GROUPS, "NumPartitions": partitions, "ReplicationFactor": 1, "Assignments": [],
                 "Configs": [{"Name": "cleanup.policy", "Value": "compact"}]}  # fmt: skip
        answer = s.ask("CreateTopics", 7, {"Topics": [topic], "timeoutMs": 10000})
        assert answer["Topics"][0]["ErrorCode"] == 0, answer
        s.close()
        self.cluster.wait_isr(GROUPS)
        return self

    def __exit__(self, *what):
        self.cluster.__exit__(*what)

    def stop(self):
        complaints = self.cluster.stop_all()
        assert not complaints, complaints

    # ---- Requests and answers ------------------------------------------------------------------

    def placed(self, api, version, body):
        """A request that lets the cluster place replicas of one, with places at home and elsewhere."""
        place = {"CreateTopics": self._placed_topic, "CreatePartitions": self._placed_partitions}.get(api)
        if place is None or not isinstance(body, dict) or not body.get("Topics"):
            return body
        return {**body, "Topics": [place(t) for t in body["Topics"]]}

    @staticmethod
    def _placed_topic(topic):
        count = topic.get("NumPartitions", 0)
        count = 1 if count == -1 else count  # num.partitions
        replicas = topic.get("ReplicationFactor", 0)
        if topic.get("Assignments", []) == [] and 1 < replicas < 0x7FFF - len(OTHERS):  # more than there are nodes
            return {**topic, "ReplicationFactor": replicas + len(OTHERS)}
        if topic.get("Assignments", []) != [] or replicas not in (1, -1) or not 0 < count <= 1000:
            return topic
        places = [{"PartitionIndex": i, "BrokerIds": NODES} for i in range(count)]
        return {**topic, "NumPartitions": -1, "ReplicationFactor": -1, "Assignments": places}

    def _placed_partitions(self, topic):
        if topic.get("Assignments") is not None:
            places = [{"BrokerIds": NODES if a.get("BrokerIds") == [HOME] else a.get("BrokerIds")}
                      for a in topic["Assignments"]]  # fmt: skip
            return {**topic, "Assignments": places}
        name = topic.get("Name") or ""
        known = self.cluster.metadata(HOME, [name]).topics if 0 < len(name) < 250 else {}
        more = topic.get("Count", 0) - len(known.get(name, {}))
        if not known or not 0 < more <= 1000:
            return topic
        return {**topic, "Assignments": [{"BrokerIds": NODES}] * more}

    def as_one(self, value, field=""):
        """An answer with one node for the three."""
        if isinstance(value, dict):
            out = {k: self.as_one(v, k) for k, v in value.items()}
            if out.get("ControllerId") in OTHERS:
                out["ControllerId"] = HOME
            if out.get("ReplicationFactor") == len(NODES):
                out["ReplicationFactor"] = 1
            return out
        if isinstance(value, list):
            if sorted(map(str, value)) == sorted(map(str, NODES)):
                return [HOME]
            key = {"Brokers": ("NodeId", "BrokerId"), "CurrentVoters": ("ReplicaId",), "Nodes": ("NodeId",)}
            if field in key:
                ids = key[field]
                value = [v for v in value if not any(v.get(k) in OTHERS for k in ids)]
            if field == "ConfigResources":
                value = [v for v in value if v.get("ResourceName") not in map(str, OTHERS)]
            return [self.as_one(v, field) for v in value]
        return value

    def bring_home(self, name):
        """A topic that the cluster placed by itself, as a request for metadata made it."""
        topics = self.cluster.metadata(topics=[name]).topics
        away = [i for i, p in topics.get(name, {}).items() if HOME not in p.replicas]
        if not away:
            return
        s = session.Session(self, {})
        parts = [{"PartitionIndex": i, "Replicas": NODES} for i in away]
        s.ask("AlterPartitionReassignments", 0, {"Topics": [{"Name": name, "Partitions": parts}], "TimeoutMs": 30000})
        self.cluster.wait_isr(name)
        s.close()
        self.lead_again()

    # ---- Failovers -----------------------------------------------------------------------------

    def between(self, keep_home):
        """The next node dies and comes back; afterwards the home leads everything again."""
        if not self.fails_over:
            return ""
        role = ROLES[self.turn % len(ROLES)]
        self.turn += 1
        active = self.cluster.active_controller()
        victim = {"home": HOME, "controller": active}.get(role) or next(i for i in OTHERS if i != active)
        if victim == HOME and keep_home:
            role, victim = "follower", OTHERS[self.turn % len(OTHERS)]
        self.cluster.kill(victim)
        self.cluster.active_controller()
        self.cluster.start_node(victim)
        self.cluster.heal()
        if victim == HOME:
            self.lead_again()
        return f"{role} {victim} was killed"

    def lead_again(self):
        s = session.Session(self, {})
        body = {"ElectionType": 0, "TopicPartitions": None, "TimeoutMs": 30000}

        def home_leads():
            s.ask("ElectLeaders", 2, body)
            topics = cluster_wire.metadata(self.cluster.address(HOME)).topics
            away = [f"{name}-{i}: {p}" for name, t in topics.items() for i, p in t.items()
                    if p.replicas[0] == HOME != p.leader]  # fmt: skip
            assert not away, away[:3]
            return True

        clusters.wait_until("the home leads", home_leads, pause_s=0.1)
        s.close()




def three_nodes():
    return ThreeNodes(**brokers.SETTINGS)
