"""Every answer as Apache Kafka gives it: tests/differential/ as one test."""

import os
import subprocess

import harness
import pytest


@pytest.mark.skipif(not harness.have_kafka(), reason="needs java and Kafka's jars")
def test_answers_are_kafkas_but_for_known_differences(request):
    if request.config.getoption("--broker") == "kafka":
        pytest.skip("compares both brokers already")
    done = subprocess.run(
        [harness.ROOT / "tests/differential/run"],
        env={**os.environ, "KAFKA_LIBS": str(harness.KAFKA_LIBS), "BARNABAS": str(harness.BARNABAS)},
        capture_output=True, text=True, timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
