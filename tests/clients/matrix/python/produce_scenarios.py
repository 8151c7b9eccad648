"""Scenarios about what is written."""

from contract import MESSAGE_TOO_LARGE, expect_equal, expect_failure, read

CODECS = [None, "gzip", "snappy", "lz4", "zstd"]


def codecs(client, topic, _group):
    per_codec, partitions = 500, 3
    wanted = {p: [] for p in range(partitions)}
    for codec in CODECS:
        producer = client.producer(codec=codec, linger_ms=20)
        for i in range(per_codec):
            key, value = f"{codec}-{i}".encode(), f"{codec} {i} ".encode() * 20
            producer.send(topic, value, key=key, partition=i % partitions)
            wanted[i % partitions].append((key, value))
        producer.flush()
        producer.close()
    consumer = client.consumer()
    consumer.assign([(topic, p) for p in range(partitions)])
    found = {p: [] for p in range(partitions)}
    for record in read(consumer, per_codec * len(CODECS)):
        found[record.partition].append((record.key, record.value))
    consumer.close()
    expect_equal(found, wanted, "records of all codecs")


def headers_and_nulls(client, topic, _group):
    wanted = [
        (b"k", b"v", []),
        (b"k", b"v", [("one", b"1")]),
        (b"k", b"v", [("a", b"1"), ("a", b"2"), ("b", b""), ("ü€", bytes(range(256)))]),
        (None, b"no key", []),
        (b"", b"empty key", []),
        (b"no value", None, []),
        (b"empty value", b"", []),
        (None, b"", []),
        (b"last", b"v" * 1000, [(f"h{i}", b"x" * i) for i in range(100)]),
    ]
    if client.tombstone_headers:
        wanted.append((b"k", b"v", [("null", None), ("then", b"x")]))
    if not client.needs_key_or_value:
        wanted.append((None, None, [("only", b"headers")]))
    producer = client.producer()
    for key, value, headers in wanted:
        producer.send(topic, value, key=key, headers=headers, partition=0)
    producer.flush()
    producer.close()
    consumer = client.consumer()
    consumer.assign([(topic, 0)])
    found = [(r.key, r.value, r.headers) for r in read(consumer, len(wanted))]
    consumer.close()
    for one, other in zip(found, wanted):
        expect_equal(one, other, "record")


BATCH_HEADER = 61
RECORD_AROUND_A_LARGE_VALUE = 11  # three bytes of each length, five fields of a byte
LARGEST = 200_000 - BATCH_HEADER - RECORD_AROUND_A_LARGE_VALUE


def sizes(client, topic, _group):
    producer = client.producer(largest=2_000_000)
    sent = [1, 100, 10_000, 199_000, LARGEST]
    for size in sent:
        producer.send_one(topic, b"x" * size, partition=0)
    for size in (LARGEST + 1, 500_000):
        expect_failure(
            {MESSAGE_TOO_LARGE}, f"a value of {size} bytes",
            producer.send_one, topic, b"x" * size, partition=0,
        )  # fmt: skip
        if not client.survives_refusal:
            producer.close()
            producer = client.producer(largest=2_000_000)
    producer.send_one(topic, b"after", partition=0)
    producer.send_one(f"{topic}-large", b"y" * 500_000, partition=0)
    producer.close()
    consumer = client.consumer()
    consumer.assign([(topic, 0)])
    found = [len(r.value) for r in read(consumer, len(sent) + 1)]
    expect_equal(found, [*sent, len(b"after")], "sizes")
    consumer.assign([(f"{topic}-large", 0)])
    expect_equal(read(consumer, 1)[0].value, b"y" * 500_000, "the large value")
    consumer.close()


def idempotent(client, topic, _group):
    count, partitions = 3000, 3
    wanted = {p: [] for p in range(partitions)}
    producer = client.producer(idempotent=True, linger_ms=2)
    for i in range(count):
        value = b"%d " % i + b"x" * 100
        producer.send(topic, value, partition=i % partitions)
        wanted[i % partitions].append(value)
        if i % 100 == 99:
            producer.flush()
    producer.flush()
    producer.close()
    consumer = client.consumer()
    every = [(topic, p) for p in range(partitions)]
    stored = sum(consumer.bounds(p)[1] for p in every)
    consumer.assign(every)
    found = {p: [] for p in range(partitions)}
    for record in read(consumer, stored):
        found[record.partition].append(record.value)
    consumer.close()
    if not client.exactly_once:
        found = {p: list(dict.fromkeys(values)) for p, values in found.items()}
    expect_equal(found, wanted, "records after connections were cut")
