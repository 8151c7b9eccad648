"""Topics that are deleted and made again by the same name, faster than their directories come and go."""

import struct
import threading

import pytest

from cluster import Cluster
from frames import frame
from hostile import answer_to, text
from test_bad_input import connect, header
from test_librdkafka import consume, consumer, produce

NAMES = ["come", "and", "go"]
CONNECTIONS = 12
PARTITIONS = 4
TOPIC_ALREADY_EXISTS = 36
TIMEOUT_MS = 30000
VALUES = [b"%d" % i for i in range(50)]

pytestmark = pytest.mark.usefixtures("only_barnabas")


def create_request(name, replicas):
    body = struct.pack(">i", 1) + text(name) + struct.pack(">ihii", PARTITIONS, replicas, 0, 0)
    return frame(header(19, 2) + body + struct.pack(">ib", TIMEOUT_MS, 0))


def delete_request(name):
    return frame(header(20, 1) + struct.pack(">i", 1) + text(name) + struct.pack(">i", TIMEOUT_MS))


def create_error(answer, name):
    at = 4 + 4 + 4 + 2 + len(name)  # correlation, throttle time, one topic, its name
    return struct.unpack(">h", answer[at : at + 2])[0]


def come_and_go(broker, name, replicas, rounds, failures):
    try:
        with connect(broker) as s:
            for _ in range(rounds):
                answer_to(s, create_request(name, replicas))
                answer_to(s, delete_request(name))
    except (OSError, AssertionError, struct.error) as error:
        failures.append(f"{name}: {error}")


def storm(brokers, replicas, rounds):
    """Topics come and go, asked of all brokers; then they are there, and have records."""
    failures = []
    threads = []
    for i in range(CONNECTIONS):
        name = NAMES[i // len(brokers) % len(NAMES)]
        args = (brokers[i % len(brokers)], name, replicas, rounds, failures)
        threads.append(threading.Thread(target=come_and_go, args=args))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for broker in brokers:
        assert broker.process.poll() is None, broker.log()
    assert failures == []
    for name in NAMES:
        with connect(brokers[0]) as s:
            error = create_error(answer_to(s, create_request(name, replicas)), name)
            assert error in (0, TOPIC_ALREADY_EXISTS)
        produce(brokers[0], name, VALUES)


def check_records(bootstrapped):
    for name in NAMES:
        client = consumer(bootstrapped, f"readers-of-{name}")
        client.subscribe([name])
        found = consume(client, len(VALUES))
        client.close()
        assert sorted(m.value() for m in found) == sorted(VALUES)


def test_directories_of_topics_of_one_name_are_not_taken_for_one_another(new_broker):
    broker = new_broker().start()
    storm([broker], replicas=1, rounds=150)
    broker.kill()
    broker.start()
    check_records(broker)


def test_replicas_of_topics_of_one_name_are_not_taken_for_one_another():
    with Cluster() as cluster:
        storm(list(cluster.nodes.values()), replicas=3, rounds=40)
        for node in cluster.ids:
            cluster.kill(node)
        cluster.start()
        check_records(cluster)
