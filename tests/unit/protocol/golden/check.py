#!/usr/bin/env python3
"""Compares generated headers with the ones kept here, so that a change of the generator or of a
description shows in review.

    check.py GENERATED_DIR            to accept a change, copy the files over as NAME.h.expected
"""

import difflib
import pathlib
import sys

here = pathlib.Path(__file__).resolve().parent
generated = pathlib.Path(sys.argv[1])
kept = sorted(here.glob("*.expected"))
differences = 0
for path in kept:
    lines = [p.read_text().splitlines() for p in (path, generated / path.stem)]
    names = (f"golden/{path.name}", f"generated/{path.stem}")
    for line in difflib.unified_diff(*lines, *names, lineterm=""):
        print(line)
        differences += 1
print(f"{len(kept)} headers compared, {differences} lines of difference")
sys.exit(1 if differences or not kept else 0)
