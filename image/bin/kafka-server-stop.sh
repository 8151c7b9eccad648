#!/bin/sh
# Asks every broker of this container to stop.
status=1
for comm in /proc/[0-9]*/comm; do
    if [ "$(cat "$comm" 2>/dev/null)" = barnabas ]; then
        pid=${comm#/proc/}
        kill -TERM "${pid%/comm}" && status=0
    fi
done
[ "$status" -eq 0 ] || echo "No kafka server to stop"
exit "$status"
