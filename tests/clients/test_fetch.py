"""Limits of a fetch that reaches over the shards of a broker."""

import struct

import pytest
from confluent_kafka import Producer

from frames import frame
from hostile import answer_to, text
from test_bad_input import connect, header
from test_librdkafka import create_topic

PARTITIONS = 6


@pytest.fixture(scope="module")
def sharded(new_broker, request):
    ours = request.config.getoption("--broker") == "barnabas"
    broker = new_broker(**({"num_shards": 3} if ours else {})).start()
    create_topic(broker, "spread", partitions=PARTITIONS)
    producer = Producer({"bootstrap.servers": broker.bootstrap})
    for partition in range(PARTITIONS):
        producer.produce("spread", b"v" * 1000, partition=partition)
    assert producer.flush(60) == 0
    yield broker
    broker.stop()


def sizes(broker, bytes_max, partition_bytes_max):
    """How many bytes of records a fetch of all partitions brings of each."""
    body = struct.pack(">iiiib", -1, 0, 0, bytes_max, 0) + struct.pack(">i", 1) + text("spread")
    body += struct.pack(">i", PARTITIONS)
    for partition in range(PARTITIONS):
        body += struct.pack(">iqi", partition, 0, partition_bytes_max)
    with connect(broker) as s:
        answer = answer_to(s, frame(header(1, 4) + body))
    at = 4 + 4 + 4 + 2 + len("spread") + 4
    found = []
    for _ in range(PARTITIONS):
        _, error, _, _, aborted, size = struct.unpack(">ihqqii", answer[at : at + 30])
        assert error == 0 and aborted <= 0
        found.append(size)
        at += 30 + max(size, 0)
    assert at == len(answer)
    return found


@pytest.mark.parametrize("limits", [(50 << 20, 1), (1, 50 << 20), (1, 1), (500, 500)])
def test_only_one_batch_that_is_larger_than_asked_for_is_sent(sharded, limits):
    assert sum(size > 0 for size in sizes(sharded, *limits)) == 1


def test_what_fits_the_limits_is_sent_of_every_partition(sharded):
    assert all(size > 1000 for size in sizes(sharded, 50 << 20, 50 << 20))
