#!/bin/sh
# docs/configuration.md is what the broker's table of keys gives.
# usage: configuration.sh SOURCE_ROOT BARNABAS
set -eu
made=$(mktemp)
trap 'rm -f "$made"' EXIT
"$2" --print-config-docs >"$made"
[ -s "$made" ]
diff -u "$1/docs/configuration.md" "$made" || {
    echo "docs/configuration.md is not current: build/barnabas --print-config-docs > docs/configuration.md" >&2
    exit 1
}
