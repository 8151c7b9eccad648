#!/usr/bin/env python3
"""Checks who includes whom: floors, the machine, and headers that are private to a folder.

usage: includes.py SOURCE_ROOT

A lower floor never includes from a higher one. Only runtime/ talks to the operating system and to
libuv (tools/, which no simulation runs, may call the operating system too); its two machines,
runtime/uv and runtime/sim, are known by their public headers. The checker checks itself first, on
sources that break each rule.
"""

import pathlib
import re
import sys

FLOORS = {
    "base": {"base"},
    "runtime": {"base", "runtime"},
    "protocol": {"base", "protocol"},
    "storage": {"base", "runtime", "protocol", "storage"},
    "raft": {"base", "protocol", "raft"},
    "broker": {"base", "runtime", "protocol", "storage", "raft", "broker"},
    "tools": {"base", "runtime", "protocol", "storage", "raft", "broker", "tools"},
}

# What only runtime/ may include: the event loop, and calls that a simulated machine cannot see.
MACHINE_HEADERS = re.compile(
    r"uv\.h|pthread\.h|unistd\.h|fcntl\.h|poll\.h|netdb\.h|dirent\.h|threads\.h"
    r"|sys/(?!types\.h|queue\.h).*|netinet/.*|arpa/.*"
)

# runtime/sim/sim.h is what a simulation is driven by; all else below is for the machine alone.
PRIVATE = re.compile(r"runtime/(uv|sim)/(?!sim\.h$)")

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*(["<])([^">]+)[">]', re.MULTILINE)

FILE_COUNT_MIN = 50


def faults(path, text):
    """What is wrong with the includes of one file; `path` is relative to the root."""
    floor = path.split("/")[0]
    for match in INCLUDE.finditer(text):
        line = text.count("\n", 0, match.start()) + 1
        quote, target = match.groups()
        place = f"{path}:{line}: "
        if quote == "<":
            outside = floor in ("base", "tools")
            if floor != "runtime" and not outside and MACHINE_HEADERS.fullmatch(target):
                yield f"{place}<{target}> is for runtime/ only"
            if outside and target == "uv.h":
                yield f"{place}<{target}> is for runtime/ only"
            continue
        into = target.split("/")[0]
        if "/" not in target or into not in FLOORS:
            yield f'{place}"{target}" is not a path from the root of the sources'
        elif into not in FLOORS[floor]:
            yield f'{place}{floor}/ may not include "{target}"'
        elif floor != "runtime" and PRIVATE.match(target):
            yield f'{place}"{target}" is private to its machine'


def check_self():
    """Each bad source has exactly one fault, each good one none."""
    bad = [
        ("base/a.c", '#include "runtime/file.h"\n'),
        ("base/a.c", "#include <uv.h>\n"),
        ("tools/a.c", "#include <uv.h>\n"),
        ("protocol/a.c", '#include "storage/log.h"\n'),
        ("protocol/a.c", '#include "runtime/file.h"\n'),
        ("raft/a.c", '  #  include   "runtime/machine.h"\n'),
        ("storage/a.c", '/* first */\n\n#include "broker/node.h"\n'),
        ("storage/a.c", "#include <unistd.h>\n"),
        ("broker/a.c", "#include <sys/socket.h>\n"),
        ("broker/a.c", '#include "runtime/uv/internal.h"\n'),
        ("broker/a.c", '#include "tools/main.h"\n'),
        ("broker/a.c", '#include "neighbour.h"\n'),
    ]
    good = [
        ("base/a.c", '#include "base/slice.h"\n#include <string.h>\n'),
        ("tools/a.c", "#include <sys/epoll.h>\n"),
        ("runtime/uv/a.c", '#include <uv.h>\n#include "runtime/uv/internal.h"\n'),
        ("broker/a.c", '#include "raft/raft.h"\n#include <sys/types.h>\n'),
        ("storage/a.c", '/* #include of "broker/x.h" in prose */\n'),
    ]
    for path, text in bad:
        assert len(list(faults(path, text))) == 1, (path, text)
    for path, text in good:
        assert not list(faults(path, text)), (path, text)


def main():
    check_self()
    root = pathlib.Path(sys.argv[1])
    count = 0
    found = []
    for floor in FLOORS:
        for path in sorted((root / floor).rglob("*.[ch]")):
            count += 1
            found += faults(path.relative_to(root).as_posix(), path.read_text())
    for fault in found:
        print(fault)
    if count < FILE_COUNT_MIN:
        sys.exit(f"only {count} files found below {root}")
    if found:
        sys.exit(f"{len(found)} includes cross a border")
    print(f"the includes of {count} files are within their borders")


if __name__ == "__main__":
    main()
