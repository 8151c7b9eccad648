"""Random sequences of requests, out of a seed: groups, idempotent producers, topics, configurations.

A sequence is a list of operations, made without asking any broker. Running it against one notes every
answer, so that two brokers that do the same note the same. `compare.py` runs a few of fixed seeds;

    tests/differential/run sequences --seed 7 --length 300 [--rounds 20] [groups topics ...]

runs others against both brokers at once. Of one that differs it prints the shortest beginning that
does, without the operations that do not matter.
"""

import argparse
import random
import sys

import brokers
import known
import session
import sequence_configs
import sequence_groups
import sequence_producers
import sequence_topics
from differences import differences

AREAS = {
    "groups": sequence_groups,
    "producers": sequence_producers,
    "topics": sequence_topics,
    "configs": sequence_configs,
}
LENGTH = 250  # of those that compare.py runs
ROUNDS = {"groups": 5, "producers": 4, "topics": 1, "configs": 1}


def operations(area, seed, length):
    rng = random.Random(f"{seed} {area}")
    return AREAS[area].make(rng, length)


def run(s, area, name, ops):
    """Notes the answers to the operations; `name` is that of what they make."""
    runner = AREAS[area].Runner(s, name)
    for number, op in enumerate(ops):
        s.step = f"{number} {' '.join(str(x) for x in op)}"
        runner.run(*op)
    runner.end()


def scenarios(seed):
    """For compare.py: (name, function)."""

    def one(area, number):
        def scenario(s):
            run(s, area, f"{area}-{number}", operations(area, f"{seed}.{number}", LENGTH))

        return scenario

    return [(f"sequences.{area}_{n}", one(area, n)) for area in AREAS for n in range(ROUNDS[area])]


# ---- By itself: both brokers side by side --------------------------------------------------------


class Pair:
    """Both brokers, and a new name for each run, so that none sees what another left."""

    def __init__(self, kafka, barnabas, served):
        self.brokers = [(kafka, {}), (barnabas, {})]
        self.served = served
        self.runs = self.requests = 0

    def first_difference(self, area, ops):
        """(the operation's text, what differs), or None."""
        self.runs += 1
        logs = []
        for broker, shared in self.brokers:
            s = session.Session(broker, self.served, shared)
            try:
                run(s, area, f"{area}-{self.runs}", ops)
            except Exception as error:
                s.log.append([f"broke off: {type(error).__name__}", str(error)[:300]])
            s.close()
            logs.append(s.log)
        self.requests += len(logs[0])
        for (label, theirs), (other, ours) in zip(*logs):
            lines = [f"another case: {other}"] if label != other else differences(theirs, ours)
            api, _, what = label.partition(": ")
            lines = [line for line in lines if not known.reason(f"sequences.{area}_: {api}: {what}: {line}")]
            if lines:
                return label, lines
        if len(logs[0]) != len(logs[1]):
            return "the end", [f"{len(logs[0])} | {len(logs[1])} answers"]
        return None

    def shrink(self, area, ops):
        """The shortest beginning that differs, then without each operation that it can do without."""
        low, high = 1, len(ops)
        while low < high:
            middle = (low + high) // 2
            if self.first_difference(area, ops[:middle]):
                high = middle
            else:
                low = middle + 1
        ops = ops[:high]
        for i in range(len(ops) - 2, -1, -1):
            fewer = ops[:i] + ops[i + 1 :]
            if self.first_difference(area, fewer):
                ops = fewer
        return ops


def main():
    parser = argparse.ArgumentParser(prog="tests/differential/run sequences", description=__doc__)
    parser.add_argument("areas", nargs="*", help=f"of: {' '.join(AREAS)}")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--length", type=int, default=300, help="operations of a sequence")
    parser.add_argument("--rounds", type=int, default=5, help="sequences of each area")
    options = parser.parse_args()
    if not brokers.have_kafka():
        raise SystemExit("needs java and Kafka's jars in KAFKA_LIBS")
    failed = 0
    with brokers.kafka() as kafka, brokers.barnabas() as barnabas:
        pair = Pair(kafka, barnabas, brokers.served_by_both())
        for area in options.areas or AREAS:
            for seed in range(options.seed, options.seed + options.rounds):
                ops = operations(area, seed, options.length)
                found = pair.first_difference(area, ops)
                if found is None:
                    print(f"{area}, seed {seed}: {len(ops)} operations, no difference")
                    continue
                failed += 1
                print(f"{area}, seed {seed}, length {options.length}: differs at {found[0]}\n    " + "\n    ".join(found[1][:8]), flush=True)
                shrunk = pair.shrink(area, ops)
                label, lines = pair.first_difference(area, shrunk) or found
                for op in shrunk:
                    print("   ", *op)
                print(f"  {label}\n    " + "\n    ".join(lines[:8]))
    print(f"{pair.requests} answers compared, {failed} sequences differ")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
