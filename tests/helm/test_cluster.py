"""Pods as the chart renders them, run: a quorum, the topics, a rolling restart, a lost disk."""

import os
import re
import shutil
import subprocess
import threading
import urllib.request

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, ConfigResource, ResourceType

import chart
import kubelet
from chart import Rendering
from kubelet import until
from test_render import TOPICS

BUILD = chart.ROOT / "build"
NEEDED = ["ip", "unshare", "nsenter", "runc", "busybox"]
BOOTSTRAP = "kafka.default.svc.cluster.local:9092"
NAMES = [f"kafka-controller-{i}.kafka-controller-headless.default.svc.cluster.local"
         for i in range(3)]

pytestmark = [
    pytest.mark.skipif(os.getuid() != 0, reason="namespaces are made by root"),
    pytest.mark.skipif(not (BUILD / "barnabas").exists(), reason="build/barnabas is missing"),
    pytest.mark.skipif(any(shutil.which(n) is None for n in NEEDED), reason=f"needs {NEEDED}"),
]


@pytest.fixture(scope="module")
def machine(tmp_path_factory):
    """Namespaces, and the image's file system."""
    directory = tmp_path_factory.mktemp("pods")
    directory.parent.chmod(0o755)
    directory.chmod(0o755)
    root = directory / "root"
    subprocess.run([chart.ROOT / "image/make-root", chart.ROOT, BUILD, root], check=True)
    for library in re.findall(r"/\S+", kubelet.output("ldd", "/bin/busybox")):
        target = root / library.lstrip("/")  # the image's busybox is static, this machine's may not be
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(library, target)
    kubelet.enter_namespaces()  # again for each module: new networks, the old ones are gone
    return directory, root


@pytest.fixture(scope="module")
def cluster(machine):
    directory, root = machine
    path = "/opt/kafka/bin:/usr/bin:/bin:/usr/sbin:/sbin"
    cluster = kubelet.Cluster(directory, root, path)
    cluster.apply(Rendering("values-learnflow.yaml"))
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()


def admin():
    return AdminClient({"bootstrap.servers": BOOTSTRAP})


def describe(resources):
    client = admin()
    return [(r, f.result(10)) for r, f in client.describe_configs(resources).items()]


def topics():
    found = admin().list_topics(timeout=10).topics
    return {name: topic for name, topic in found.items() if not name.startswith("__")}


def all_in_sync(count=len(TOPICS)):
    found = topics()
    return len(found) >= count and all(
        sorted(p.isrs) == sorted(p.replicas) for t in found.values() for p in t.partitions.values())


class Load:
    """A producer that goes on in the background, and knows what was acknowledged."""

    def __init__(self, topic, bootstrap=BOOTSTRAP):
        self.topic = topic
        self.acknowledged, self.failed = [], []
        self.ended = threading.Event()
        self.producer = Producer({"bootstrap.servers": bootstrap, "acks": "all",
                                  "enable.idempotence": True, "linger.ms": 1})
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def told(self, error, message):
        if error is not None:
            self.failed.append(str(error))
        else:
            self.acknowledged.append(message.value())

    def run(self):
        count = 0
        while not self.ended.is_set():
            self.producer.produce(self.topic, value=b"%d" % count, on_delivery=self.told)
            self.producer.poll(0.002)
            count += 1
        self.producer.flush(kubelet.LIMIT_S)
        self.count = count

    def end(self):
        self.ended.set()
        self.thread.join()


def everything(topic, bootstrap=BOOTSTRAP):
    """All values of a topic, from its beginning to its present end."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "x",
                         "enable.partition.eof": True, "auto.offset.reset": "earliest"})
    partitions = consumer.list_topics(topic, timeout=10).topics[topic].partitions
    consumer.assign([TopicPartition(topic, p, 0) for p in partitions])
    values, ends = [], set()
    while len(ends) < len(partitions):
        message = consumer.poll(kubelet.LIMIT_S)
        assert message is not None
        if message.error():
            ends.add(message.partition())
        else:
            values.append(message.value())
    consumer.close()
    return values


def test_three_pods_become_a_cluster_that_is_known_by_its_pods_names(cluster):
    until(lambda: len(admin().list_topics(timeout=10).brokers) == 3, "three brokers")
    brokers = admin().list_topics(timeout=10).brokers
    assert {b.id: b.host for b in brokers.values()} == dict(enumerate(NAMES))
    assert {b.port for b in brokers.values()} == {9092}


def test_each_pod_is_a_voter_of_the_quorum(cluster):
    done = subprocess.run([BUILD / "barnabasctl", "quorum", BOOTSTRAP], capture_output=True,
                          text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert all(f"{i}" in done.stdout for i in range(3)), done.stdout


def test_a_node_that_is_asked_for_metrics_answers(cluster):
    address = cluster.pods["kafka-controller-0"].address
    with urllib.request.urlopen(f"http://{address}:5556/metrics") as page:
        text = page.read().decode()
    assert re.search(r"^kafka_server_replicamanager_partitioncount \d+", text, re.M)


def test_the_topics_are_provisioned(cluster):
    assert "created" in cluster.run_job("kafka-provisioning")
    found = topics()
    assert {name: len(t.partitions) for name, t in found.items()} == TOPICS
    assert all(len(p.replicas) == 3 for t in found.values() for p in t.partitions.values())
    resources = [ConfigResource(ResourceType.TOPIC, name) for name in TOPICS]
    for resource, config in describe(resources):
        assert config["retention.ms"].value == "604800000", resource
        assert config["min.insync.replicas"].value == "2", resource


def test_an_upgrade_changes_topics_that_are_there_and_is_content_with_those_that_are_right(cluster):
    cluster.apply(Rendering("learnflow_changed.yaml"))
    assert cluster.roll() == [], "no node is restarted for a topic"
    cluster.run_job("kafka-provisioning")
    found = topics()
    assert {n: len(t.partitions) for n, t in found.items()} == {
        **TOPICS, "struggle.detected": 5, "audit": 1}
    (_, config), = describe([ConfigResource(ResourceType.TOPIC, "struggle.detected")])
    assert config["retention.ms"].value == "3600000"
    again = cluster.run_job("kafka-provisioning")
    assert "topics are as the values say" in again and "created" not in again


def test_an_upgrade_with_changed_values_rolls_the_pods_without_a_failed_produce(cluster):
    until(all_in_sync, "replicas in sync")
    load = Load("learning.requests")
    try:
        until(lambda: len(load.acknowledged) > 100, "records")
        cluster.apply(Rendering("values-learnflow.yaml",
                                sets=["overrideConfiguration.num\\.partitions=4"]))
        assert cluster.roll() == [f"kafka-controller-{i}" for i in (2, 1, 0)]
        after = len(load.acknowledged)
        until(lambda: len(load.acknowledged) > after + 100, "records after the roll")
    finally:
        load.end()
    assert load.failed == []
    assert len(load.acknowledged) == load.count
    assert sorted(everything("learning.requests")) == sorted(load.acknowledged)
    resource = ConfigResource(ResourceType.BROKER, "0")
    (_, config), = describe([resource])
    assert config["num.partitions"].value == "4"


def test_a_node_whose_disk_is_lost_joins_again_and_has_everything(cluster):
    until(all_in_sync, "replicas in sync")
    before = sorted(everything("learning.requests"))
    pod = cluster.pods["kafka-controller-1"]
    assert pod.stop() == 0
    pod.lose_disk()
    pod.start()
    until(pod.ready, "the node is ready")
    until(all_in_sync, "replicas in sync again")
    assert sorted(everything("learning.requests")) == before
    for other in (0, 2):  # now the node is needed for the quorum and has to be a voter
        assert cluster.pods[f"kafka-controller-{other}"].stop() == 0
        cluster.pods[f"kafka-controller-{other}"].start()
        until(all_in_sync, "replicas in sync")
