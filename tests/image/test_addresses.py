"""advertised.listeners=auto: clients in the places where they are, of a container that was told nothing."""

import json
import pathlib
import subprocess
import sys

from containers import STRICT, Container, network_of, within

RELAY = pathlib.Path(__file__).with_name("relay.py")


def told(namespace, bootstrap):
    """The address of the one broker that a client there is told; and that it works."""
    within(namespace, "kcat", "-b", bootstrap, "-P", "-t", "t", stdin="hello\n")
    listing = json.loads(within(namespace, "kcat", "-b", bootstrap, "-L", "-J").stdout)
    return [broker["name"] for broker in listing["brokers"]]


def test_host_sibling_and_the_container_itself_are_told_what_works(bridge):
    namespace, address = bridge.join("kafka")
    sibling, _ = bridge.join("sibling")
    with Container(options=STRICT, network=network_of(namespace)) as container:
        container.wait_for("Kafka Server started")
        assert told(sibling, f"{address}:9092") == [f"{address}:9092"]
        assert told(namespace, "127.0.0.1:9092") == ["127.0.0.1:9092"]
        command = ["ip", "netns", "exec", bridge.host, sys.executable, str(RELAY), "9092", address, "9092"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as relay:
            try:
                assert relay.stdout.readline() == "ready\n"
                assert told(bridge.host, "localhost:9092") == ["localhost:9092"]
            finally:
                relay.kill()


def test_a_pod_of_a_stateful_set_is_told_by_its_name(bridge, tmp_path):
    namespace, address = bridge.join("kafka")
    name = "kafka-0.kafka-headless.learnflow.svc.cluster.local"
    hosts = tmp_path / "hosts"
    hosts.write_text(f"# Kubernetes-managed hosts file.\n127.0.0.1\tlocalhost\n{address}\t{name}\tkafka-0\n")
    hosts.chmod(0o644)
    options = [*STRICT, "--hostname", "kafka-0", "--no-hosts", "--volume", f"{hosts}:/etc/hosts:ro"]
    with Container(options=options, network=network_of(namespace)) as container:
        container.wait_for("Kafka Server started")
        listing = json.loads(within(bridge.host, "kcat", "-b", f"{address}:9092", "-L", "-J").stdout)
        assert [broker["name"] for broker in listing["brokers"]] == [f"{name}:9092"]
        assert told(namespace, "127.0.0.1:9092") == ["127.0.0.1:9092"]
