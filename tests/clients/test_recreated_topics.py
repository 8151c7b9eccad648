"""Topics that are deleted and made again by the same name, faster than their directories come and go."""

import struct
import threading

import pytest

from frames import frame
from hostile import answer_to, text
from test_bad_input import connect, header
from test_librdkafka import consume, consumer, produce

NAMES = ["come", "and", "go"]
CONNECTIONS = 12
ROUNDS = 150
PARTITIONS = 4
TOPIC_ALREADY_EXISTS = 36
TIMEOUT_MS = 30000

pytestmark = pytest.mark.usefixtures("only_barnabas")


def create_request(name):
    body = struct.pack(">i", 1) + text(name) + struct.pack(">ihii", PARTITIONS, 1, 0, 0)
    return frame(header(19, 2) + body + struct.pack(">ib", TIMEOUT_MS, 0))


def delete_request(name):
    return frame(header(20, 1) + struct.pack(">i", 1) + text(name) + struct.pack(">i", TIMEOUT_MS))


def create_error(answer, name):
    at = 4 + 4 + 4 + 2 + len(name)  # correlation, throttle time, one topic, its name
    return struct.unpack(">h", answer[at : at + 2])[0]


def come_and_go(broker, name, failures):
    try:
        with connect(broker) as s:
            for _ in range(ROUNDS):
                answer_to(s, create_request(name))
                answer_to(s, delete_request(name))
    except (OSError, AssertionError, struct.error) as error:
        failures.append(f"{name}: {error}")


def test_directories_of_topics_of_one_name_are_not_taken_for_one_another(new_broker):
    broker = new_broker().start()
    failures = []
    threads = [
        threading.Thread(target=come_and_go, args=(broker, NAMES[i % len(NAMES)], failures))
        for i in range(CONNECTIONS)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert broker.process.poll() is None, broker.log()
    assert failures == []
    values = [b"%d" % i for i in range(50)]
    for name in NAMES:
        with connect(broker) as s:
            error = create_error(answer_to(s, create_request(name)), name)
            assert error in (0, TOPIC_ALREADY_EXISTS)
        produce(broker, name, values)
    broker.kill()
    broker.start()
    for name in NAMES:
        client = consumer(broker, f"readers-of-{name}")
        client.subscribe([name])
        found = consume(client, len(values))
        client.close()
        assert sorted(m.value() for m in found) == sorted(values)
