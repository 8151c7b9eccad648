"""
kafka-console-consumer prints internal topics as Kafka's own does: the formatters of offsets, of group
metadata and of the transaction log.
"""

import json
import subprocess
import sys
import time

import pytest
from confluent_kafka import Consumer, ConsumerGroupTopicPartitions, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

import harness

TOOLS = harness.HERE / "tools"
sys.path.insert(0, str(TOOLS))

from actions import Actions  # noqa: E402
from runner import Runner  # noqa: E402

FORMATTERS = "org.apache.kafka.tools.consumer."
OFFSETS = "__consumer_offsets"


@pytest.fixture(scope="module")
def runner(java_tools):
    runner = Runner()
    yield runner
    runner.close()


@pytest.fixture(scope="module")
def filled(new_broker, tmp_path_factory, java_tools):
    """A broker with offsets, deleted ones too, and a group; and how many records say so."""
    broker = new_broker(**{"offsets.topic.num.partitions": 1}).start()
    admin = AdminClient({"bootstrap.servers": broker.bootstrap})
    for done in admin.create_topics([NewTopic("plain", 2, 1), NewTopic("gone", 1, 1)]).values():
        done.result(30)
    actions = Actions(broker.bootstrap, tmp_path_factory.mktemp("files"))
    actions.join("g", "plain", "one")
    actions.commit("h", "plain:0:0", "plain:1:0")
    actions.commit("k", "gone:0:0")
    actions.leave("one")
    admin.delete_topics(["gone"])["gone"].result(30)

    deadline = time.monotonic() + 60
    while has_offsets(admin, "k") and time.monotonic() < deadline:
        time.sleep(0.05)  # they go after the topic
    consumer = Consumer({"bootstrap.servers": broker.bootstrap, "group.id": "not joined"})
    _, end = consumer.get_watermark_offsets(TopicPartition(OFFSETS, 0), 30)
    consumer.close()
    assert end > 5
    return broker, end


def has_offsets(admin, group):
    asked = admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group)])
    return any(p.offset >= 0 for p in asked[group].result(30).topic_partitions)


def arguments(broker, formatter, topic, count):
    return [
        "--bootstrap-server", broker.bootstrap, "--topic", topic, "--from-beginning",
        "--max-messages", str(count), "--timeout-ms", "60000", "--formatter", FORMATTERS + formatter,
    ]  # fmt: skip


def ours(args):
    done = subprocess.run(
        ["kafka-console-consumer.sh", *args],
        executable=harness.BARNABAS.with_name("barnabasctl"), capture_output=True, text=True,
    )  # fmt: skip
    return done.returncode, done.stdout


def documents(text):
    """JSON one behind another, without anything between."""
    found = []
    while text:
        document, end = json.JSONDecoder().raw_decode(text)
        found.append(document)
        text = text[end:]
    return found


@pytest.mark.parametrize("formatter", ["OffsetsMessageFormatter", "GroupMetadataMessageFormatter"])
def test_groups_and_offsets_are_printed_alike(runner, filled, formatter):
    broker, end = filled
    args = arguments(broker, formatter, OFFSETS, end)
    code, wanted, _ = runner.run("kafka-console-consumer", args)
    assert ours(args) == (code, wanted)
    assert len(documents(wanted)) > 1
    if formatter.startswith("Offsets"):
        assert {"key": {"type": 1, "data": {"group": "k", "topic": "gone", "partition": 0}},
                "value": None} in documents(wanted)  # fmt: skip


def test_what_a_formatter_is_not_about_is_passed_over(runner, filled):
    broker, _ = filled
    args = arguments(broker, "TransactionLogMessageFormatter", OFFSETS, 3)
    code, wanted, _ = runner.run("kafka-console-consumer", args)
    assert ours(args) == (code, wanted) == (0, "")
