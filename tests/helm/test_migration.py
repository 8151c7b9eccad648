"""Apache Kafka on the volumes of a StatefulSet, replaced by Barnabas pod by pod, as `helm upgrade` over
a release of Bitnami's chart does it."""

import base64
import os
import pathlib
import shutil
import socket
import subprocess

import pytest

import chart
import kubelet
from chart import Rendering
from kubelet import until
from test_cluster import (BOOTSTRAP, Load, admin, all_in_sync, everything, machine,  # noqa: F401
                          pytestmark as needs)

LIBS = pathlib.Path(os.environ.get("KAFKA_LIBS", chart.ROOT / ".cache/kafka-libs"))

pytestmark = needs + [
    pytest.mark.skipif(shutil.which("java") is None or not any(LIBS.glob("kafka_*.jar")),
                       reason="Apache Kafka is missing"),
]


def java(main, *arguments):
    return ["java", "-Xmx320m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp", f"{LIBS}/*",
            main, *map(str, arguments)]


class KafkaPod(kubelet.Pod):
    """Apache Kafka where Bitnami's chart runs it: same name, same volume, same properties."""

    def start(self):
        self.join_network()
        self.make_volumes()
        data = self.volumes["data"]
        properties = self.cluster.rendering.properties()
        properties = {k: v.replace("advertised-address-placeholder", self.dns_name())
                      for k, v in properties.items() if k != "controller.quorum.auto.join.enable"}
        properties["log.dirs"] = f"{data}/data"
        properties["node.id"] = self.name.rsplit("-", 1)[1]
        path = self.directory / "server.properties"
        path.write_text("".join(f"{k}={v}\n" for k, v in properties.items()))
        secret = self.volumes["kraft"]
        voters = ",".join(
            f"{i}@{name}:{(secret / f'controller-{i}-id').read_text()}" for i, name in enumerate(
                properties["controller.quorum.bootstrap.servers"].split(",")))
        kubelet.run(*java("kafka.tools.StorageTool", "format", "-c", path, "--ignore-formatted",
                          "-t", (secret / "cluster-id").read_text(),
                          "--initial-controllers", voters, "--release-version", "4.0"))
        self.log = self.directory / "kafka.log"
        command = ["nsenter", "--target", str(self.holder.pid), "--net", "unshare", "--uts",
                   "sh", "-c", 'hostname "$0" && exec "$@"', self.name,
                   *java("kafka.Kafka", path)]
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log)

    def ready(self):
        assert self.process.poll() is None, f"{self.name} ended: {self.log.read_text()}"
        try:
            socket.create_connection((self.address, 9092), 5).close()
            return True
        except OSError:
            return False

    def kill(self):
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait(kubelet.LIMIT_S)
            self.forget()

    def stop(self):
        self.process.terminate()
        self.process.wait(kubelet.LIMIT_S)
        self.forget()


def test_barnabas_takes_over_the_volumes_of_kafka_pod_by_pod(machine):
    directory, root = machine
    cluster = kubelet.Cluster(directory, root, "/usr/bin:/bin")
    cluster.rendering = Rendering(sets=["overrideConfiguration.log\\.retention\\.hours=168"])
    cluster.apply(cluster.rendering)
    for i in range(3):  # as Bitnami's chart draws them: not what Kafka itself would write
        drawn = f"{i}abcdefghijklmnopqrst7".encode()
        cluster.object("Secret", "kafka-kraft")["data"][f"controller-{i}-id"] = (
            base64.b64encode(drawn).decode())
    cluster.make_pod = KafkaPod
    load = None
    try:
        cluster.start()
        until(lambda: len(admin().list_topics(timeout=30).brokers) == 3, "three brokers of Kafka")
        client = admin()
        for future in client.create_topics([kubelet.topic("orders", 3, 3)]).values():
            future.result(kubelet.LIMIT_S)
        until(lambda: all_in_sync(1), "replicas in sync")
        load = Load("orders")
        until(lambda: len(load.acknowledged) > 100, "records")
        # What Barnabas does not serve yet, and Kafka's clusters have on from the beginning.
        kubelet.run(*java("org.apache.kafka.tools.FeatureCommand", "--bootstrap-server", BOOTSTRAP,
                          "disable", "--feature", "group.version", "--feature",
                          "transaction.version"))
        for name in sorted(cluster.pods, reverse=True):
            old = cluster.pods[name]
            old.stop()
            pod = cluster.pods[name] = kubelet.Pod(cluster, old.owner, name.rsplit("-", 1)[1])
            pod.start()
            until(pod.ready, f"{name} is ready: {pod.log.read_text()[-2000:]}")
        after = len(load.acknowledged)
        until(lambda: len(load.acknowledged) > after + 100, "records of Barnabas alone")
        load.end()
        assert load.failed == [] and len(load.acknowledged) == load.count
        assert sorted(everything("orders")) == sorted(load.acknowledged)
        done = subprocess.run([chart.ROOT / "build/barnabasctl", "quorum", BOOTSTRAP],
                              capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
    finally:
        if load is not None and not load.ended.is_set():
            load.end()
        cluster.stop()
