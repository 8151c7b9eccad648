"""Clients against a container that may do as little as possible: 64 MiB, read-only, no capabilities, uid 1001."""

import pytest

import harness
from test_kcat import *  # noqa: F403  its tests, with the broker of conftest.py


@pytest.mark.skipif(not harness.have_kafka(), reason="needs java and Kafka's jars")
def test_the_java_client_produces_and_consumes(broker, topic):
    harness.run_tool(
        "kafka-topics", "--bootstrap-server", broker.bootstrap, "--create", "--topic", topic, "--partitions", "3"
    )
    lines = [f"line {i}" for i in range(100)]
    harness.run_tool(
        "kafka-console-producer", "--bootstrap-server", broker.bootstrap, "--topic", topic,
        stdin="\n".join(lines) + "\n",
    )  # fmt: skip
    out = harness.run_tool(
        "kafka-console-consumer", "--bootstrap-server", broker.bootstrap, "--topic", topic,
        "--from-beginning", "--max-messages", "100", "--group", topic,
    ).stdout  # fmt: skip
    assert sorted(out.splitlines()) == sorted(lines)
