#!/bin/sh
# The seeds of a fuzz target and some inputs made from them.
# usage: smoke.sh FUZZ_TARGET CORPUS_DIR
set -eu
found=$(mktemp -d)
trap 'rm -rf "$found"' EXIT
"$1" -runs=20000 -max_len=4096 -seed=1 "$found" "$2"
