#!/usr/bin/env python3
"""Compares protocol/messages/ with the schemas that Kafka's own jars carry, field by field.

    check_messages.py [JAR]      or KAFKA_CLIENTS_JAR=JAR

JAR is kafka-clients-4.x.jar; jars of Kafka's coordinators and of its controller are read too when
they lie beside it. Exits with 77 (skipped) when there is no jar. Versions below the jar's lowest,
and fields that exist only in those, are ours: they are reported, not compared.
"""

import json
import os
import pathlib
import re
import sys
import zipfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "protocol"))
import generate  # noqa: E402

# Schemas that this project has no use for: formats of tiered storage and of Kafka Streams' clients,
# and of the file of producer states, which storage/ reads and writes byte by byte.
NOT_OURS = re.compile(r"Remote(Log|Partition)|SubscriptionInfoData|ProducerSnapshot")
JARS = re.compile(
    r"kafka-(metadata|raft|group-coordinator|share-coordinator|transaction-coordinator)-[\d.]+\.jar"
)


def strip_comments(text):
    """JSON without // comments, which may not begin inside a string."""
    return re.sub(r'("(?:\\.|[^"\\])*")|//[^\n]*', lambda match: match[1] or "", text)


def parse_versions(text, top):
    if text in (None, "", "none"):
        return None
    low, high = generate.parse_range(text)
    return (low, min(high, top))


def clip(versions, valid):
    return None if versions is None else generate.intersect(versions, valid)


def schema_default(field):
    """The default in the terms of generate.Field: None where it is the zero of the type."""
    raw = field.get("default")
    if raw is None or raw == "":
        return None
    text = str(raw)
    if text == "null":
        return "null"
    kind = field["type"]
    if kind == "bool":
        return True if text.lower() == "true" else None
    if kind == "string":
        return text
    if kind == "float64":
        return float(text) or None
    return int(text, 0) or None


def true(value):
    return str(value).lower() == "true"


class Comparison:
    def __init__(self):
        self.errors = []
        self.messages = 0
        self.fields = 0
        self.extra_versions = []
        self.extra_fields = []

    def expect(self, where, what, theirs, ours):
        if theirs != ours:
            self.errors.append(f"{where}: {what}: Kafka has {theirs}, we have {ours}")

    def message(self, schema, ours):
        name = schema["name"]
        low, high = generate.parse_range(schema["validVersions"])
        self.messages += 1
        self.expect(name, "highest version", high, ours.versions[1])
        if ours.versions[0] > low:
            self.errors.append(f"{name}: versions {low} to {ours.versions[0] - 1} are missing")
        if ours.versions[0] < low:
            self.extra_versions.append(f"{name} {ours.versions[0]}-{low - 1}")
        flexible = parse_versions(schema.get("flexibleVersions"), high)
        # Flexible from before the lowest version on is the same as from the lowest on.
        self.expect(
            name,
            "first flexible version",
            None if flexible is None else max(flexible[0], low),
            None if ours.flexible is None else max(ours.flexible, low),
        )
        if "apiKey" in schema:
            self.expect(name, "number", schema["apiKey"], ours.number)
        common = {struct["name"]: struct for struct in schema.get("commonStructs", [])}
        self.struct(name, schema["fields"], ours.root, (low, high), (low, high), common)

    def struct(self, where, theirs, ours, valid, outer, common):
        by_name = {field.name: field for field in ours.fields}
        order = []
        for field in theirs:
            versions = parse_versions(field.get("versions", field.get("taggedVersions")), valid[1])
            versions = clip(clip(versions, valid), outer)
            name = f"{where}.{field['name']}"
            if versions is None:
                continue  # only in versions that Kafka no longer has
            order.append(field["name"])
            if field["name"] not in by_name:
                self.errors.append(f"{name}: missing")
                continue
            mine = by_name.pop(field["name"])
            self.field(name, field, mine, versions, valid, outer, common)
        for field in by_name.values():
            if clip(field.versions, valid) is not None:
                self.errors.append(f"{where}.{field.name}: Kafka has no such field")
            else:
                self.extra_fields.append(f"{where}.{field.name}")
        mine = [field.name for field in ours.fields if field.name in order]
        self.expect(where, "order of fields", order, mine)

    def field(self, name, theirs, ours, versions, valid, outer, common):
        self.fields += 1
        kind = ("[]" if ours.is_array else "") + ours.type
        self.expect(name, "type", theirs["type"], kind)
        # A struct that several fields share is clipped by each of them on its own.
        mine = clip(clip(ours.versions, valid), outer)
        self.expect(name, "versions", versions, mine)
        nullable = clip(parse_versions(theirs.get("nullableVersions"), valid[1]), versions)
        self.expect(name, "nullable versions", nullable, clip(ours.nullable, versions))
        tagged = clip(parse_versions(theirs.get("taggedVersions"), valid[1]), versions)
        self.expect(name, "tagged versions", tagged, clip(ours.tagged, versions))
        if tagged is not None:
            self.expect(name, "tag", int(theirs["tag"]), ours.tag)
        default = ours.default if ours.default not in (0, False, "") else None
        self.expect(name, "default", schema_default(theirs), default)
        self.expect(name, "ignorable", true(theirs.get("ignorable")), ours.ignorable)
        inflexible = theirs.get("flexibleVersions") == "none"
        self.expect(name, "inflexible", inflexible, ours.inflexible)
        base = theirs["type"].removeprefix("[]")
        nested = theirs.get("fields") or common.get(base, {}).get("fields")
        if nested is None:
            self.expect(name, "nested struct", False, ours.struct is not None)
        elif ours.struct is None:
            self.errors.append(f"{name}: has no fields here")
        else:
            self.struct(name, nested, ours.struct, valid, versions, common)


def schemas(jar):
    """All schemas of a jar, by name."""
    with zipfile.ZipFile(jar) as archive:
        for entry in sorted(archive.namelist()):
            if re.search(r"(^|/)(message|metadata)/\w+\.json$", entry):
                text = archive.read(entry).decode()
                try:
                    schema = json.loads(strip_comments(text))
                except json.JSONDecodeError:
                    if NOT_OURS.search(entry):
                        continue
                    raise
                if "validVersions" in schema:
                    yield schema


def main():
    path = sys.argv[1] if len(sys.argv) > 1 else os.environ.get("KAFKA_CLIENTS_JAR", "")
    if not path or not pathlib.Path(path).is_file():
        print("skipped: give the path of kafka-clients-4.x.jar, or set KAFKA_CLIENTS_JAR")
        return 77
    jars = [pathlib.Path(path)]
    jars += sorted(jar for jar in jars[0].parent.iterdir() if JARS.fullmatch(jar.name))
    apis, messages = generate.load(ROOT / "protocol" / "messages")
    ours = {message.name: message for message in messages}
    comparison = Comparison()
    seen, removed, unstable = set(), [], {}
    for jar in jars:
        for schema in schemas(jar):
            name = schema["name"]
            if NOT_OURS.search(name):
                continue
            if schema["validVersions"] == "none":
                removed.append(name)
                continue
            seen.add(name)
            if schema["type"] == "request":
                unstable[schema["apiKey"]] = true(schema.get("latestVersionUnstable"))
            if name in ours:
                comparison.message(schema, ours[name])
            else:
                comparison.errors.append(f"{name}: not described")
    for api in apis:
        if api.key in unstable:
            comparison.expect(api.name, "unstable", unstable[api.key], api.unstable)
    for error in comparison.errors:
        print(error)
    print(f"{len(jars)} jars: {', '.join(jar.name for jar in jars)}")
    print(f"compared {comparison.messages} messages with {comparison.fields} fields")
    print(f"older versions of ours: {', '.join(comparison.extra_versions) or 'none'}")
    print(f"fields of those: {', '.join(sorted(set(comparison.extra_fields))) or 'none'}")
    print(f"in no jar: {', '.join(sorted(set(ours) - seen)) or 'none'}")
    print(f"without versions in Kafka: {', '.join(sorted(removed)) or 'none'}")
    if comparison.messages < 150 or comparison.fields < 1000:
        print("too few messages were compared for this to mean anything")
        return 1
    return 1 if comparison.errors else 0


if __name__ == "__main__":
    sys.exit(main())
