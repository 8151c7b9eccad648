#!/bin/sh
# All C sources are formatted as .clang-format says; proves that it looked at some.
# usage: format.sh SOURCE_ROOT
set -eu
cd "$1"
for tool in clang-format-14 clang-format; do
    command -v "$tool" >/dev/null && break
done
case $("$tool" --version 2>/dev/null) in
*" 14."*) ;;
*)
    echo "clang-format 14 is not installed" >&2
    exit 77
    ;;
esac
files=$(find base runtime protocol storage raft broker tools bench tests -name '*.[ch]' | sort)
count=$(printf '%s\n' "$files" | wc -l)
[ "$count" -gt 50 ] || { echo "only $count files found" >&2; exit 1; }
# shellcheck disable=SC2086
"$tool" --dry-run -Werror $files
echo "$count files are formatted"
