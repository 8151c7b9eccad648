#!/usr/bin/env python3
"""Runs Kafka's own DumpLogSegments over every file of a partition's directory.

usage: dump_log_segments.py DIR

Passes when the tool reads all of them without complaint. KAFKA_LIBS names the folder of Kafka's
jars; exits with 77 (skipped) when it or java is missing.
"""

import os
import re
import shutil
import subprocess
import sys

# The tool finds the first offset of a segment that does not start at 0 "non-consecutive" to -1,
# in Kafka's own segments as well; so the pairs it prints are judged, not their headline.
COMPLAINT = re.compile(r"isvalid: false|Exception|Mismatches|Found timestamp mismatch|"
                       r"Found out of order|corrupt|Found invalid|^ *[0-9]+ is followed by")
DUMPED = (".log", ".index", ".timeindex", ".txnindex", ".snapshot")


def main():
    libs = os.environ.get("KAFKA_LIBS", "")
    if shutil.which("java") is None or not os.path.isdir(libs):
        print("skipped: needs java and Kafka's jars (KAFKA_LIBS)")
        return 77
    directory = sys.argv[1]
    files = sorted(os.path.join(directory, name) for name in os.listdir(directory)
                   if name.endswith(DUMPED))
    failed = False
    for flags, suffixes in ((["--deep-iteration"], DUMPED),
                            (["--index-sanity-check"], (".index", ".timeindex")),
                            (["--verify-index-only"], (".index", ".timeindex"))):
        chosen = [name for name in files if name.endswith(suffixes)]
        command = ["java", "-cp", os.path.join(libs, "*"),
                   "org.apache.kafka.tools.DumpLogSegments", *flags, "--files", ",".join(chosen)]
        run = subprocess.run(command, capture_output=True, text=True, check=False)
        lines = run.stdout.splitlines() + [
            line for line in run.stderr.splitlines() if not line.startswith("SLF4J")]
        bad = [line for line in lines if COMPLAINT.search(line)]
        if run.returncode != 0 or bad:
            print("\n".join(bad[:20] or lines[-20:]))
            failed = True
        batches = sum(line.startswith("baseOffset:") for line in lines)
        print(f"DumpLogSegments {' '.join(flags)}: {len(chosen)} files, {batches} batches")
        if flags == ["--deep-iteration"] and batches == 0:
            print("no batch was seen")
            failed = True
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
