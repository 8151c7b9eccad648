"""What happens between the tools of a script: records, members and files from the Python client."""

import threading
import time

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition

COORDINATOR_COMES = {
    KafkaError.NOT_COORDINATOR,
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
    KafkaError.COORDINATOR_NOT_AVAILABLE,
}


class Member:
    """A member of a group that polls on a thread of its own."""

    def __init__(self, bootstrap, group, topic, client, instance, assignor):
        settings = {
            "bootstrap.servers": bootstrap,
            "group.id": group,
            "client.id": client,
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "partition.assignment.strategy": assignor,
            "heartbeat.interval.ms": 200,
        }
        if instance:
            settings["group.instance.id"] = instance
        self.consumer = Consumer(settings)
        self.assigned = threading.Event()
        self.stopping = False
        self.consumer.subscribe([topic], on_assign=self._on_assign)
        self.thread = threading.Thread(target=self._run)
        self.thread.start()
        assert self.assigned.wait(30), f"{client} got no partitions"

    def _on_assign(self, consumer, partitions):
        self.assigned.set()  # the library takes them itself

    def _run(self):
        while not self.stopping:
            self.consumer.poll(0.05)
        self.consumer.close()

    def stop(self):
        self.stopping = True
        self.thread.join()


class Actions:
    def __init__(self, bootstrap, directory):
        self.bootstrap = bootstrap
        self.directory = directory
        self.members = {}

    def run(self, line):
        verb, *words = line[2:].split(" ")
        getattr(self, verb)(*words)

    def produce(self, topic, partition, count, time="", step="0"):
        """`count` records v0, v1 ... into one partition, `step` ms apart from `time` on."""
        producer = Producer({"bootstrap.servers": self.bootstrap, "linger.ms": 1})
        for i in range(int(count)):
            when = {"timestamp": int(time) + i * int(step)} if time else {}
            producer.produce(topic, f"v{i}", partition=int(partition), **when)
        assert producer.flush(30) == 0

    def join(self, group, topic, client, assignor="range", instance=None):
        self.members[client] = Member(self.bootstrap, group, topic, client, instance, assignor)

    def leave(self, client):
        self.members.pop(client).stop()

    def commit(self, group, *commits):
        """Each commit is TOPIC:PARTITION:OFFSET."""
        consumer = Consumer({"bootstrap.servers": self.bootstrap, "group.id": group})
        offsets = []
        for commit in commits:
            topic, partition, offset = commit.split(":")
            offsets.append(TopicPartition(topic, int(partition), int(offset)))
        deadline = time.monotonic() + 30
        while True:
            try:
                consumer.commit(offsets=offsets, asynchronous=False)
                break
            except KafkaException as e:  # Kafka's coordinator may still be on its way
                if e.args[0].code() not in COORDINATOR_COMES or time.monotonic() > deadline:
                    raise
                time.sleep(0.1)
        consumer.close()

    def file(self, name, *content):
        (self.directory / name).write_text(" ".join(content).replace("\\n", "\n") + "\n")

    def close(self):
        for member in self.members.values():
            member.stop()
