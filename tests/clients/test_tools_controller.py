"""
Kafka's tools, and barnabasctl under their names, with --bootstrap-controller: any controller will do.

Runs against Apache Kafka with --broker kafka.
"""

import json
import subprocess
import sys

import cluster as clusters
import pytest
from confluent_kafka.admin import AdminClient, NewTopic

import harness

sys.path.insert(0, str(harness.HERE / "tools"))

from runner import Runner  # noqa: E402
from script import normalise  # noqa: E402


@pytest.fixture(scope="module")
def cluster(request):
    kind = request.config.getoption("--broker")
    if not clusters.has_what_it_needs(kind):
        pytest.skip("needs the broker's programs")
    with clusters.Cluster(kind) as cluster:
        admin = AdminClient({"bootstrap.servers": cluster.bootstrap})
        admin.create_topics([NewTopic("moved", 4, 3)])["moved"].result(60)
        yield cluster


@pytest.fixture(scope="module")
def runner(java_tools):
    runner = Runner()
    yield runner
    runner.close()


@pytest.fixture
def plan(tmp_path):
    moves = [{"topic": "moved", "partition": p, "replicas": [1, 2, 3]} for p in range(4)]
    path = tmp_path / "plan.json"
    path.write_text(json.dumps({"version": 1, "partitions": moves}))
    return path


COMMANDS = {
    "kafka-reassign-partitions --list": 0,
    "kafka-reassign-partitions --cancel --preserve-throttles --reassignment-json-file PLAN": 0,
    "kafka-reassign-partitions --cancel --reassignment-json-file PLAN": 0,
    "kafka-reassign-partitions --verify --reassignment-json-file PLAN": 1,
    "kafka-reassign-partitions --execute --reassignment-json-file PLAN": 1,
    "kafka-reassign-partitions --list --bootstrap-server localhost:1": 1,
    "kafka-features upgrade --feature eligible.leader.replicas.version=1": 0,
    "kafka-metadata-quorum remove-controller --controller-id 9 "
    "--controller-directory-id AAAAAAAAAAAAAAAAAAAAAQ": 1,
    "kafka-cluster unregister --id 77": 1,
    "kafka-cluster list-endpoints": 0,
    "kafka-cluster list-endpoints --include-fenced-brokers": 1,
}


@pytest.mark.parametrize("command", COMMANDS)
def test_any_controller_is_asked(cluster, runner, plan, command):
    active = cluster.active_controller()
    tool, *args = [str(plan) if word == "PLAN" else word for word in command.split(" ")]
    for node in sorted(cluster.controller_ports, key=lambda node: node != active):
        port = cluster.controller_ports[node]
        given = ["--bootstrap-controller", f"{clusters.HOST}:{port}"]
        given = [args[0], *given, *args[1:]] if tool == "kafka-cluster" else [*given, *args]
        code, out, err = runner.run(tool, given)
        done = subprocess.run(
            [tool, *given], executable=harness.BARNABAS.with_name("barnabasctl"),
            capture_output=True, text=True, timeout=120,
        )  # fmt: skip
        assert done.returncode == code == COMMANDS[command], done.stderr + err
        assert normalise(done.stdout, [], []) == normalise(out, [], [])
        said = [line for line in normalise(err, [], []) if not line.startswith("ERROR [Admin")]
        assert normalise(done.stderr, [], [])[:3] == said[:3]
