"""Runs every scenario against Apache Kafka, or its recorded answers, and against Barnabas; prints
what differs, how much was compared, and fails when a difference is not known or a version was left out."""

import argparse
import collections
import importlib
import json
import pathlib
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE)]

import brokers  # noqa: E402
import codec  # noqa: E402
import files  # noqa: E402
import generated  # noqa: E402
import known  # noqa: E402
import recorded  # noqa: E402
import sequences  # noqa: E402
import session  # noqa: E402
import three  # noqa: E402
from differences import differences  # noqa: E402

KAFKA_VERSION = "4.3.1"
SEED = 1
EACH = 500  # generated requests a version of an API, at most


def scenarios(only, served, seed, each):
    """(name, function): functions named case_* in modules named cases_*, and one for each API."""
    found = []
    for path in sorted(HERE.glob("cases_*.py")):
        module = importlib.import_module(path.stem)
        for name, function in vars(module).items():
            if name.startswith("case_"):
                found.append((f"{path.stem[6:]}.{name[5:]}", function))
    if each > 0:
        apis = [codec.APIS[key].name for key in sorted(served)]
        found += [(f"generated.{api}", generated.scenario(api, seed, each)) for api in apis]
    found += sequences.scenarios(seed)
    found.append(("files.disk", None))
    return [(name, function) for name, function in found if not only or any(o in name for o in only)]


def record(broker, chosen, served):
    """Scenario -> list of [label, answer]."""
    out, shared = {}, {}
    with broker:
        for name, function in chosen:
            run = session.Session(broker, served, shared)
            started = time.monotonic()
            try:
                function(run)
            except Exception as error:  # what was written down until here still counts
                run.log.append([f"broke off: {type(error).__name__}", str(error)[:400]])
                print(f"{broker.name}: {name} broke off: {error!r}"[:600], file=sys.stderr)
            run.close()
            out[name] = json.loads(json.dumps(run.log))
            took_s = time.monotonic() - started
            # Generated requests are about topics of all their scenarios: a new leader has a new epoch.
            then = broker.between(name.startswith("generated")) if hasattr(broker, "between") else ""
            print(f"{broker.name}: {name}: {len(run.log)} cases, {took_s:.1f} s {then}", file=sys.stderr)
    return out


def run_all(broker, chosen, served):
    """Every scenario; what is on disk has a broker of its own, which is stopped."""
    answers = {}
    if any(function for _, function in chosen):
        answers = record(broker(), [one for one in chosen if one[1]], served)
    if any(function is None for _, function in chosen):
        answers |= json.loads(json.dumps(files.record(broker(), served)))
    return answers


def call_of(label):
    """(api, version, what) of a case."""
    call, _, what = label.partition(": ")
    api, _, version = call.partition(" v")
    return api, version, what


class Report:
    def __init__(self, three=False):
        self.three = three  # nodes
        self.cases = self.differing = self.unknown = 0
        self.counts = collections.Counter()  # (api, version) -> requests compared
        self.found = {}  # (scenario, api, what, difference) -> versions: most are in many of them

    def compare(self, name, theirs, ours):
        self.cases += len(theirs)
        if [label for label, _ in theirs] != [label for label, _ in ours]:
            theirs, ours = self.align(name, theirs, ours)
        for (label, expected), (_, got) in zip(theirs, ours):
            api, version, what = call_of(label)
            self.counts[(api, version)] += 1
            lines = differences(expected, got)
            self.differing += bool(lines)
            for line in lines:
                self.add(name, api, what, version, line)

    def align(self, name, theirs, ours):
        """What both have, when labels tell cases apart; what one has alone is a difference."""
        by_label = dict(map(tuple, ours))
        if len(by_label) != len(ours):
            self.add(name, "", "", "", f"not the same cases: {len(theirs)} | {len(ours)}")
            return theirs, ours
        labels = {label for label, _ in theirs}
        for label in [one for one, _ in theirs if one not in by_label]:
            self.add(name, *call_of(label)[::2], "", "only one broker has it: the reference")
        for label in [one for one in by_label if one not in labels]:
            self.add(name, *call_of(label)[::2], "", "only one broker has it: Barnabas")
        both = [[label, answer] for label, answer in theirs if label in by_label]
        return both, [[label, by_label[label]] for label, _ in both]

    def add(self, name, api, what, version, line):
        self.found.setdefault((name, api, what, line), []).append(version)

    def print_differences(self, show_known):
        for (name, api, what, line), versions in self.found.items():
            text = f"{name}: {api} v{','.join(versions)}: {what}: {line}"
            why = known.reason(text, self.three)
            self.unknown += why is None
            if why is None or show_known:
                print(text + (f"  [{why}]" if why else ""))

    def print_counts(self, served):
        """Per API and version; the versions that both serve and no request was compared of."""
        missing = []
        for key in sorted(served):
            api = codec.APIS[key].name
            versions = range(served[key][0], served[key][1] + 1)
            counts = [self.counts[(api, str(v))] for v in versions]
            print(f"{api:24} {sum(counts):6}  " + " ".join(f"v{v}:{n}" for v, n in zip(versions, counts)))
            missing += [f"{api} v{v}" for v, n in zip(versions, counts) if n == 0]
        return missing


def main():
    parser = argparse.ArgumentParser(prog="tests/differential/run", description=__doc__)
    parser.add_argument("only", nargs="*", help="parts of scenario names")
    parser.add_argument("--recorded", action="store_true", help="use Kafka's recorded answers: no JVM")
    parser.add_argument("--record", action="store_true", help="record Kafka's answers anew")
    parser.add_argument("--cluster", action="store_true", help="three nodes of Barnabas, with failovers between scenarios")
    parser.add_argument("--all", action="store_true", help="print the known differences too")
    parser.add_argument("--keep", help="write the answers of both to FILE and FILE.ours")
    parser.add_argument("--seed", type=int, default=SEED, help="of what is generated")
    parser.add_argument("--each", type=int, default=EACH, help="generated requests a version of an API, at most")
    options = parser.parse_args()
    served = brokers.served_by_both()
    chosen = scenarios(options.only, served, options.seed, options.each)
    if options.cluster:
        chosen = [(name, function) for name, function in chosen if function]  # disks are those of one node
    settings = {"kafka": KAFKA_VERSION, "seed": options.seed, "each": options.each}
    if options.recorded:
        reference = recorded.read(settings, [name for name, _ in chosen])
    elif not brokers.have_kafka():
        print("skipped: needs java and Kafka's jars in KAFKA_LIBS", file=sys.stderr)
        return 0
    else:
        reference = run_all(brokers.kafka, chosen, served)
        if options.record:
            recorded.write(settings, reference)
    ours = run_all(three.three_nodes if options.cluster else brokers.barnabas, chosen, served)
    if options.keep:
        pathlib.Path(options.keep).write_text(json.dumps(reference))
        pathlib.Path(options.keep + ".ours").write_text(json.dumps(ours))
    report = Report(options.cluster)
    for name, _ in chosen:
        report.compare(name, reference[name], ours[name])
    report.print_differences(options.all)
    missing = report.print_counts(served) if not options.only else []
    if missing:
        print("no request of: " + ", ".join(missing))
    print(
        f"{report.cases} requests compared, seed {options.seed}: {report.differing} answers differ, in "
        f"{len(report.found) - report.unknown} known ways and {report.unknown} that are not explained"
    )
    return 1 if report.unknown or missing else 0


if __name__ == "__main__":
    sys.exit(main())
