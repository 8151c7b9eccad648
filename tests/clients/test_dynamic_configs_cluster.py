"""Configurations that change while the brokers run and need more than one of them to be seen."""

import re

import pytest

import cluster as clusters
import wire
from test_cluster import admin, cluster, create, kind, producer, send, shared_cluster  # noqa: F401


def set_all(cluster, **configs):
    port = cluster.address(next(iter(cluster.running())))[1]
    assert wire.alter(port, wire.BROKER, "", **configs) == 0


def reset(cluster, key):
    port = cluster.address(next(iter(cluster.running())))[1]
    assert wire.alter(port, wire.BROKER, "", wire.DELETE, **{key: None}) == 0


def test_min_insync_replicas_of_all_topics(cluster, admin, topic):
    create(cluster, admin, topic)
    leader = cluster.leader_of(topic, 0)
    follower = next(i for i in cluster.ids if i not in (leader, cluster.active_controller()))
    client = producer(cluster, retries=0, message_timeout_ms=10000)
    cluster.kill(follower)
    cluster.wait_isr(topic, 2)
    assert send(client, topic, [b"enough"]) == [None]
    set_all(cluster, **{"min.insync.replicas": "3"})
    clusters.wait_until("the refusal", lambda: send(client, topic, [b"too few"]) == ["NOT_ENOUGH_REPLICAS"])
    set_all(cluster, **{"min.insync.replicas": "2"})
    clusters.wait_until("the acknowledgement", lambda: send(client, topic, [b"enough"]) == [None])


def test_unclean_leader_election_of_all_topics(cluster, admin, topic):
    create(cluster, admin, topic, replicas=2, min_insync_replicas=1, durability="page-cache")
    leader = cluster.leader_of(topic, 0)
    other = next(i for i in cluster.partition(topic, 0).replicas if i != leader)
    client = producer(cluster)
    assert send(client, topic, [b"first"]) == [None]
    cluster.kill(other)
    cluster.wait_isr(topic, 1)
    assert send(client, topic, [b"only at the leader"]) == [None]
    cluster.kill(leader)
    cluster.start_node(other)
    clusters.wait_until("no leader", lambda: cluster.partition(topic, 0).leader == -1)
    set_all(cluster, **{"unclean.leader.election.enable": "true"})
    cluster.restart(other)  # elections are decided when a broker comes, or every five minutes
    try:
        clusters.wait_until("an unclean leader", lambda: cluster.partition(topic, 0).leader == other)
    finally:
        reset(cluster, "unclean.leader.election.enable")


def test_num_replica_fetchers_is_how_many_connections_follow(cluster, admin, topic):
    if cluster.kind != "barnabas":
        pytest.skip("looks at the log of Barnabas")
    create(cluster, admin, topic, partitions=12)
    node = cluster.ids[0]
    port = cluster.address(node)[1]
    log = cluster.nodes[node].log_path

    def connections():
        return len(re.findall(r"DEBUG +peer .*connected.*purpose=replica", log.read_text()))

    assert wire.alter(port, wire.LOGGER, str(node), peer="DEBUG") == 0
    try:
        before = connections()
        set_all(cluster, **{"num.replica.fetchers": "4"})
        # Three more for each of two leaders, on each shard; some shards may have fewer partitions.
        clusters.wait_until("more connections", lambda: connections() >= before + 4)
        client = producer(cluster)
        for partition in range(12):
            assert send(client, topic, [b"followed"], partition) == [None]
        set_all(cluster, **{"num.replica.fetchers": "1"})
        for partition in range(12):
            assert send(client, topic, [b"and on"], partition) == [None]
        cluster.wait_isr(topic)
    finally:
        reset(cluster, "num.replica.fetchers")
        assert wire.alter(port, wire.LOGGER, str(node), wire.DELETE, peer=None) == 0
