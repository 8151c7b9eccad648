"""Containers of the image, and networks made of namespaces for them."""

import os
import re
import shutil
import subprocess
import tempfile
import time

IMAGE = os.environ.get("BARNABAS_IMAGE", "localhost/barnabas:latest")
PODMAN = ["podman", "--cgroup-manager=cgroupfs", "--runtime=runc"]
LIMITS = ["--ulimit", "nofile=1024:1024", "--ulimit", "nproc=512:512"]
# What a careful administrator allows a container.
STRICT = ["--read-only", "--cap-drop", "all", "--user", "1001", "--memory", "64m",
          "--security-opt", "no-new-privileges"]  # fmt: skip
WAIT_S = 60


def run(*command, check=True, stdin=None):
    done = subprocess.run(command, capture_output=True, text=True, input=stdin, timeout=WAIT_S)
    if check and done.returncode != 0:
        raise AssertionError(f"{command} exited {done.returncode}:\n{done.stdout}{done.stderr}")
    return done


def run_once(*command):
    """What a command in a container of its own prints."""
    return run(*PODMAN, "run", "--rm", "--network=host", *LIMITS, *STRICT, IMAGE, *command).stdout


class Container:
    """One container; created, not yet started."""

    def __init__(self, *command, env=None, options=(), network="host", entrypoint=None):
        self.where = network
        args = [*PODMAN, "create", f"--network={network}", *LIMITS, *options]
        for name, value in (env or {}).items():
            args += ["--env", f"{name}={value}"]
        if entrypoint is not None:
            args += ["--entrypoint", entrypoint]
        self.id = run(*args, IMAGE, *command).stdout.strip()

    def start(self):
        run(*PODMAN, "start", self.id)
        return self

    def copy(self, text, path):
        """A file of mode 0755, as Docker's API for archives puts it there."""
        with tempfile.NamedTemporaryFile("w") as file:
            file.write(text)
            file.flush()
            os.chmod(file.name, 0o755)
            run(*PODMAN, "cp", file.name, f"{self.id}:{path}")

    def execute(self, *command, **kwargs):
        return run(*PODMAN, "exec", "-i", self.id, *command, **kwargs)

    def hostname(self):
        return run(*PODMAN, "inspect", "--format", "{{.Config.Hostname}}", self.id).stdout.strip()

    def log(self):
        done = run(*PODMAN, "logs", self.id, check=False)
        return done.stdout + done.stderr

    def wait_for(self, pattern):
        """A line of the log, as Testcontainers waits for it."""
        deadline = time.monotonic() + WAIT_S
        while time.monotonic() < deadline:
            if re.search(pattern, self.log()):
                return
            time.sleep(0.05)
        raise AssertionError(f"no line like {pattern}:\n{self.log()}")

    def stop(self):
        """SIGTERM; the exit code."""
        run(*PODMAN, "stop", "--time", "30", self.id)
        return int(run(*PODMAN, "inspect", "--format", "{{.State.ExitCode}}", self.id).stdout)

    def remove(self):
        run(*PODMAN, "rm", "--force", "--volumes", "--time", "0", self.id, check=False)

    def __enter__(self):
        return self.start()

    def __exit__(self, kind, *_):
        if kind is not None:
            print(self.log())
        self.remove()


class Volume:
    """A folder that the image's user may write to."""

    def __init__(self):
        self.path = tempfile.mkdtemp(prefix="barnabas-image-")
        os.chown(self.path, 1001, 0)

    def at(self, place):
        return ["--volume", f"{self.path}:{place}"]

    def remove(self):
        shutil.rmtree(self.path, ignore_errors=True)


class Bridge:
    """
    What Docker makes: a bridge in the host's namespace (here: one of its own), and a namespace for each
    container, all of it on one subnet.
    """

    SUBNET = "172.29.7"

    def __init__(self, name):
        self.host = f"{name}-host"
        self.made = []
        self.next = 2
        self._add(self.host)
        self._ip(self.host, "link", "add", "bridge0", "type", "bridge")
        self._ip(self.host, "addr", "add", f"{self.SUBNET}.1/24", "dev", "bridge0")
        self._ip(self.host, "link", "set", "bridge0", "up")

    def _add(self, namespace):
        run("ip", "netns", "add", namespace)
        self.made.append(namespace)
        self._ip(namespace, "link", "set", "lo", "up")

    def _ip(self, namespace, *args):
        run("ip", "-n", namespace, *args)

    def join(self, name):
        """A namespace on the bridge: its name, and its address."""
        number, self.next = self.next, self.next + 1
        namespace = f"{self.host}-{name}"
        address = f"{self.SUBNET}.{number}"
        self._add(namespace)
        self._ip(self.host, "link", "add", f"port{number}", "type", "veth",
                 "peer", "name", "eth0", "netns", namespace)  # fmt: skip
        self._ip(self.host, "link", "set", f"port{number}", "master", "bridge0", "up")
        self._ip(namespace, "addr", "add", f"{address}/24", "dev", "eth0")
        self._ip(namespace, "link", "set", "eth0", "up")
        self._ip(namespace, "route", "add", "default", "via", f"{self.SUBNET}.1")
        return namespace, address

    def remove(self):
        for namespace in reversed(self.made):
            run("ip", "netns", "delete", namespace, check=False)


def network_of(namespace):
    return f"ns:/run/netns/{namespace}"


def within(namespace, *command, **kwargs):
    return run("ip", "netns", "exec", namespace, *command, **kwargs)
