"""Scenarios about what is read, and from where."""

import threading
import time

from contract import SAFE, Failure, expect, expect_equal, read, wait_for_end


def fill(client, topic, counts, first=0):
    """counts[p] records into each partition p: their values are their numbers."""
    producer = client.producer(linger_ms=5)
    for partition, count in enumerate(counts):
        for i in range(first, first + count):
            producer.send(topic, b"%d" % i, partition=partition)
    producer.flush()
    producer.close()
    wait_for_end(client, topic, {p: first + count for p, count in enumerate(counts) if count})


def numbers(records):
    return [int(r.value) for r in records]


def seek_by_time(client, topic, _group):
    base, here = 1_700_000_000_000, (topic, 0)
    producer = client.producer()
    for i in range(100):
        producer.send(topic, b"%d" % i, partition=0, timestamp_ms=base + 1000 * i)
    producer.flush()
    producer.close()
    wait_for_end(client, topic, {0: 100})
    consumer = client.consumer()
    consumer.assign([here])
    for time_ms, wanted in [
        (base + 30_000, 30),
        (base - 5_000, 0),
        (base + 30_001, 31),
        (base + 30_999, 31),
        (base + 99_000, 99),
        (base + 99_001, None),
    ]:
        expect_equal(consumer.offset_for_time(here, time_ms), wanted, f"offset at {time_ms}")
    consumer.seek(here, 31)
    found = read(consumer, 69)
    consumer.close()
    expect_equal(numbers(found), list(range(31, 100)), "records from there on")
    expect_equal(found[0].timestamp_ms, base + 31_000, "timestamp")


def replay(client, topic, group):
    here = (topic, 0)
    fill(client, topic, [300])
    consumer = client.consumer(group=group)
    consumer.assign([here])
    first = read(consumer, 300)
    expect_equal(numbers(first), list(range(300)), "the first reading")
    consumer.commit({here: 300})
    consumer.seek_to_beginning(here)
    expect_equal(read(consumer, 300), first, "the second reading")
    consumer.seek(here, 150)
    expect_equal(read(consumer, 150), first[150:], "the reading from the middle")
    consumer.seek_to_end(here)
    # Clients ask for the end when they fetch: after a kill, when they have found the new leader.
    expect_equal(consumer.poll(5 if SAFE else 0.5), [], "records at the end")
    fill(client, topic, [1], first=300)
    expect_equal(numbers(read(consumer, 1)), [300], "what came after the end")
    expect_equal(consumer.committed(here), 300, "the committed offset after seeking about")
    consumer.close()


def lag(client, topic, group):
    zero, one = (topic, 0), (topic, 1)
    fill(client, topic, [100, 100])
    consumer = client.consumer(group=group)
    consumer.assign([zero, one])
    read(consumer, 200)
    consumer.commit({zero: 40, one: 75})
    consumer.close()
    fill(client, topic, [20, 0], first=100)
    watcher = client.consumer(group=group)
    watcher.assign([zero, one])
    found = {p: watcher.bounds(p)[1] - watcher.committed(p) for p in (zero, one)}
    watcher.close()
    expect_equal(found, {zero: 80, one: 25}, "lag")


def offset_reset(client, topic, group):
    here, first = (topic, 0), 0
    fill(client, topic, [50])
    if client.can_delete_records:
        admin = client.admin()
        admin.delete_records(topic, 0, 10)
        admin.close()
        first = 10

    def commit(name, offset):
        consumer = client.consumer(group=name)
        consumer.assign([here])
        consumer.commit({here: offset})
        consumer.close()

    cases = [("nothing", None), ("beyond", 1000)] + ([("before", 3)] if first else [])
    for name, committed in cases:
        if committed is not None:
            commit(f"{group}-{name}", committed)
        consumer = client.consumer(group=f"{group}-{name}", reset="earliest")
        consumer.assign([here])
        found = numbers(read(consumer, 50 - first))
        expect_equal(found, list(range(first, 50)), f"earliest, {name} committed")
        consumer.close()
        try:
            consumer = client.consumer(group=f"{group}-{name}", reset="none")
            consumer.assign([here])
            for _ in range(20):
                expect_equal(consumer.poll(0.5), [], f"none, {name} committed")
            raise AssertionError(f"none, {name} committed: nothing was raised")
        except Failure:
            consumer.close()
    for i, (name, committed) in enumerate(cases):
        consumer = client.consumer(group=f"{group}-{name}", reset="latest")
        consumer.assign([here])
        expect_equal(consumer.poll(1.5), [], f"latest, {name} committed, at first")
        fill(client, topic, [1], first=50 + i)
        expect_equal(numbers(read(consumer, 1)), [50 + i], f"latest, {name} committed")
        consumer.close()


def slow_consumer(client, topic, _group):
    idle_found = []

    def idle():
        consumer = client.consumer()
        consumer.assign([(f"{topic}-idle", 0)])
        idle_found.extend(read(consumer, 1, seconds=200))
        consumer.close()

    waiting = threading.Thread(target=idle)
    waiting.start()
    since = time.monotonic()
    count, size = 2000, 10_000
    producer = client.producer(linger_ms=5)
    for i in range(count):
        producer.send(topic, (b"%d " % i).ljust(size, b"."), partition=0)
        if i % 100 == 0:
            producer.flush()
    producer.flush()
    consumer = client.consumer(small=True)
    consumer.assign([(topic, 0)])
    seen = 0
    while seen < count:
        records = consumer.poll(10)
        expect(records, f"nothing came after {seen} records")
        for record in records:
            expect_equal(int(record.value.split()[0]), seen, "order of a slow reader")
            expect_equal(len(record.value), size, "size")
            seen += 1
        time.sleep(0.01)
    consumer.close()
    time.sleep(max(0, 12 - (time.monotonic() - since)))
    expect_equal(idle_found, [], "records of an idle consumer before there is one")
    producer.send_one(f"{topic}-idle", b"at last", partition=0)
    producer.close()
    waiting.join(60)
    expect_equal([r.value for r in idle_found], [b"at last"], "records of the idle consumer")
