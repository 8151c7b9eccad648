"""Prints what the last run of the matrix found, as a Markdown table."""

import json
import pathlib
import sys

from scenarios import SCENARIOS

RESULTS = pathlib.Path(__file__).resolve().parents[3] / ".cache/matrix/results.json"
SIGNS = {"passed": "yes", "failed": "NO", "not run": "not run"}


def main():
    if not RESULTS.exists():
        sys.exit("there is no result yet: run tests/clients/run-matrix")
    results = json.loads(RESULTS.read_text())
    names = [s.name for s in SCENARIOS]
    print("| client | " + " | ".join(n.replace("_", " ") for n in names) + " |")
    print("|---" * (len(names) + 1) + "|")
    lacks = {}
    for client, cells in sorted(results.items()):
        row = []
        for name in names:
            cell = cells.get(name, "")
            if cell.startswith("lacks: "):
                lacks.setdefault(cell[len("lacks: ") :], []).append(f"{client} {name}")
                cell = "–"
            row.append(SIGNS.get(cell, cell))
        print(f"| {client} | " + " | ".join(row) + " |")
    for reason, where in sorted(lacks.items()):
        print(f"\n– {', '.join(where)}: {reason}")


main()
