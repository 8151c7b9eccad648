"""Runs every scenario against Apache Kafka and against Barnabas and prints what differs."""

import argparse
import importlib
import json
import pathlib
import re
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "clients")]

import harness  # noqa: E402
import known  # noqa: E402
import session  # noqa: E402


class Kafka(harness.ApacheKafka):
    def command(self):
        return harness.java_command("kafka.Kafka", heap="512m") + [str(self.properties_path)]


class Barnabas(harness.Barnabas):
    """With all the properties that the reference has, so that what it says of them is the same."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.controller_port = harness.free_port()

    properties = harness.ApacheKafka.properties


def served_by_both():
    """API key -> (min, max), out of the table in docs/compatibility.md."""
    text = (HERE.parent.parent / "docs/compatibility.md").read_text()
    out = {}
    for row in re.findall(r"^\| (\d+) \| \w+ \| (\S+) \| (\S+) \|", text, re.M):
        ranges = [[int(n) for n in (row[i].split("-") * 2)[:2]] for i in (1, 2)]
        out[int(row[0])] = (max(r[0] for r in ranges), min(r[1] for r in ranges))
    return out


def scenarios(only):
    """(name, function) of every function named case_* in the modules named cases_*."""
    found = []
    for path in sorted(HERE.glob("cases_*.py")):
        module = importlib.import_module(path.stem)
        for name, function in vars(module).items():
            full = f"{path.stem[6:]}.{name[5:]}"
            if name.startswith("case_") and (not only or any(o in full for o in only)):
                found.append((full, function))
    return found


def record(broker, chosen, served, texts):
    """Scenario -> list of [label, answer]."""
    out = {}
    with broker:
        for name, function in chosen:
            run = session.Session(broker, served, texts)
            started = time.monotonic()
            try:
                function(run)
            except Exception as error:  # what was written down until here still counts
                run.log.append([f"broke off: {type(error).__name__}", str(error)[:400]])
                print(f"{broker.name}: {name} broke off: {error!r}"[:600], file=sys.stderr)
            run.close()
            out[name] = run.log
            print(f"{broker.name}: {name}: {len(run.log)} cases, {time.monotonic() - started:.1f} s",
                  file=sys.stderr)  # fmt: skip
    return out


def is_keyed(list_, key):
    """Whether the order does not matter because every element has a key of its own."""
    keys = [x[key] for x in list_ if isinstance(x, dict) and key in x]
    return len(keys) == len(list_) > 0 and len(set(keys)) == len(keys)


def differences(reference, ours, path=""):
    """Lines that say where two answers differ."""
    if type(reference) is not type(ours):
        return [f"{path}: {reference!r:.200} | {ours!r:.200}"]
    if isinstance(reference, dict):
        lines = []
        for key in list(reference) + [k for k in ours if k not in reference]:
            if key not in ours or key not in reference:
                lines.append(f"{path}.{key}: {reference.get(key, 'absent')!r:.200} | {ours.get(key, 'absent')!r:.200}")
            else:
                lines += differences(reference[key], ours[key], f"{path}.{key}")
        return lines
    if isinstance(reference, list):
        for key in ("Name", "Topic", "TopicId", "GroupId", "PartitionIndex", "Index", "Partition", "ResourceName"):
            if is_keyed(reference, key) and is_keyed(ours, key):
                return differences({x[key]: x for x in reference}, {x[key]: x for x in ours}, path)
        if len(reference) != len(ours):
            return [f"{path}: {len(reference)} | {len(ours)} elements: {reference!r:.200} | {ours!r:.200}"]
        return [d for i, (r, o) in enumerate(zip(reference, ours)) for d in differences(r, o, f"{path}[{i}]")]
    return [] if reference == ours else [f"{path}: {reference!r:.200} | {ours!r:.200}"]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("only", nargs="*", help="parts of scenario names")
    parser.add_argument("--keep", help="write Kafka's answers to this file")
    parser.add_argument("--reference", help="read Kafka's answers from this file")
    parser.add_argument("--all", action="store_true", help="print the known differences too")
    parser.add_argument("--texts", action="store_true", help="compare error messages word by word")
    options = parser.parse_args()
    chosen = scenarios(options.only)
    served = served_by_both()
    if options.reference:
        reference = json.loads(pathlib.Path(options.reference).read_text())
    elif not harness.have_kafka():
        print("skipped: needs java and Kafka's jars in KAFKA_LIBS", file=sys.stderr)
        return 0
    else:
        reference = json.loads(json.dumps(record(Kafka(), chosen, served, options.texts)))
        if options.keep:
            pathlib.Path(options.keep).write_text(json.dumps(reference))
    ours = json.loads(json.dumps(record(Barnabas(), chosen, served, options.texts)))
    if options.keep:
        pathlib.Path(options.keep + ".ours").write_text(json.dumps(ours))
    return report(chosen, reference, ours, options.all)


def report(chosen, reference, ours, show_all):
    """Prints what differs and is not known; the exit code."""
    cases = differing = 0
    found = {}  # (scenario, call, what, difference) -> versions: most are in many of them
    for name, _ in chosen:
        theirs = reference.get(name, [])
        cases += len(theirs)
        if [label for label, _ in theirs] != [label for label, _ in ours[name]]:
            found[(name, "", "", "not the same cases")] = []
        for (label, expected), (_, got) in zip(theirs, ours[name]):
            lines = differences(expected, got)
            differing += bool(lines)
            call, _, what = label.partition(": ")
            api, _, version = call.partition(" v")
            for line in lines:
                found.setdefault((name, api, what, line), []).append(version)
    unknown = 0
    for (name, api, what, line), versions in found.items():
        text = f"{name}: {api} v{','.join(versions)}: {what}: {line}"
        why = known.reason(text)
        unknown += why is None
        if why is None or show_all:
            print(text + (f"  [{why}]" if why else ""))
    print(f"{cases} cases, {differing} differ; {len(found)} differences, {unknown} not known")
    return 1 if unknown else 0


if __name__ == "__main__":
    sys.exit(main())
