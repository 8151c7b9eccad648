"""
LearnFlow's flow: gateway -> triage -> agents -> WebSocket, JSON CloudEvents over eight topics.

A group for each service type, two replicas of each that share its partitions, each replica a process
(learnflow_service.py). One replica of each agent is killed, then the broker; every question is still
answered at least once, and the topic of questions can be replayed from a time and from the beginning.
"""

import json
import subprocess
import sys
import time

import pytest
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from harness import HERE, LEARNFLOW_TOPICS
from learnflow_service import CONSUMER, ROUTES, SERVICES, cloud_event, send

PARTITIONS = 6
REPLICAS = 2


class WebSocket:
    """The last hop: what a learner's browser would get."""

    def __init__(self, broker):
        options = {"bootstrap.servers": broker.bootstrap, "group.id": "websocket", **CONSUMER}
        self.consumer = Consumer(options)
        self.consumer.subscribe(["learning.responses"])
        self.delivered = {}

    def wait_for(self, count, timeout_s=90):
        deadline = time.monotonic() + timeout_s
        while len(self.delivered) < count:
            assert time.monotonic() < deadline, f"{len(self.delivered)} of {count} answered"
            for message in self.consumer.consume(100, timeout=0.2):
                if message.error() is None:
                    event = json.loads(message.value())
                    self.delivered.setdefault(event["data"]["n"], set()).add(event["subject"])
            try:
                self.consumer.commit(asynchronous=False)
            except KafkaException:
                pass  # nothing to commit, or the broker is restarting


def ask(broker, numbers):
    """The API gateway: one learner's question each, keyed by the learner."""
    errors = []
    producer = Producer({"bootstrap.servers": broker.bootstrap, "acks": "all"})
    kinds = list(ROUTES)
    for n in numbers:
        event = cloud_event("request", "gateway", f"learner-{n % 7}", {"n": n, "kind": kinds[n % 3]})
        send(producer, "learning.requests", event,
             on_delivery=lambda error, _: errors.append(error) if error else None)  # fmt: skip
    assert producer.flush(60) == 0
    assert errors == []


@pytest.fixture
def learnflow(new_broker):
    broker = new_broker().start()
    admin = AdminClient({"bootstrap.servers": broker.bootstrap})
    topics = [NewTopic(name, PARTITIONS) for name in LEARNFLOW_TOPICS]
    for future in admin.create_topics(topics).values():
        future.result(30)
    yield broker
    broker.destroy()


@pytest.fixture
def services(learnflow):
    running = {
        (name, replica): subprocess.Popen(
            [sys.executable, HERE / "learnflow_service.py", learnflow.bootstrap, name],
            stderr=subprocess.DEVNULL,
        )
        for name in SERVICES
        for replica in range(REPLICAS)
    }
    yield running
    for process in running.values():
        process.kill()
        process.wait()


def test_questions_are_answered_through_crashes_and_can_be_replayed(learnflow, services):
    websocket = WebSocket(learnflow)
    ask(learnflow, range(300))
    websocket.wait_for(300)

    # One replica of each agent dies without a word; after its session its partitions move.
    for name in SERVICES:
        if name != "triage":
            services[name, 0].kill()
    ask(learnflow, range(300, 600))
    websocket.wait_for(600)

    # The broker dies under everybody; nobody has to be restarted.
    learnflow.kill()
    learnflow.start()
    ask(learnflow, range(600, 900))
    websocket.wait_for(900)

    middle_ms = int(time.time() * 1000) + 1
    time.sleep(0.01)
    ask(learnflow, range(900, 950))
    websocket.wait_for(950)
    websocket.consumer.close()
    assert sorted(websocket.delivered) == list(range(950))
    assert all(learners == {f"learner-{n % 7}"} for n, learners in websocket.delivered.items())

    client = Consumer({"bootstrap.servers": learnflow.bootstrap, "group.id": "replay"})
    partitions = [TopicPartition("learning.requests", p, 0) for p in range(PARTITIONS)]
    ends = {p.partition: client.get_watermark_offsets(p, 30)[1] for p in partitions}
    assert read_numbers(client, partitions, ends) == list(range(950))
    by_time = [TopicPartition("learning.requests", p, middle_ms) for p in range(PARTITIONS)]
    starts = [p for p in client.offsets_for_times(by_time, 30) if 0 <= p.offset < ends[p.partition]]
    assert read_numbers(client, starts, ends) == list(range(900, 950))
    client.close()


def read_numbers(client, partitions, ends):
    client.assign(partitions)
    wanted = sum(ends[p.partition] - p.offset for p in partitions)
    numbers = []
    deadline = time.monotonic() + 60
    while len(numbers) < wanted and time.monotonic() < deadline:
        for message in client.consume(500, timeout=1):
            assert message.error() is None
            event = json.loads(message.value())
            assert event["specversion"] == "1.0"
            numbers.append(event["data"]["n"])
    return sorted(numbers)
