#!/bin/sh
# The seeds of a fuzz target and some inputs made from them, the same each time.
# usage: smoke.sh FUZZ_TARGET CORPUS_DIR
set -eu
found=$(mktemp -d)
trap 'rm -rf "$found"' EXIT
export ASAN_OPTIONS="${ASAN_OPTIONS:-}:quarantine_size_mb=16:malloc_context_size=8"
export UBSAN_OPTIONS="${UBSAN_OPTIONS:-}:halt_on_error=1:print_stacktrace=1"
runs=10000
case $1 in
*fuzz_handlers) runs=1500 ;; # each is several requests
esac
"$1" -runs="$runs" -max_len=400 -seed=1 -timeout=30 -artifact_prefix="$found/" "$found" "$2"
