"""
A quorum of two nodes of Barnabas and a controller of Apache Kafka: whoever leads, the others follow,
and all have the same log.
"""

import json
import os
import shutil

import cluster as clusters
import harness
import pytest
from confluent_kafka.admin import AdminClient, NewTopic

KAFKA = 3
LOG = "__cluster_metadata-0/00000000000000000000.log"


class KafkaController(clusters.KafkaNode):
    """Without a broker: that would have to know all features of ours, and ours all of its."""

    def properties(self):
        port = self.cluster.controller_ports[self.node_id]
        return {
            **super().properties(),
            "process.roles": "controller",
            "listeners": f"CONTROLLER://{clusters.HOST}:{port}",
        }


@pytest.fixture(params=["static", "dynamic"])
def mixed(request):
    if not os.environ.get("CLUSTER"):
        pytest.skip("CLUSTER=1 runs the tests of clusters")
    if not all(clusters.has_what_it_needs(kind) for kind in ("barnabas", "kafka")):
        pytest.skip("needs both brokers' programs")
    cluster = clusters.Cluster("barnabas", quorum=request.param)
    kafka = KafkaController(directory=cluster.directory / str(KAFKA), port=0)
    kafka.cluster, kafka.node_id = cluster, KAFKA
    cluster.nodes[KAFKA] = kafka
    try:
        for node in cluster.nodes.values():
            node.start(wait=False)
        clusters.wait_until("both brokers", lambda: brokers(cluster, 1) == {1, 2})
        yield cluster
    finally:
        for node in cluster.nodes.values():
            node.kill()
        shutil.rmtree(cluster.directory, ignore_errors=True)


def brokers(cluster, node):
    return set(cluster.metadata(node=node, topics=[]).brokers)


def create(cluster, node, topic):
    admin = AdminClient({"bootstrap.servers": cluster.nodes[node].bootstrap})
    admin.create_topics([NewTopic(topic, 2, 1)], request_timeout=30)[topic].result(30)


def leader(cluster, node):
    """As that node has it on its disk."""
    state = cluster.nodes[node].data / "__cluster_metadata-0/quorum-state"
    return json.loads(state.read_text())["leaderId"]


def wait_same(cluster, *nodes):
    """Until their logs are byte for byte the same; records of idle controllers are in between."""
    def same():
        sizes = [(cluster.nodes[i].data / LOG).read_bytes() for i in nodes]
        shortest = min(map(len, sizes))
        return shortest > 0 and all(log[:shortest] == sizes[0][:shortest] for log in sizes) and (
            max(map(len, sizes)) - shortest < 500
        )

    clusters.wait_until(f"the same log on {nodes}", same)


def kafka_leads(cluster):
    """The log of node 2 is made to lack a record that the others have: it can only vote."""
    cluster.kill(2)
    create(cluster, 1, "while-2-is-away")
    wait_same(cluster, 1, KAFKA)
    cluster.kill(1)
    cluster.start_node(2, wait=False)
    clusters.wait_until("Kafka leads", lambda: leader(cluster, 2) == KAFKA)


def test_whoever_leads_the_others_have_the_same_log(mixed):
    create(mixed, 1, "first")
    wait_same(mixed, 1, 2, KAFKA)
    kafka_leads(mixed)
    clusters.wait_until("node 2 serves", lambda: 2 in brokers(mixed, 2))
    create(mixed, 2, "under-kafka")
    mixed.start_node(1, wait=False)
    clusters.wait_until("both brokers", lambda: brokers(mixed, 2) == {1, 2})
    wait_same(mixed, 1, 2, KAFKA)
    mixed.kill(KAFKA)
    clusters.wait_until("one of ours leads", lambda: leader(mixed, 1) in (1, 2))
    create(mixed, 1, "without-kafka")
    mixed.start_node(KAFKA, wait=False)
    create(mixed, 2, "last")
    wait_same(mixed, 1, 2, KAFKA)


def test_kafkas_tool_reads_the_log_and_the_quorum(mixed, java_tools):
    create(mixed, 1, "told")
    wait_same(mixed, 1, 2, KAFKA)
    log = mixed.nodes[1].data / LOG
    text = harness.run_tool("kafka-dump-log", "--cluster-metadata-decoder", "--files", str(log)).stdout
    assert "LeaderChange" in text and '"name":"told"' in text
    assert ("KRaftVoters" in text) == (mixed.quorum_kind == "dynamic")
    text = harness.run_tool("kafka-metadata-quorum", "--bootstrap-server", mixed.nodes[2].bootstrap,
                            "describe", "--replication").stdout
    assert sorted(line.split()[0] for line in text.splitlines()[1:] if line)[:3] == ["1", "2", "3"]


def upgrade_kraft_version(cluster, node):
    """Refused until the leader knows all voters, and what the controllers of others support."""
    def goes_up():
        return harness.run_tool("kafka-features", "--bootstrap-server", cluster.nodes[node].bootstrap,
                                "upgrade", "--feature", "kraft.version=1",
                                check=False).returncode == 0

    clusters.wait_until("kraft.version goes up", goes_up)


@pytest.mark.parametrize("mixed", ["static"], indirect=True)
def test_kraft_version_goes_up_under_kafka(mixed, java_tools):
    create(mixed, 1, "first")
    wait_same(mixed, 1, 2, KAFKA)
    kafka_leads(mixed)
    mixed.start_node(1, wait=False)
    clusters.wait_until("both brokers", lambda: brokers(mixed, 2) == {1, 2})
    upgrade_kraft_version(mixed, 2)
    create(mixed, 2, "second")
    wait_same(mixed, 1, 2, KAFKA)


@pytest.mark.parametrize("mixed", ["static"], indirect=True)
def test_kraft_version_goes_up_under_ours(mixed, java_tools):
    create(mixed, 1, "first")
    wait_same(mixed, 1, 2, KAFKA)
    mixed.kill(KAFKA)  # whoever led, one of ours does now
    clusters.wait_until("one of ours leads", lambda: leader(mixed, 1) in (1, 2))
    mixed.start_node(KAFKA, wait=False)

    upgrade_kraft_version(mixed, 2)
    create(mixed, 2, "second")
    wait_same(mixed, 1, 2, KAFKA)
    assert b"CONTROLLER" in (mixed.nodes[2].data / LOG).read_bytes()
    mixed.restart(1)
    for node in 1, KAFKA:
        mixed.kill(node)
        create(mixed, 2, f"without-{node}")
        mixed.start_node(node, wait=False)
        wait_same(mixed, 1, 2, KAFKA)
