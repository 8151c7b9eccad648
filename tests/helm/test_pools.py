"""Controllers and brokers in pools of their own, run: racks, clients outside, a rolling upgrade of both."""

import http.server
import json
import socket
import subprocess
import threading

import pytest
from confluent_kafka.admin import AdminClient, ConfigResource, ResourceType

import kubelet
from chart import Rendering
from kubelet import NETWORK, until
from test_cluster import (BOOTSTRAP, BUILD, Load, admin, all_in_sync, describe, everything,  # noqa: F401
                          machine, pytestmark)

VALUES = "pools_exposed.yaml"
HOST = f"{NETWORK}.1"
NODE_PORTS = f"{HOST}:31090,{HOST}:31092"
LOAD_BALANCERS = [f"b{i}.example.com" for i in range(3)]
ZONES = {"kafka-broker-0": "use1-az1", "kafka-broker-1": "use1-az2", "kafka-broker-2": "use1-az1"}
METADATA = "169.254.169.254"


class Metadata(http.server.BaseHTTPRequestHandler):
    """AWS' service, version 2: a token is PUT first, then asked with."""

    def answer(self, text, code=200):
        self.send_response(code)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def do_PUT(self):
        known = self.path == "/latest/api/token" and self.headers["X-aws-ec2-metadata-token-ttl-seconds"]
        self.answer("a-token==" if known else "", 200 if known else 400)

    def do_GET(self):
        pods = {pod.address: pod.name for pod in self.server.cluster.pods.values()}
        if self.headers["X-aws-ec2-metadata-token"] != "a-token==":
            self.answer("Unauthorized", 401)
        elif self.path != "/latest/meta-data/placement/availability-zone-id":
            self.answer("Not Found", 404)
        else:
            self.answer(ZONES[pods[self.client_address[0]]])

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def cluster(machine):  # noqa: F811
    directory, root = machine
    cluster = kubelet.Cluster(directory, root, "/opt/kafka/bin:/usr/bin:/bin:/usr/sbin:/sbin")
    kubelet.run("ip", "addr", "add", METADATA + "/32", "dev", kubelet.BRIDGE)
    with http.server.ThreadingHTTPServer((METADATA, 80), Metadata) as service:
        service.cluster = cluster
        threading.Thread(target=service.serve_forever, daemon=True).start()
        cluster.apply(Rendering(VALUES))
        cluster.expose()
        try:
            cluster.start()
            yield cluster
        finally:
            cluster.stop()
            service.shutdown()


def addresses(bootstrap):
    """Of the brokers, as clients that come this way are told."""
    brokers = AdminClient({"bootstrap.servers": bootstrap}).list_topics(timeout=60).brokers
    return {broker.id: f"{broker.host}:{broker.port}" for broker in brokers.values()}


def roles():
    """In the metadata quorum."""
    done = subprocess.run([BUILD / "barnabasctl", "quorum", BOOTSTRAP, "--json"],
                          capture_output=True, text=True)
    found = {}
    for node in json.loads(done.stdout)["nodes"] if done.returncode == 0 else []:
        role = "observer" if node["role"] == "observer" else "voter"  # or leader
        found[role] = sorted(found.get(role, []) + [node["node"]])
    return found


def test_brokers_serve_and_controllers_decide(cluster):
    until(lambda: len(addresses(BOOTSTRAP)) == 3, "three brokers")
    domain = "kafka-broker-headless.default.svc.cluster.local"
    assert addresses(BOOTSTRAP) == {
        100 + i: f"kafka-broker-{i}.{domain}:9092" for i in range(3)}
    wanted = {"observer": [100, 101, 102], "voter": [0, 1, 2]}
    until(lambda: roles() == wanted, "three voters that three brokers follow")
    for i in range(3):
        address = cluster.pods[f"kafka-controller-{i}"].address
        with pytest.raises(OSError):  # controllers have no port for clients
            socket.create_connection((address, 9092), 10)


def test_the_topics_are_provisioned_over_racks(cluster):
    cluster.run_job("kafka-provisioning")
    client = admin()
    nodes = client.describe_cluster().result(60).nodes
    racks = {node.id: node.rack for node in nodes}
    assert racks == {100 + i: ZONES[f"kafka-broker-{i}"] for i in range(3)}
    found = admin().list_topics(timeout=60).topics
    assert len(found["orders"].partitions) == len(found["pairs"].partitions) == 6
    for partition in found["pairs"].partitions.values():
        assert {racks[i] for i in partition.replicas} == {"use1-az1", "use1-az2"}


def test_keys_of_config_maps_and_secrets_count(cluster):
    (_, config), = describe([ConfigResource(ResourceType.BROKER, "100")])
    assert config["log.retention.hours"].value == "47"
    assert config["connections.max.idle.ms"].value == "540000"
    assert config["num.partitions"].value == "2", "a variable wins, as in Bitnami's image"


def test_clients_outside_are_told_node_ports_and_need_nothing_else(cluster):
    until(lambda: len(addresses(NODE_PORTS)) == 3, "three brokers")
    assert addresses(NODE_PORTS) == {100 + i: f"{HOST}:{31090 + i}" for i in range(3)}
    before = {name: f.connections for name, f in cluster.forwarders.items()}
    load = Load("pairs", NODE_PORTS)
    until(lambda: len(load.acknowledged) > 500, "records")
    load.end()
    assert load.failed == []
    assert sorted(everything("pairs", NODE_PORTS)) == sorted(load.acknowledged)
    for name, forwarder in cluster.forwarders.items():
        assert forwarder.connections > before[name], name


def test_both_pools_are_upgraded_at_once_without_a_failed_produce(cluster):
    until(lambda: all_in_sync(2), "replicas in sync")
    before = everything("orders")
    loads = [Load("orders"), Load("orders", NODE_PORTS)]
    try:
        until(lambda: all(len(load.acknowledged) > 100 for load in loads), "records")
        cluster.apply(Rendering(VALUES, sets=["overrideConfiguration.log\\.segment\\.bytes=1048576"]))
        rolled = cluster.roll()
        for pool in ("controller", "broker"):
            assert [name for name in rolled if pool in name] == [
                f"kafka-{pool}-{i}" for i in (2, 1, 0)]
        after = [len(load.acknowledged) for load in loads]
        until(lambda: all(len(load.acknowledged) > a + 100 for load, a in zip(loads, after)),
              "records after the roll")
    finally:
        for load in loads:
            load.end()
    for load in loads:
        assert load.failed == []
        assert len(load.acknowledged) == load.count
    acknowledged = [value for load in loads for value in load.acknowledged]
    assert sorted(everything("orders")) == sorted(before + acknowledged)


def test_load_balancers_take_the_place_of_node_ports(cluster):
    """Only brokers are restarted for it; clients outside go on by the new names."""
    until(lambda: all_in_sync(2), "replicas in sync")
    service = "externalAccess.broker.service."
    cluster.apply(Rendering(VALUES, sets=[
        "overrideConfiguration.log\\.segment\\.bytes=1048576", service + "type=LoadBalancer",
        service + "loadBalancerNames={" + ",".join(LOAD_BALANCERS) + "}",
        "defaultInitContainers.autoDiscovery.enabled=false"]))
    assert sorted(cluster.roll()) == [f"kafka-broker-{i}" for i in range(3)]
    cluster.expose(LOAD_BALANCERS)
    bootstrap = LOAD_BALANCERS[1] + ":9094"
    until(lambda: len(addresses(bootstrap)) == 3, "three brokers")
    assert addresses(bootstrap) == {100 + i: f"{LOAD_BALANCERS[i]}:9094" for i in range(3)}
    before = everything("pairs", bootstrap)
    load = Load("pairs", bootstrap)
    until(lambda: len(load.acknowledged) > 500, "records")
    load.end()
    assert load.failed == []
    assert sorted(everything("pairs", bootstrap)) == sorted(before + load.acknowledged)


def test_a_controller_and_a_broker_whose_disks_are_lost_join_again(cluster):
    until(lambda: all_in_sync(2), "replicas in sync")
    before = sorted(everything("orders"))
    for name in ("kafka-controller-1", "kafka-broker-1"):
        pod = cluster.pods[name]
        assert pod.stop() == 0
        pod.lose_disk()
        pod.start()
        until(pod.ready, f"{name} is ready")
    until(lambda: all_in_sync(2), "replicas in sync again")
    assert sorted(everything("orders")) == before
    for other in (0, 2):  # now the controller is needed for the quorum and has to be a voter
        pod = cluster.pods[f"kafka-controller-{other}"]
        assert pod.stop() == 0
        pod.start()
        until(pod.ready, "the controller is ready")
    load = Load("orders")
    until(lambda: len(load.acknowledged) > 100, "records")
    load.end()
    assert load.failed == []


def test_a_broker_whose_zone_nobody_knows_does_not_start(cluster):
    pod = cluster.pods["kafka-broker-2"]
    assert pod.stop() == 0
    zone = ZONES.pop(pod.name)
    try:
        with pytest.raises(AssertionError, match="does not say the zone"):
            pod.start()
        pod.forget()
    finally:
        ZONES[pod.name] = zone
    pod.start()
    until(pod.ready, "the broker is ready")
