#!/usr/bin/env python3
"""docs/compatibility.md says what broker/api/api.h serves, API by API and version by version."""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]


def served(text):
    """(key, lowest, highest) of each line of API_LIST."""
    rows = re.findall(r"X\((\d+),\s*\w+,\s*[BCF]+,\s*(\d+),\s*(\d+)\)", text)
    return [tuple(map(int, row)) for row in rows]


def documented(text):
    """The same of the table "APIs that are served"."""
    section = text.split("## APIs that are served")[1].split("\n## ")[0]
    rows = re.findall(r"^\| (\d+) \| \w+ \| (\d+)-(\d+) \|", section, re.M)
    return [tuple(map(int, row)) for row in rows]


def main():
    code = served((ROOT / "broker/api/api.h").read_text())
    docs = documented((ROOT / "docs/compatibility.md").read_text())
    for row in sorted(set(code) ^ set(docs)):
        where = "only served" if row in code else "only documented"
        print(f"key {row[0]} versions {row[1]}-{row[2]}: {where}")
    print(f"compared {len(code)} APIs")
    return 1 if code != docs or not code else 0


if __name__ == "__main__":
    sys.exit(main())
