"""What the image is: small, quick, and told by variables as the images it stands in for."""

import json
import time

import pytest
from confluent_kafka import Producer

from conftest import free_port
from containers import IMAGE, PODMAN, STRICT, Container, run, run_once

SIZE_MAX = 20_000_000
NAMES = """kafka-acls kafka-broker-api-versions kafka-client-metrics kafka-cluster kafka-configs
    kafka-console-consumer kafka-console-producer kafka-console-share-consumer kafka-consumer-groups
    kafka-consumer-perf-test kafka-delegation-tokens kafka-delete-records kafka-dump-log kafka-e2e-latency
    kafka-features
    kafka-get-offsets kafka-groups kafka-leader-election kafka-log-dirs kafka-metadata-quorum
    kafka-metadata-shell kafka-producer-perf-test kafka-reassign-partitions kafka-server-start
    kafka-server-stop kafka-share-groups kafka-storage kafka-streams-application-reset kafka-streams-groups
    kafka-topics kafka-transactions kafka-verifiable-consumer kafka-verifiable-producer""".split()


def test_it_is_at_most_20_megabytes():
    size = int(run(*PODMAN, "image", "inspect", "--format", "{{.Size}}", IMAGE).stdout)
    print(f"\nimage: {size / 1e6:.1f} MB")
    assert size <= SIZE_MAX


def test_it_runs_as_user_1001():
    config = json.loads(run(*PODMAN, "image", "inspect", IMAGE).stdout)[0]["Config"]
    assert config["User"] == "1001"


def test_it_has_two_shells_and_kafkas_names():
    places = "/opt/kafka/bin/$n.sh /opt/bitnami/kafka/bin/$n.sh /usr/bin/$n"
    script = f"for n in {' '.join(NAMES)}; do for f in {places}; do test -x $f || echo $f; done; done"
    for shell in ("sh", "bash"):
        assert run_once(shell, "-c", script) == ""
    assert "barnabas" in run_once("barnabas", "--version")


def test_the_first_record_is_acknowledged_soon(volume):
    port = free_port()
    env = {"KAFKA_LISTENERS": f"PLAINTEXT://127.0.0.1:{port}"}
    container = Container(env=env, options=[*STRICT, *volume.at("/var/lib/kafka/data")])
    producer = Producer(
        {
            "bootstrap.servers": f"127.0.0.1:{port}",
            "reconnect.backoff.ms": 5,
            "reconnect.backoff.max.ms": 5,
            "topic.metadata.refresh.fast.interval.ms": 5,
            "retry.backoff.ms": 5,
            "log_level": 0,
        }
    )
    acknowledged = []
    began = time.monotonic()
    with container:
        started = time.monotonic()
        producer.produce("first", b"record", on_delivery=lambda error, _: acknowledged.append(error))
        assert producer.flush(60) == 0
        ended = time.monotonic()
        assert acknowledged == [None]
        took = [line for line in container.log().splitlines() if "Kafka Server started" in line][0]
        print(
            f"\nfrom podman's start to the first acknowledged record: {(ended - began) * 1000:.0f} ms, of which"
            f" podman took {(started - began) * 1000:.0f} ms and the broker's start {took.split('took_ms=')[1]} ms"
        )


SETTINGS = {
    "LISTENERS": "PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}",
    "LISTENER_SECURITY_PROTOCOL_MAP": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
    "CONTROLLER_LISTENER_NAMES": "CONTROLLER",
    "CONTROLLER_QUORUM_VOTERS": "3@127.0.0.1:{controller}",
    "PROCESS_ROLES": "controller,broker",
    "NODE_ID": "3",
    "NUM_PARTITIONS": "7",
    "NO_SUCH_KEY": "1",
}
CLUSTER_ID = "4L6g3nShT-eMCtK--X86sw"


@pytest.mark.parametrize(
    "prefix, cluster_id, data, command",
    [
        ("KAFKA_CFG_", "KAFKA_KRAFT_CLUSTER_ID", "/bitnami/kafka", []),
        ("KAFKA_CFG_", "KAFKA_CLUSTER_ID", "/bitnami/kafka", ["/opt/bitnami/scripts/kafka/run.sh"]),
        ("KAFKA_", "CLUSTER_ID", "/var/lib/kafka/data", []),
        ("KAFKA_", "CLUSTER_ID", "/tmp/kraft-combined-logs", ["/etc/kafka/docker/run"]),
        ("KAFKA_", "CLUSTER_ID", "/var/lib/kafka/data", ["/etc/confluent/docker/run"]),
    ],
)
def test_variables_of_each_dialect_make_the_node(volume, prefix, cluster_id, data, command):
    ports = {"port": free_port(), "controller": free_port()}
    env = {prefix + name: value.format(**ports) for name, value in SETTINGS.items()}
    env["KAFKA_HEAP_OPTS"] = "-Xmx1g"
    env[cluster_id] = CLUSTER_ID
    with Container(*command, env=env, options=[*STRICT, *volume.at(data)]) as container:
        container.wait_for("Kafka Server started")
        meta = run("sh", "-c", f"cat {volume.path}/meta.properties {volume.path}/data/meta.properties 2>&1",
                   check=False).stdout  # fmt: skip
        assert f"cluster.id={CLUSTER_ID}" in meta
        assert "node.id=3" in meta
        run("kcat", "-b", f"127.0.0.1:{ports['port']}", "-P", "-t", "made", stdin="x\n")
        listing = json.loads(run("kcat", "-b", f"127.0.0.1:{ports['port']}", "-L", "-J").stdout)
        made = [topic for topic in listing["topics"] if topic["topic"] == "made"]
        assert len(made[0]["partitions"]) == 7
        assert container.log().count("no.such.key") == 1, "an unknown key is named once"
        assert "Xmx" not in container.log() and "heap" not in container.log()
        assert container.stop() == 0


@pytest.mark.parametrize(
    "place, data, command, partitions",
    [
        ("/bitnami/kafka/config", "/bitnami/kafka/data", ["/opt/bitnami/scripts/kafka/run.sh"], 5),
        ("/mnt/shared/config", "/var/lib/kafka/data", ["/etc/kafka/docker/run"], 7),
    ],
)
def test_a_mounted_file_is_read(volume, tmp_path, place, data, command, partitions):
    port = free_port()
    file = tmp_path / "server.properties"
    file.write_text(f"listeners=PLAINTEXT://127.0.0.1:{port}\nnum.partitions=5\nlog.dirs={data}\n")
    file.chmod(0o644)
    options = [*STRICT, *volume.at(data), "--volume", f"{file}:{place}/server.properties:ro"]
    env = {"KAFKA_NUM_PARTITIONS": "7"}
    with Container(*command, env=env, options=options) as container:
        container.wait_for("Kafka Server started")
        run("kcat", "-b", f"127.0.0.1:{port}", "-P", "-t", "made", stdin="x\n")
        listing = json.loads(run("kcat", "-b", f"127.0.0.1:{port}", "-L", "-J").stdout)
        assert len(listing["topics"][0]["partitions"]) == partitions


def test_what_bitnamis_entry_point_does_before_the_start(volume, tmp_path):
    """Values that commands print, a user's scripts once for a volume, and a dynamic quorum's voters."""
    ports = {"port": free_port(), "controller": free_port()}
    script = tmp_path / "first.sh"
    script.write_text("#!/bin/bash\necho ran >>/bitnami/kafka/ran\n")
    script.chmod(0o755)
    names = ("LISTENERS", "LISTENER_SECURITY_PROTOCOL_MAP", "CONTROLLER_LISTENER_NAMES", "PROCESS_ROLES")
    env = {f"KAFKA_CFG_{name}": SETTINGS[name].format(**ports) for name in names}
    env["KAFKA_CFG_CONTROLLER_QUORUM_BOOTSTRAP_SERVERS"] = f"127.0.0.1:{ports['controller']}"
    env["KAFKA_NODE_ID_COMMAND"] = "echo $((4 + 1))"
    env["KAFKA_KRAFT_CLUSTER_ID"] = CLUSTER_ID
    env["KAFKA_INITIAL_CONTROLLERS"] = f"5@127.0.0.1:{ports['controller']}:JEXY6aqzQY-32P5TStzaFg"
    options = [*STRICT, *volume.at("/bitnami/kafka"), "--volume", f"{script}:/docker-entrypoint-initdb.d/first.sh:ro"]
    for _ in range(2):
        with Container("/opt/bitnami/scripts/kafka/run.sh", env=env, options=options) as container:
            container.wait_for("Kafka Server started")
            meta = run("cat", f"{volume.path}/data/meta.properties").stdout
            assert "node.id=5" in meta
            assert "directory.id=JEXY6aqzQY-32P5TStzaFg" in meta
            assert container.stop() == 0
    assert run("cat", f"{volume.path}/ran").stdout == "ran\n"


def test_what_is_impossible_ends_the_start_with_what_to_do():
    env = {"KAFKA_ADVERTISED_LISTENERS": "PLAINTEXT://0.0.0.0:9092", "KAFKA_LISTENERS": "PLAINTEXT://:9092"}
    container = Container(env=env, options=STRICT)
    container.start()
    try:
        code = run(*PODMAN, "wait", container.id).stdout.strip()
        assert code == "1"
        assert "advertised.listeners=auto" in container.log()
    finally:
        container.remove()
