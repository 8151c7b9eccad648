#!/bin/sh
# kafka-server-start.sh [-daemon] server.properties [--override key=value]...
if [ "${1:-}" = -daemon ]; then
    shift
    setsid barnabas "$@" >/dev/null 2>&1 </dev/null &
    exit 0
fi
exec barnabas "$@"
