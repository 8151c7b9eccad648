"""
One LearnFlow service as a process: learnflow_service.py BOOTSTRAP NAME

Reads its topic as a group, answers each event with others, and commits what was answered: at least
once. Runs until SIGTERM; SIGKILL is the crash.
"""

import datetime
import json
import signal
import sys
import uuid

from confluent_kafka import Consumer, KafkaException, Producer

ROUTES = {"concept": "concepts.requests", "code": "code.submissions", "debug": "debug.requests"}


def cloud_event(kind, source, subject, data):
    return {
        "specversion": "1.0",
        "id": str(uuid.uuid4()),
        "type": f"com.learnflow.{kind}",
        "source": f"/services/{source}",
        "subject": subject,
        "time": datetime.datetime.now(datetime.timezone.utc).isoformat(),
        "datacontenttype": "application/json",
        "data": data,
    }


def send(producer, topic, event, **options):
    producer.produce(topic, key=event["subject"], value=json.dumps(event),
                     headers={"ce_type": event["type"], "ce_id": event["id"]}, **options)  # fmt: skip


def triage(event):
    kind = event["data"]["kind"]
    yield ROUTES[kind], cloud_event(f"{kind}.request", "triage", event["subject"], event["data"])


def agent(name):
    def handle(event):
        data, subject = event["data"], event["subject"]
        answer = {**data, "answer": f"answered by {name}"}
        yield "learning.responses", cloud_event("response", name, subject, answer)
        yield "progress.events", cloud_event("progress", name, subject, {"n": data["n"]})
        if data["n"] % 10 == 0:
            yield "struggle.detected", cloud_event("struggle", name, subject, {"n": data["n"]})
            yield "exercise.generated", cloud_event("exercise", name, subject, {"n": data["n"]})

    return handle


SERVICES = {
    "triage": ("learning.requests", triage),
    "concepts-agent": ("concepts.requests", agent("concepts-agent")),
    "code-agent": ("code.submissions", agent("code-agent")),
    "debug-agent": ("debug.requests", agent("debug-agent")),
}

CONSUMER = {
    "enable.auto.commit": False,
    "auto.offset.reset": "earliest",
    "session.timeout.ms": 6000,
    "heartbeat.interval.ms": 500,
}


def main():
    bootstrap, name = sys.argv[1:]
    topic, handle = SERVICES[name]
    stopping = []
    signal.signal(signal.SIGTERM, lambda *_: stopping.append(True))
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": name, **CONSUMER})
    producer = Producer({"bootstrap.servers": bootstrap, "enable.idempotence": True})
    consumer.subscribe([topic])
    while not stopping:
        events = [m for m in consumer.consume(50, timeout=0.2) if m.error() is None]
        for message in events:
            for to, event in handle(json.loads(message.value())):
                send(producer, to, event)
        if events:
            assert producer.flush(60) == 0
            try:
                consumer.commit(asynchronous=False)
            except KafkaException:
                pass  # a rebalance or a restart: these events come again
    consumer.close()


if __name__ == "__main__":
    main()
