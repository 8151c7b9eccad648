"""Kafka's answers as data: recorded/<area>.json.xz, so that they can be compared without a JVM.

One file an area. Most answers are given many times, so each stands once, and a case is its label and
the number of its answer.
"""

import json
import lzma
import pathlib

FOLDER = pathlib.Path(__file__).resolve().parent / "recorded"


def area_of(scenario):
    return scenario.split(".")[0]


def write(settings, answers):
    """answers: scenario -> [[label, answer]]. Areas that were not asked for stay as they are."""
    FOLDER.mkdir(exist_ok=True)
    for area in sorted({area_of(name) for name in answers}):
        table, numbers, scenarios = [], {}, {}
        for name, log in answers.items():
            if area_of(name) != area:
                continue
            scenarios[name] = []
            for label, answer in log:
                text = json.dumps(answer, separators=(",", ":"))
                if text not in numbers:
                    numbers[text] = len(table)
                    table.append(answer)
                scenarios[name].append([label, numbers[text]])
        data = json.dumps({"settings": settings, "answers": table, "scenarios": scenarios}, separators=(",", ":"))
        (FOLDER / f"{area}.json.xz").write_bytes(lzma.compress(data.encode(), preset=9))


def read(settings, scenarios):
    """The recorded answers of these scenarios; complains when they were made with other settings."""
    out, areas = {}, {}
    for name in scenarios:
        area = area_of(name)
        if area not in areas:
            path = FOLDER / f"{area}.json.xz"
            if not path.exists():
                raise SystemExit(f"{path} is missing: tests/differential/run --record")
            areas[area] = json.loads(lzma.decompress(path.read_bytes()))
            if areas[area]["settings"] != settings:
                raise SystemExit(f"{path.name} was recorded with {areas[area]['settings']}, not {settings}")
        table = areas[area]["answers"]
        out[name] = [[label, table[n]] for label, n in areas[area]["scenarios"].get(name, [])]
    return out
