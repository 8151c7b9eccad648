"""
Brokers of Barnabas and of Apache Kafka beside one another: which features hold a broker back.
"""

import os

import cluster as clusters
import harness
import pytest

OTHER = 2
NOT_SERVED = ("group.version", "share.version", "streams.version", "transaction.version")


def broker_of(cluster, base):
    """A node of the other kind that is a broker only."""

    class Broker(base):
        def properties(self):
            return {
                **super().properties(),
                "process.roles": "broker",
                "listeners": f"PLAINTEXT://{clusters.HOST}:{cluster.ports[OTHER]}",
            }

    cluster.ports[OTHER], cluster.controller_ports[OTHER] = clusters.ports(2)
    made = Broker(directory=cluster.directory / str(OTHER), port=cluster.ports[OTHER])
    made.cluster, made.node_id = cluster, OTHER
    return made


class OneController(clusters.Cluster):
    """Node 1; who comes besides is no voter."""

    def properties(self, node):
        voter = f"1@{clusters.HOST}:{self.controller_ports[1]}"
        return {**super().properties(node), "controller.quorum.voters": voter}


@pytest.fixture(autouse=True)
def both(java_tools):
    if not os.environ.get("CLUSTER"):
        pytest.skip("CLUSTER=1 runs the tests of clusters")
    if not all(clusters.has_what_it_needs(kind) for kind in ("barnabas", "kafka")):
        pytest.skip("needs both brokers' programs")


def brokers(cluster):
    return set(cluster.metadata(node=1, topics=[]).brokers)


def test_a_broker_of_ours_comes_when_features_that_it_does_not_serve_are_off():
    with OneController("kafka", nodes=1, quorum="static") as cluster:
        ours = broker_of(cluster, clusters.BarnabasNode)
        try:
            ours.start(wait=False)
            assert ours.process.wait(60) != 0
            reason = next(line for line in ours.log().splitlines() if "not registered:" in line)
            assert all(f"{name}=" in reason for name in NOT_SERVED), reason
            assert "metadata.version" not in reason
            ours.process = None
            off = [arg for name in NOT_SERVED for arg in ("--feature", name)]
            harness.run_tool("kafka-features", "--bootstrap-server", cluster.bootstrap, "disable", *off)
            ours.start(wait=False)
            clusters.wait_until("both brokers", lambda: brokers(cluster) == {1, OTHER})
        finally:
            ours.kill()


def test_a_broker_of_kafka_comes_to_controllers_of_ours():
    with OneController("barnabas", nodes=1, quorum="static") as cluster:
        kafka = broker_of(cluster, clusters.KafkaNode)
        try:
            kafka.start(wait=False)
            clusters.wait_until("both brokers", lambda: brokers(cluster) == {1, OTHER})
        finally:
            kafka.kill()
