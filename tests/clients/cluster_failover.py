"""
Faults under load, and how long a producer waits for its next ack.

    kill      SIGKILL of the leader, of the active controller, or of any node; it comes back later
    rolling   SIGTERM and start of one node after the other
    flap      a node that leads nothing is paused, killed or restarted: nothing may be elected

A run with too few faults, or acks for less than 80 % of what was due, is void.
"""

import argparse
import collections
import json
import random
import sys
import time

import cluster as clusters
import cluster_load
from confluent_kafka.admin import AdminClient, NewTopic

TOPIC = "ledger"
ACKS_MIN = 0.8


def percentile(values, p):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * p / 100))] if ordered else float("nan")


def create_topic(cluster, topic, partitions):
    admin = AdminClient({"bootstrap.servers": cluster.bootstrap, "logger": cluster_load.Quiet()})
    admin.create_topics([NewTopic(topic, partitions, min(3, len(cluster.ids)))])[topic].result(30)
    cluster.wait_isr(topic)


class Run:
    def __init__(self, cluster, load, options, report):
        self.cluster = cluster
        self.load = load
        self.options = options
        self.report = report
        self.random = random.Random(options.seed)
        self.gaps = []  # around the fault, in seconds
        self.gaps_back = []  # while the node comes back
        self.faults = collections.Counter()
        self.elections = []

    # ---- Victims -----------------------------------------------------------------------------

    def victim(self):
        if self.options.victim == "leader":
            return self.cluster.leader_of(TOPIC, self.random.randrange(self.options.partitions))
        if self.options.victim == "controller":
            return self.cluster.active_controller()
        return self.random.choice(self.cluster.running())

    def idle_node(self):
        """A node that leads nothing that is looked at; None when there is none."""
        busy = {self.cluster.active_controller()}
        busy |= {self.cluster.leader_of(TOPIC, p) for p in range(self.options.partitions)}
        free = [i for i in self.cluster.running() if i not in busy]
        return self.random.choice(free) if free else None

    def epochs(self):
        partitions = self.cluster.metadata(topics=[TOPIC]).topics[TOPIC]
        return self.cluster.quorum().epoch, {i: p.leader_epoch for i, p in partitions.items()}

    # ---- Rounds ------------------------------------------------------------------------------

    def back_and_level(self, node, begin):
        """After a fault at `begin`: the node is started, and the gaps are taken."""
        restarted = time.monotonic()
        if self.cluster.nodes[node].process is None:
            self.cluster.start_node(node)
        elif node in self.cluster.paused:
            self.cluster.resume(node)
        self.cluster.wait_isr(TOPIC)
        self.load.wait_for_acks(1)
        self.gaps.append(self.load.longest_gap(begin, restarted))
        self.gaps_back.append(self.load.longest_gap(restarted, time.monotonic(), touching=False))

    def kill_round(self):
        node = self.victim()
        also = "controller" if node == self.cluster.active_controller() else "broker"
        if node == self.cluster.leader_of(TOPIC, 0):
            also += "+leader"
        begin = time.monotonic()
        self.cluster.kill(node)
        self.faults[also] += 1
        self.load.wait_for_acks(1)
        time.sleep(self.random.uniform(0.3, self.options.down))
        self.back_and_level(node, begin)
        return f"killed node {node} ({also})"

    def rolling_round(self):
        gap = back = 0.0
        for node in self.cluster.ids:
            begin = time.monotonic()
            code = self.cluster.stop(node)
            assert self.cluster.kind == "kafka" or code == 0, f"node {node} exited with {code}"
            self.faults["restart"] += 1
            self.back_and_level(node, begin)
            gap, back = max(gap, self.gaps.pop()), max(back, self.gaps_back.pop())
            time.sleep(self.random.uniform(0.1, 0.3))
        self.gaps.append(gap)
        self.gaps_back.append(back)
        return "restarted every node"

    def flap_round(self):
        node = self.idle_node()
        if node is None:  # the leader moves to the controller's node, and a node is free
            self.cluster.restart(self.cluster.leader_of(TOPIC, 0))
            self.cluster.wait_isr(TOPIC)
            return "made a node idle"
        before = self.epochs()
        how = self.random.choice(["pause", "kill", "restart"])
        begin = time.monotonic()
        {"pause": self.cluster.pause, "kill": self.cluster.kill, "restart": self.cluster.stop}[how](node)
        self.faults[how] += 1
        time.sleep(self.random.uniform(0.05, self.options.down))
        self.back_and_level(node, begin)
        after = self.epochs()
        if before != after:
            self.elections.append(f"{how} of node {node}: epochs {before} became {after}")
        return f"{how} of node {node}" + (" CAUSED AN ELECTION" if before != after else "")

    def rounds(self):
        one = {"kill": self.kill_round, "rolling": self.rolling_round, "flap": self.flap_round}
        for number in range(1, self.options.rounds + 1):
            time.sleep(self.random.uniform(*self.options.settle))
            done = one[self.options.mode]()
            if self.gaps:
                self.report(f"round {number}/{self.options.rounds}: {done}, gap "
                            f"{self.gaps[-1] * 1000:.0f} ms, back {self.gaps_back[-1] * 1000:.0f} ms")

    # ---- The end -----------------------------------------------------------------------------

    def figures(self, wrong, read):
        found = cluster_load.kinds(wrong)
        seconds = self.load.ended - self.load.began
        ms = [g * 1000 for g in self.gaps]
        back = [g * 1000 for g in self.gaps_back]
        wanted = self.options.rounds * (len(self.cluster.ids) if self.options.mode == "rolling" else 1)
        due = int(seconds * self.load.rate)
        faults = sum(self.faults.values())
        void = []
        if self.load.acks() < ACKS_MIN * due:
            void.append(f"only {self.load.acks()} acks of {due} records that were due")
        if faults < (wanted if self.options.mode != "flap" else wanted // 2):
            void.append(f"only {faults} faults of {wanted}")
        return {
            "kind": self.cluster.kind, "mode": self.options.mode, "victim": self.options.victim,
            "seed": self.options.seed, "rounds": self.options.rounds, "faults": dict(self.faults),
            "gap_ms": {p: round(percentile(ms, p)) for p in (50, 90, 99)} | {"max": round(max(ms))},
            "gap_back_ms": {p: round(percentile(back, p)) for p in (50, 90, 99)}
            | {"max": round(max(back))},
            "seconds": round(seconds, 1), "due": due, "acks": self.load.acks(), "read": read,
            "client_errors": len(self.load.failed), "client_events": dict(self.load.events),
            "elections": len(self.elections),
            **{k: found.get(k, 0)
               for k in ("lost", "duplicated", "moved", "reordered", "torn", "different")},
            "void": void,
        }  # fmt: skip


def stop_all(cluster):
    """Everything acknowledged is on all nodes before; what they hold is compared afterwards."""
    cluster.wait_isr(TOPIC)
    return cluster.stop_all()


def run(options, report=print, **properties):
    """The figures, and the list of what was wrong."""
    cluster = clusters.Cluster(options.kind, nodes=options.nodes, shards=options.shards,
                               quorum=options.quorum, **properties)
    load = None
    try:
        cluster.start()
        create_topic(cluster, TOPIC, options.partitions)
        client = dict(p.split("=", 1) for p in options.client)
        load = cluster_load.Load(cluster, TOPIC, options.partitions, options.rate, **client)
        load.start()
        load.wait_for_acks(100)
        this = Run(cluster, load, options, report)
        this.rounds()
        load.finish()
        wrong = stop_all(cluster)
        found, read = cluster_load.audit(cluster, load)
        wrong += found
        wrong += [f"client error: {e}" for e in load.failed] + this.elections
        return this.figures(wrong, read), wrong
    except BaseException:
        report(cluster.logs())
        raise
    finally:
        if load is not None:
            load.stopping.set()
        if options.keep:
            cluster.own_directory = False
            report(f"kept {cluster.directory}")
        cluster.destroy()


def parser():
    out = argparse.ArgumentParser(description=__doc__.split("\n\n")[0].strip())
    out.add_argument("--kind", choices=["barnabas", "kafka"], default="barnabas")
    out.add_argument("--mode", choices=["kill", "rolling", "flap"], default="kill")
    out.add_argument("--victim", choices=["leader", "controller", "random"], default="leader")
    out.add_argument("--rounds", type=int, default=10)
    out.add_argument("--seed", type=int, default=1)
    out.add_argument("--rate", type=int, default=1000, help="records a second")
    out.add_argument("--partitions", type=int, default=1)
    out.add_argument("--nodes", type=int, default=3)
    out.add_argument("--shards", type=int, default=1, help="num.shards of Barnabas")
    out.add_argument("--quorum", choices=["dynamic", "static"], default="dynamic")
    out.add_argument("--down", type=float, default=1.5, help="how long a node is away, at most, s")
    out.add_argument("--settle", type=float, nargs=2, default=(1, 3), help="between rounds, s")
    out.add_argument("--property", action="append", default=[], help="key=value for every node")
    out.add_argument("--client", action="append", default=[],
                     help="key=value for the producer, whose defaults are librdkafka's")
    out.add_argument("--json", help="where to write the figures")
    out.add_argument("--keep", action="store_true", help="leave the directories of the nodes")
    return out


def main():
    options = parser().parse_args()
    properties = dict(p.split("=", 1) for p in options.property)
    figures, wrong = run(options, report=lambda line: print(line, flush=True), **properties)
    for line in wrong[:20]:
        print(f"    {line}")
    for name, value in figures.items():
        print(f"{name:14} {value}")
    if options.json:
        with open(options.json, "w") as f:
            json.dump(figures, f, indent=1)
    sys.exit(1 if wrong or figures["void"] else 0)


if __name__ == "__main__":
    main()
