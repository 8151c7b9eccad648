"""What stands beside every figure: the machine and the versions."""

import datetime
import pathlib
import platform
import re
import subprocess
import sys

import systems


def output(*command):
    try:
        done = subprocess.run(command, capture_output=True, text=True, cwd=systems.ROOT)
    except OSError:
        return ""
    return (done.stdout or done.stderr).strip()


def first_match(path, pattern):
    match = re.search(pattern, pathlib.Path(path).read_text())
    return match.group(1).strip() if match else "unknown"


def file_system(directory):
    """The type and device that hold the directory."""
    directory.mkdir(parents=True, exist_ok=True)
    place = str(directory.resolve())
    best = ("", "unknown")
    for line in pathlib.Path("/proc/mounts").read_text().splitlines():
        device, mount, kind = line.split()[:3]
        inside = place == mount or place.startswith(mount.rstrip("/") + "/")
        if inside and len(mount) >= len(best[0]):
            best = (mount, f"{kind} on {device}")
    return best[1]


def facts(directory):
    memory_kib = int(first_match("/proc/meminfo", r"MemTotal:\s+(\d+)"))
    return {
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "cpu": first_match("/proc/cpuinfo", r"model name\s*:\s*(.*)"),
        "cpus": output("nproc"),
        "kernel": platform.release(),
        "memory_gib": round(memory_kib / 1048576, 1),
        "file_system": file_system(directory),
        "system": first_match("/etc/os-release", r'PRETTY_NAME="(.*)"'),
        "barnabas": output(str(systems.BUILD / "barnabas"), "--version"),
        "commit": output("git", "describe", "--always", "--dirty", "--abbrev=12"),
        "compiler": output("cc", "--version").split("\n")[0],
        "build": build_type(),
        "kafka": systems.kafka_version() or "none",
        "kafka_jvm": " ".join(systems.KAFKA_JVM),
        "java": output("java", "-version").split("\n")[0],
        "command": " ".join(["bench/run", *sys.argv[1:]]),
    }


def build_type():
    import json

    path = systems.BUILD / "meson-info/intro-buildoptions.json"
    try:
        options = {o["name"]: o["value"] for o in json.loads(path.read_text())}
    except (OSError, ValueError):
        return "unknown"
    return f"{options['buildtype']}, -O{options['optimization']}"
