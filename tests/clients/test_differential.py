"""Every answer as Apache Kafka gave it: tests/differential/ with its recorded answers, as one test."""

import os
import subprocess

import harness
import pytest


def test_answers_are_kafkas_but_for_known_differences(request):
    if request.config.getoption("--broker") == "kafka":
        pytest.skip("compares with Kafka's answers already")
    done = subprocess.run(
        [harness.ROOT / "tests/differential/run", "--recorded"],
        env={**os.environ, "BARNABAS": str(harness.BARNABAS)},
        capture_output=True, text=True, timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
