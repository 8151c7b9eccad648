"""Prints what the matrix found last, as a Markdown table: table.py [barnabas|kafka][-cluster]"""

import json
import pathlib
import sys

from scenarios import SCENARIOS

HERE = pathlib.Path(__file__).resolve().parent
CACHE = HERE.parents[2] / ".cache/matrix"
SIGNS = {"passed": "yes", "passed, no kill": "yes, quiet", "failed": "NO", "not run": "not run"}


def read_results(broker):
    """The cells of every client that stands in a driver.json."""
    found = {}
    for description in sorted(HERE.glob("*/driver.json")):
        path = CACHE / description.parent.name / f"results-{broker}.json"
        results = json.loads(path.read_text()) if path.exists() else {}
        for client in json.loads(description.read_text())["clients"]:
            name = f"{client['name']} {client['version']}"
            if name in results:
                found[name] = results[name]
    return found


def main():
    results = read_results(sys.argv[1] if len(sys.argv) > 1 else "barnabas")
    if not results:
        sys.exit("there is no result yet: run tests/clients/run-matrix")
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
            row.append("yes" if cell.startswith("passed, killed") else SIGNS.get(cell, cell))
        print(f"| {client} | " + " | ".join(row) + " |")
    for reason, where in sorted(lacks.items()):
        print(f"\n– {', '.join(where)}: {reason}")


main()
