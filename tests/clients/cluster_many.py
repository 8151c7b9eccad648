"""
Many partitions on three nodes: creation, memory, failover, starts.

    tests/clients/run-many --partitions 10000
"""

import argparse
import time

import cluster as clusters
import cluster_load
from confluent_kafka.admin import AdminClient, NewTopic

TOPICS = 10


def memory(cluster):
    """MiB of each node that runs."""
    out = []
    for node in cluster.running():
        with open(f"/proc/{cluster.nodes[node].process.pid}/status") as f:
            out.append(int(next(line.split()[1] for line in f if line.startswith("VmRSS"))) // 1024)
    return out


def partitions(cluster):
    topics = cluster.metadata().topics
    return [p for name in topics if name.startswith("many-") for p in topics[name].values()]


def measure(cluster, count):
    def level():
        found = partitions(cluster)
        return len(found) == count and all(p.leader > 0 and len(p.isr) == 3 for p in found)

    def timed(what, act, until):
        begin = time.monotonic()
        act()
        acted = time.monotonic() - begin
        clusters.wait_until(what, until, 300, 0.05)
        print(f"{what}: {acted:.2f} s, ready after {time.monotonic() - begin:.2f} s, "
              f"memory {memory(cluster)} MiB", flush=True)

    def create():
        admin = AdminClient({"bootstrap.servers": cluster.bootstrap,
                             "logger": cluster_load.Quiet()})
        for i in range(TOPICS):
            name = f"many-{i}"
            admin.create_topics([NewTopic(name, count // TOPICS, 3)], request_timeout=60)[
                name].result(90)

    def kill_all():
        for node in cluster.ids:
            cluster.kill(node)
        cluster.start()

    def stop_all():
        cluster.stop_all()
        cluster.start()

    timed("start of nothing", cluster.start, lambda: True)
    timed("creation", create, level)
    node = cluster.active_controller()
    timed("active controller killed", lambda: cluster.kill(node),
          lambda: all(p.leader in cluster.running() for p in partitions(cluster)))
    timed("it starts again", lambda: cluster.start_node(node), level)
    timed("all stop and start", stop_all, level)
    timed("all are killed and start", kill_all, level)


def main():
    parser = argparse.ArgumentParser(description="Many partitions on three nodes.")
    parser.add_argument("--kind", choices=["barnabas", "kafka"], default="barnabas")
    parser.add_argument("--partitions", type=int, default=10000)
    options = parser.parse_args()
    cluster = clusters.Cluster(options.kind)
    try:
        measure(cluster, options.partitions)
    finally:
        cluster.destroy()


if __name__ == "__main__":
    main()
