"""Idempotent producers: sequences, epochs, duplicates, gaps, and what is remembered of them."""

from batches import batch

PARTITIONS = 2


def make(rng, length):
    ops = []
    following = {}  # (producer, partition) -> (epoch, sequence) that would be right
    sent = {}  # (producer, partition) -> what was sent
    for _ in range(length):
        who = (rng.randrange(4), rng.randrange(PARTITIONS))
        epoch, sequence = following.get(who, (0, 0))
        count = rng.choice((1, 1, 2, 5))
        kind = rng.choices(
            ["next", "duplicate", "gap", "older", "epoch", "epoch wrong", "old epoch", "wrap", "describe", "offsets", "delete"],
            [40, 15, 8, 5, 6, 3, 4, 1, 5, 5, 1],
        )[0]
        if kind == "describe":
            ops.append(("describe",))
            continue
        if kind == "offsets":
            ops.append(("offsets",))
            continue
        if kind == "delete":
            ops.append(("delete", who[1], rng.choice((-1, 0, 3, 7))))
            continue
        if kind == "duplicate" and sent.get(who):
            ops.append(("produce", *who, *rng.choice(sent[who][-8:])))
            continue
        if kind == "gap":
            sequence += rng.choice((1, 3, 100))
        elif kind == "older":
            sequence = max(0, sequence - rng.choice((1, 2, 7, 30)))
        elif kind == "epoch":
            epoch, sequence = epoch + rng.choice((1, 1, 3)), 0
        elif kind == "epoch wrong":
            ops.append(("produce", *who, epoch + 1, sequence + 1, count))
            continue
        elif kind == "old epoch":
            ops.append(("produce", *who, max(0, epoch - 1), rng.choice((0, sequence)), count))
            continue
        elif kind == "wrap":
            epoch, sequence = epoch + 1, 0
        one = (epoch, sequence, count)
        ops.append(("produce", *who, *one))
        sent.setdefault(who, []).append(one)
        if kind != "gap" or who not in following:
            following[who] = (epoch, sequence + count)
    return ops


class Runner:
    def __init__(self, s, name):
        self.s = s
        self.name = f"seq-{name}"
        self.base = 10_000 + sum(map(ord, name)) * 100
        s.topic(self.name, PARTITIONS)
        for i in range(4):
            s.name(f"producer {self.base + i}", f"<producer {i}>")

    def run(self, kind, *rest):
        getattr(self, kind)(*rest)

    def produce(self, producer, partition, epoch, sequence, count):
        records = batch([b"x"] * count, producer=self.base + producer, epoch=epoch, sequence=sequence)
        data = [{"Name": self.name, "PartitionData": [{"Index": partition, "Records": records}]}]
        self.s.call(self.s.step, "Produce", 9, {"Acks": -1, "TimeoutMs": 5000, "TopicData": data})

    def describe(self):
        def keep(answer):
            for part in answer["Topics"][0]["Partitions"]:
                part["ActiveProducers"].sort(key=lambda p: p["ProducerId"])
            return answer

        asked = [{"Name": self.name, "PartitionIndexes": list(range(PARTITIONS))}]
        self.s.call(self.s.step, "DescribeProducers", 0, {"Topics": asked}, keep=keep)

    def offsets(self):
        parts = [{"PartitionIndex": i, "Timestamp": t} for i in range(PARTITIONS) for t in (-1,)]
        self.s.call(self.s.step, "ListOffsets", 7, {"ReplicaId": -1, "Topics": [{"Name": self.name, "Partitions": parts}]})

    def delete(self, partition, offset):
        parts = [{"PartitionIndex": partition, "Offset": offset}]
        self.s.call(self.s.step, "DeleteRecords", 2, {"TimeoutMs": 5000, "Topics": [{"Name": self.name, "Partitions": parts}]})

    def end(self):
        self.s.step = "at last"
        self.describe()
        self.offsets()
