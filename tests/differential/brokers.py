"""The two brokers that are compared, with the same properties, and what both of them serve."""

import pathlib
import re
import sys

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path[:0] = [str(HERE.parent / "clients")]

import harness  # noqa: E402

have_kafka = harness.have_kafka


class Kafka(harness.ApacheKafka):
    def command(self):
        return harness.java_command("kafka.Kafka", heap="512m") + [str(self.properties_path)]


class Barnabas(harness.Barnabas):
    """With all the properties that the reference has, so that what it says of them is the same."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.controller_port = harness.free_port()

    properties = harness.ApacheKafka.properties


# What happens by the clock must not happen at all: retention is looked at when it likes.
SETTINGS = {"log_retention_hours": 1_000_000}


def kafka():
    return Kafka(**SETTINGS)


def barnabas():
    return Barnabas(**SETTINGS)


# These change the quorum, which the broker under test needs; tests/clients/ has clusters for them.
OF_THE_QUORUM = {80, 81, 82}

# Apache Kafka serves them only with a plug-in that receives the metrics; tests/clients/test_telemetry.py
# has what it answers then.
OF_TELEMETRY = {71, 72}


def served_by_both():
    """API key -> (min, max), out of the table in docs/compatibility.md; listeners of brokers only."""
    text = (ROOT / "docs/compatibility.md").read_text()
    out = {}
    for row in re.findall(r"^\| (\d+) \| \w+ \| (\S+) \| (\S+) \| (.*)\|$", text, re.M):
        if int(row[0]) in OF_THE_QUORUM | OF_TELEMETRY or re.search("controller listeners|listeners of controllers", row[3]):
            continue
        ranges = [[int(n) for n in (row[i].split("-") * 2)[:2]] for i in (1, 2)]
        out[int(row[0])] = (max(r[0] for r in ranges), min(r[1] for r in ranges))
    return out
