"""franz-go's own integration tests against a broker, compared with what Apache Kafka gives."""

import argparse
import collections
import json
import os
import pathlib
import re
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

import harness  # noqa: E402

PASSES = HERE / "passes.json"  # what passes each time on Apache Kafka
EXCUSED = HERE / "excused.json"  # what Barnabas does not serve yet, and why
OUTPUT = harness.ROOT / ".cache/kgo"
RESULT = re.compile(r"--- (PASS|FAIL|SKIP): (\S+) \(")


def arguments():
    parser = argparse.ArgumentParser(prog="run-kgo", description=__doc__)
    parser.add_argument("--broker", choices=["barnabas", "kafka"], default="barnabas")
    parser.add_argument("--shards", type=int, default=1, help="num.shards of Barnabas")
    parser.add_argument("--chaos", action="store_true", help="with connections cut at random")
    parser.add_argument("--records", type=int, default=20000, help="how many records a test sends")
    parser.add_argument("--runs", type=int, default=1, help="how often")
    parser.add_argument("--timeout", default="15m", help="of one run, as Go writes it")
    parser.add_argument(
        "--record", action="store_true", help="with --broker kafka: write what passes each time"
    )
    return parser.parse_args()


def new_broker(options):
    if options.broker == "kafka":
        return harness.ApacheKafka()
    return harness.Barnabas(num_shards=options.shards)


def run_once(options, number, excused):
    """The state of each test that ran."""
    command = [os.environ["KGO_TEST"], "-test.v", "-test.timeout", options.timeout]
    never_ends = [name for name, entry in excused.items() if entry.get("never_ends")]
    if options.broker == "barnabas" and never_ends:
        command += ["-test.skip", "|".join(f"^{name}$" for name in never_ends)]
    name = f"{options.broker}{'-chaos' if options.chaos else ''}-{number}"
    broker = new_broker(options)
    began = time.monotonic()
    try:
        broker.start()
        environment = {
            **os.environ,
            "KGO_SEEDS": broker.bootstrap,
            "KGO_TEST_RF": "1",
            "KGO_TEST_RECORDS": str(options.records),
            **({"KGO_TEST_CHAOS": "1"} if options.chaos else {}),
        }
        with open(OUTPUT / f"{name}.log", "wb") as output:
            sources = os.environ["KGO_SOURCES"]
            subprocess.run(command, env=environment, stdout=output, stderr=output, cwd=sources)
    finally:
        (OUTPUT / f"{name}-broker.log").write_text(broker.log(100_000))
        complaints = harness.end(broker)
    states = {}
    for line in (OUTPUT / f"{name}.log").read_text(errors="replace").splitlines():
        found = RESULT.search(line)
        if found:
            states[found.group(2)] = found.group(1)
    counts = collections.Counter(states.values())
    print(
        f"run {number} on {options.broker}: {counts['PASS']} passed, {counts['FAIL']} failed, "
        f"{counts['SKIP']} skipped in {time.monotonic() - began:.0f} s; {OUTPUT / name}.log",
        flush=True,
    )
    for complaint in complaints:
        print(complaint)
    return states, not complaints


def excuse(test, excused):
    for pattern, entry in excused.items():
        if re.match(f"{pattern}(/.*)?$", test):
            return entry["why"]
    return None


def record(options, runs):
    """Keeps what passed in each run on Kafka, and names what did not."""
    names = set().union(*runs)
    passes = sorted(n for n in names if all(states.get(n) == "PASS" for states in runs))
    data = json.loads(PASSES.read_text()) if PASSES.exists() else {}
    data["chaos" if options.chaos else "calm"] = {
        "client": os.environ["KGO_CLIENT"],
        "broker": "Apache Kafka " + kafka_version(),
        "records": options.records,
        "runs": len(runs),
        "passes": passes,
        "others": {
            n: [states.get(n, "not run") for states in runs] for n in sorted(names - set(passes))
        },
    }
    PASSES.write_text(json.dumps(data, indent=1) + "\n")
    print(f"{len(passes)} of {len(names)} tests passed each time: {PASSES}")


def kafka_version():
    jar = next(harness.KAFKA_LIBS.glob("kafka-clients-*.jar"))
    return jar.stem.rsplit("-", 1)[1]


def compare(options, runs, excused):
    """Prints a table; returns whether what passes on Kafka passes here, each time."""
    kafka = json.loads(PASSES.read_text())["chaos" if options.chaos else "calm"]
    if kafka["client"] != os.environ["KGO_CLIENT"]:
        print(f"the list is for {kafka['client']}: record it anew")
        return False
    reasons = collections.defaultdict(list)
    different = []
    for test in kafka["passes"]:
        states = [states.get(test, "not run") for states in runs]
        if states != ["PASS"] * len(runs):
            why = excuse(test, excused) if options.broker == "barnabas" else None
            if why:
                reasons[why].append(test)
            else:
                different.append((test, states))
    total, left_out = len(kafka["passes"]), sum(map(len, reasons.values()))
    print(f"\n| {kafka['client']} | tests |\n|---|---|")
    print(f"| pass {kafka['runs']} times of {kafka['runs']} on {kafka['broker']} | {total} |")
    print(f"| pass here, {len(runs)} times of {len(runs)} | {total - left_out - len(different)} |")
    for why, tests in sorted(reasons.items()):
        print(f"| not served yet: {why} | {len(tests)} |")
    print(f"| differ | {len(different)} |")
    for test, states in different:
        print(f"{test}: {', '.join(states)}")
    return not different


def main():
    options = arguments()
    if options.broker == "kafka" and not harness.have_kafka():
        sys.exit("needs java and Kafka's jars (Maven Central)")
    excused = json.loads(EXCUSED.read_text())
    results = [run_once(options, n, excused) for n in range(1, options.runs + 1)]
    runs = [states for states, _ in results]
    good = all(clean for _, clean in results)
    if options.record:
        if options.broker != "kafka":
            sys.exit("the list is what Apache Kafka passes: --broker kafka")
        record(options, runs)
    else:
        good = compare(options, runs, excused) and good
    sys.exit(0 if good else 1)


main()
