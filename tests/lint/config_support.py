#!/usr/bin/env python3
"""What the table of configuration keys claims to honour, some code reads; and the other way round.

usage: config_support.py SOURCE_ROOT
"""

import pathlib
import re
import sys

root = pathlib.Path(sys.argv[1])
config = root / "broker/config"
table = (config / "config_table.h").read_text()

sections = {}
for name, body in re.findall(r"#define CONFIG_(\w+)_TABLE\(X\) \\\n(.*?)\n\n", table, re.S):
    rows = re.findall(r'X\((\w+), "([^"]+)", .*?(\w+), \\\n', body)
    sections[name] = {identifier: (key, support) for identifier, key, support in rows}

used = set()
for path in sorted(root.glob("broker/**/*.[ch]")):
    if path.name != "config_table.h" and path.name != "config_keys.c":
        used |= set(re.findall(r"\b(?:TOPIC_)?CONFIG_\w+", path.read_text()))

failures = []
checked = 0
for section, prefix in (("BROKER", "CONFIG_"), ("TOPIC", "TOPIC_CONFIG_")):
    for identifier, (key, support) in sections[section].items():
        read = prefix + identifier in used
        by_topic = section == "BROKER" and any(
            f"CONFIG_{identifier}, " in line and "HONOURED" in line
            for line in table[table.index("CONFIG_TOPIC_TABLE") :].splitlines()
        )
        by_fallback = section == "BROKER" and re.search(
            rf"_fallbacks\[\] = {{[^}}]*CONFIG_{identifier}\b",
            (config / "config_keys.c").read_text(),
        )
        checked += 1
        if support == "HONOURED" and not (read or by_topic or by_fallback):
            failures.append(f"{key} is said to be honoured, but nothing reads it")
        if support in ("IGNORED", "MEANINGLESS") and read:
            failures.append(f"{key} is said to be without effect, but something reads it")

for failure in failures:
    print(failure)
print(f"{checked} keys checked")
sys.exit(1 if failures or checked < 300 else 0)
