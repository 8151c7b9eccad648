"""
A cluster of real processes on this machine, of Barnabas or of Apache Kafka as the reference.

Each node is broker and controller and keeps its ports and its directory over restarts. What the
cluster says about itself is asked anew each time from any node that answers (cluster_wire.py).
"""

import concurrent.futures
import contextlib
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import uuid

import cluster_wire
import harness

# Below the range that outgoing connections take their ports from: a node that is down for a while
# must find its port free when it comes back.
PORTS_FROM = int(os.environ.get("CLUSTER_PORTS", 27000))
PORTS_TO = PORTS_FROM + 999
HOST = "127.0.0.1"

START_TIMEOUT_S = 60
CHANGE_TIMEOUT_S = 60
STOP_ALL_TIMEOUT_S = 15


def ports(count):
    """Ports that are free now; different for clusters that are made at the same time."""
    found = []
    start = PORTS_FROM + (os.getpid() * 37 + int(time.time() * 1000)) % (PORTS_TO - PORTS_FROM)
    for step in range(PORTS_TO - PORTS_FROM):
        port = PORTS_FROM + (start - PORTS_FROM + step) % (PORTS_TO - PORTS_FROM)
        with contextlib.suppress(OSError), socket.socket() as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            s.bind((HOST, port))
            found.append(port)
        if len(found) == count:
            return found
    raise RuntimeError(f"no {count} free ports from {PORTS_FROM} on")


def random_uuid():
    return harness.cluster_text(uuid.uuid4())


def wait_until(what, condition, timeout_s=CHANGE_TIMEOUT_S, pause_s=0.02):
    """The first true value of condition(); OSErrors are asked again."""
    deadline = time.monotonic() + timeout_s
    error = None
    while time.monotonic() < deadline:
        try:
            value = condition()
            if value:
                return value
            error = None
        except (OSError, AssertionError) as e:
            error = e
        time.sleep(pause_s)
    raise TimeoutError(f"{what} did not happen within {timeout_s} s" + (f": {error}" if error else ""))


class _Node:
    """What a node of either kind has; the rest is harness.Broker's."""

    def properties(self):
        return {**self.cluster.properties(self.node_id), "log.dirs": self.data}

    def prepare(self):
        if not (self.data / "meta.properties").exists():
            self.cluster.format(self)


class BarnabasNode(_Node, harness.Barnabas):
    pass


class KafkaNode(_Node, harness.ApacheKafka):
    def command(self):
        return harness.java_command("kafka.Kafka", heap="320m") + [str(self.properties_path)]


class Cluster:
    """
    `quorum` is "dynamic" (format --initial-controllers) or "static" (controller.quorum.voters).
    Further properties are written with "_" for ".". Ids are 1 to nodes, unless they are given.
    """

    def __init__(self, kind="barnabas", nodes=3, shards=1, quorum="dynamic", directory=None,
                 format_with=None, ids=None, format_args=(), **properties):
        self.kind = kind
        self.format_with = format_with or kind
        self.format_args = format_args
        self.own_directory = directory is None
        self.directory = pathlib.Path(directory or tempfile.mkdtemp(prefix="cluster-"))
        self.cluster_id = random_uuid()
        self.quorum_kind = quorum
        self.ids = list(ids or range(1, nodes + 1))
        free = ports(2 * len(self.ids))
        self.ports = dict(zip(self.ids, free))
        self.controller_ports = dict(zip(self.ids, free[len(self.ids) :]))
        self.directory_ids = {i: random_uuid() for i in self.ids}
        if kind == "barnabas":
            properties.setdefault("num_shards", shards)
        self.extra = properties
        make = BarnabasNode if kind == "barnabas" else KafkaNode
        self.nodes = {}
        for i in self.ids:
            node = make(directory=self.directory / str(i), port=self.ports[i], **properties)
            node.cluster = self
            node.node_id = i
            self.nodes[i] = node
        self.paused = set()
        self.wiped = set()

    # ---- Configuration -----------------------------------------------------------------------

    def properties(self, node):
        controllers = {i: f"{HOST}:{port}" for i, port in self.controller_ports.items()}
        if self.quorum_kind == "static":
            quorum = {"controller.quorum.voters": ",".join(f"{i}@{a}" for i, a in controllers.items())}
        else:
            quorum = {"controller.quorum.bootstrap.servers": ",".join(controllers.values())}
        replicas = min(3, len(self.ids))
        return {
            "node.id": node,
            "process.roles": "broker,controller",
            "controller.listener.names": "CONTROLLER",
            "listeners": f"PLAINTEXT://{HOST}:{self.ports[node]},"
            f"CONTROLLER://{HOST}:{self.controller_ports[node]}",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "default.replication.factor": replicas,
            "min.insync.replicas": 2 if replicas == 3 else 1,
            "offsets.topic.replication.factor": replicas,
            "offsets.topic.num.partitions": 4,
            "transaction.state.log.replication.factor": replicas,
            "transaction.state.log.min.isr": 1,
            "share.coordinator.state.topic.replication.factor": replicas,
            "share.coordinator.state.topic.min.isr": 1,
            "group.initial.rebalance.delay.ms": 0,
            **quorum,
        }

    def format(self, node):
        args = ["-t", self.cluster_id, "-c", str(node.properties_path), *self.format_args]
        if self.quorum_kind == "dynamic" and node.node_id in self.wiped:
            args += ["--no-initial-controllers"]
        elif self.quorum_kind == "dynamic":
            voters = (
                f"{i}@{HOST}:{self.controller_ports[i]}:{self.directory_ids[i]}" for i in self.ids
            )
            args += ["--initial-controllers", ",".join(voters)]
        if self.format_with == "kafka":
            harness.run_java("kafka.tools.StorageTool", "format", *args)
            return
        tool = harness.BARNABAS.with_name("barnabasctl")
        done = subprocess.run([tool, "format", *args], capture_output=True, text=True, timeout=30)
        assert done.returncode == 0, done.stdout + done.stderr

    @property
    def bootstrap(self):
        return ",".join(f"{HOST}:{port}" for port in self.ports.values())

    # ---- Processes ---------------------------------------------------------------------------

    def running(self):
        return [i for i in self.ids if self.nodes[i].process is not None and i not in self.paused]

    def start(self, wait=True):
        down = [node for node in self.nodes.values() if node.process is None]
        with concurrent.futures.ThreadPoolExecutor() as pool:  # formatting takes Java seconds
            for done in [pool.submit(node.start, wait=False) for node in down]:
                done.result()
        if wait:
            self.wait_ready()
        return self

    def wait_ready(self, timeout_s=START_TIMEOUT_S):
        """Until each running node answers and sees all that run."""
        def ready():
            for i in self.running():
                if self.nodes[i].process.poll() is not None:
                    raise RuntimeError(f"node {i} exited:\n{self.nodes[i].log()}")
                if not set(self.running()) <= set(self.metadata(node=i, topics=[]).brokers):
                    return False
            return True

        try:
            wait_until("the start of the cluster", ready, timeout_s)
        except TimeoutError as e:
            raise RuntimeError(f"{e}\n{self.logs()}") from None

    def kill(self, node):
        self.nodes[node].kill()
        self.paused.discard(node)

    def stop(self, node):
        """SIGTERM; the exit code."""
        return self.nodes[node].stop()

    def start_node(self, node, wait=True):
        self.nodes[node].start(wait=wait)

    def restart(self, node):
        self.stop(node)
        self.start_node(node)

    def pause(self, node):
        self.nodes[node].process.send_signal(signal.SIGSTOP)
        self.paused.add(node)

    def resume(self, node):
        self.nodes[node].process.send_signal(signal.SIGCONT)
        self.paused.discard(node)

    def wipe(self, node):
        """A new disk instead of the old one: the node is none of the voters any more."""
        assert self.nodes[node].process is None
        shutil.rmtree(self.nodes[node].data)
        self.wiped.add(node)

    def stop_all(self):
        """
        SIGTERM to all at once; what was wrong: exit codes, reports of sanitizers, a node that did
        not end. The last node of Apache Kafka never does, as it waits for a controller.
        """
        for node in list(self.paused):
            self.resume(node)
        complaints = []
        up = [(i, node) for i, node in self.nodes.items() if node.process is not None]
        for _, node in up:
            node.process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + STOP_ALL_TIMEOUT_S
        for i, node in up:
            try:
                code = node.process.wait(max(0, deadline - time.monotonic()))
                trouble = "" if code == 0 else f"exited with {code}"
                node.process = None
            except subprocess.TimeoutExpired:
                trouble = f"did not end within {STOP_ALL_TIMEOUT_S} s"
                node.kill()
            if self.kind == "barnabas":
                complaints += [f"node {i} {trouble}:\n{node.log()}"] if trouble else []
                complaints += node.sanitizer_reports()
        return complaints

    def destroy(self):
        """stop_all(), and the directories go."""
        complaints = self.stop_all()
        if self.own_directory:
            shutil.rmtree(self.directory, ignore_errors=True)
        return complaints

    def logs(self, tail=30):
        lines = []
        for i in self.ids:
            lines.append(f"---- node {i}")
            lines += [line[:300] for line in self.nodes[i].log(tail).splitlines()]
        return "\n".join(lines)

    def __enter__(self):
        try:
            return self.start()
        except BaseException:
            self.destroy()
            raise

    def __exit__(self, kind, *_):
        complaints = self.destroy()
        assert kind is not None or not complaints, "\n".join(complaints)

    # ---- What it says of itself --------------------------------------------------------------

    def address(self, node):
        return (HOST, self.ports[node])

    def anybody(self, question):
        """The first answer (not None) of a running node."""
        error = OSError("no node runs")
        for node in self.running():
            try:
                answer = question(self.address(node))
                if answer is not None:
                    return answer
            except OSError as e:
                error = e
        raise error

    def metadata(self, node=None, topics=None):
        if node is not None:
            return cluster_wire.metadata(self.address(node), topics)
        return self.anybody(lambda address: cluster_wire.metadata(address, topics))

    def partition(self, topic, partition, node=None):
        topics = self.metadata(node, [topic]).topics
        if partition not in topics.get(topic, {}):
            raise OSError(f"{topic}-{partition} is not known yet")
        return topics[topic][partition]

    def leader_of(self, topic, partition, timeout_s=CHANGE_TIMEOUT_S):
        """A leader that runs, as soon as the nodes know one."""
        def leader():
            found = self.partition(topic, partition).leader
            return found if found in self.running() else None

        return wait_until(f"a leader of {topic}-{partition}", leader, timeout_s)

    def quorum(self):
        return self.anybody(cluster_wire.describe_quorum)

    def active_controller(self, timeout_s=CHANGE_TIMEOUT_S):
        def leader():
            found = self.quorum().leader
            return found if found in self.running() else None

        return wait_until("an active controller", leader, timeout_s)

    def coordinator_of(self, group, timeout_s=CHANGE_TIMEOUT_S):
        def coordinator():
            found = self.anybody(lambda address: cluster_wire.coordinator(address, group))
            return found if found in self.running() else None

        return wait_until(f"a coordinator of {group}", coordinator, timeout_s)

    def heal(self):
        """All nodes run, and all replicas of all topics are in sync."""
        for node in list(self.paused):
            self.resume(node)
        self.start()

        def level():
            topics = self.metadata().topics
            return all(set(p.isr) == set(p.replicas) for t in topics.values() for p in t.values())

        wait_until("all replicas in sync", level)

    def wait_isr(self, topic, size=None, timeout_s=CHANGE_TIMEOUT_S):
        """Until every running node says that each partition's ISR has `size` members (all)."""
        def complete():
            for node in self.running():
                partitions = self.metadata(node, [topic]).topics.get(topic, {})
                if not partitions:
                    return False
                for p in partitions.values():
                    if len(p.isr) != (size or len(p.replicas)) or p.leader not in self.running():
                        return False
            return True

        wait_until(f"an ISR of {size or 'all'} of {topic}", complete, timeout_s)

    def wait_metadata(self, timeout_s=CHANGE_TIMEOUT_S):
        """Until the metadata logs of all running nodes have the same end."""
        def level():
            quorum = self.quorum()
            ends = [quorum.voters.get(i, -1) for i in self.running()]
            return min(ends) >= quorum.high_watermark

        wait_until("metadata on all nodes", level, timeout_s)


class AsOneBroker(Cluster):
    """With what tests of a single broker do to it; what happens to the broker happens to a node."""

    turn = -1

    @property
    def victim(self):
        return self.ids[self.turn % len(self.ids)]

    def kill(self, node=None):
        if node is None:
            self.turn += 1
        super().kill(node or self.victim)

    def restart(self, node=None):
        """All nodes, one after the other."""
        for one in [node] if node else self.ids:
            super().restart(one)
            self.heal()

    def fail_over(self):
        self.kill()
        self.active_controller()
        self.heal()

    def log(self, tail=30):
        return self.logs(tail)


def has_what_it_needs(kind):
    if kind == "kafka":
        return harness.have_kafka()
    return harness.BARNABAS.exists()
