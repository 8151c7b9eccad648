"""
A real Prometheus scrapes nodes under load: boards made for Apache Kafka fill, our alerts load, and
three nodes together say what is so.
"""

import contextlib
import json
import math
import pathlib
import subprocess
import threading
import urllib.parse
import urllib.request

import cluster as clusters
import harness
import metrics_page
import metrics_queries
import pytest
from cluster import wait_until
from cluster_load import Quiet
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

pytestmark = pytest.mark.usefixtures("only_barnabas")

PROGRAMS = harness.ROOT / ".cache/prometheus/usr/bin"
RULES = harness.ROOT / "helm/barnabas/files/alerts.yaml"
BOARD = harness.ROOT / "helm/barnabas/files/dashboard.json"

# What promtool has to say of names that are Kafka's.
REMARKS = {
    'kafka_consumergroup_current_offset_sum non-histogram and non-summary metrics should not have "_sum" suffix',
    'kafka_consumergroup_lag_sum non-histogram and non-summary metrics should not have "_sum" suffix',
    "kafka_server_socket_server_metrics_connection_count "
    "label names should be written in 'snake_case' not 'camelCase'",
    "kafka_server_socket_server_metrics_connection_count "
    'non-histogram and non-summary metrics should not have "_count" suffix',
}


class Prometheus:
    """Scrapes the nodes' pages every second; `targets` is {pod name: port}."""

    def __init__(self, directory, targets):
        self.port = harness.free_port()
        self.directory = pathlib.Path(directory)
        scrapes = [
            {
                "targets": [f"127.0.0.1:{port}"],
                "labels": {"kubernetes_pod_name": name, "container": "kafka", "namespace": "test",
                           "strimzi_io_cluster": "test"},
            }
            for name, port in targets.items()
        ]
        config = {
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": [str(RULES)],
            "scrape_configs": [{"job_name": "kafka", "static_configs": scrapes}],
        }
        (self.directory / "prometheus.yml").write_text(json.dumps(config))

    def __enter__(self):
        with open(self.directory / "log", "wb") as log:
            self.process = subprocess.Popen(
                [PROGRAMS / "prometheus", f"--config.file={self.directory}/prometheus.yml",
                 f"--storage.tsdb.path={self.directory}/data",
                 f"--web.listen-address=127.0.0.1:{self.port}", "--log.level=warn"],
                stdout=log, stderr=log,
            )
        wait_until("Prometheus", lambda: self.query("vector(1)"))
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()

    def ask(self, path, **parameters):
        query = urllib.parse.urlencode(parameters)
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/api/v1/{path}?{query}",
                                    timeout=30) as answer:
            return json.load(answer)["data"]

    def query(self, expression):
        """The series of an instant vector: (labels, value)."""
        return [(s["metric"], float(s["value"][1]))
                for s in self.ask("query", query=expression)["result"]]

    def value(self, expression):
        """Of the only series; NaN, which is neither more nor less than anything, without one."""
        found = self.query(expression)
        return found[0][1] if len(found) == 1 else math.nan


@pytest.fixture(scope="module")
def programs():
    if not (PROGRAMS / "prometheus").exists():
        pytest.skip("needs Prometheus (tests/clients/prepare)")


class Load:
    """Producers and a group that commits, until it is stopped."""

    def __init__(self, bootstrap, topics, group):
        self.bootstrap = bootstrap
        self.topics = topics
        self.group = group
        self.stopping = threading.Event()
        self.threads = [threading.Thread(target=f) for f in (self.produce, self.consume)]

    def config(self, **extra):
        return {"bootstrap.servers": self.bootstrap, "logger": Quiet(),
                **{k.replace("_", "."): v for k, v in extra.items()}}

    def produce(self):
        producer = Producer(self.config())
        while not self.stopping.is_set():
            for topic in self.topics:
                with contextlib.suppress(BufferError):
                    producer.produce(topic, b"x" * 500)
            producer.poll(0.01)
        producer.flush(30)

    def consume(self):
        consumer = Consumer(self.config(group_id=self.group, auto_offset_reset="earliest",
                                        auto_commit_interval_ms=500))
        consumer.subscribe(self.topics)
        while not self.stopping.is_set():
            consumer.consume(100, 0.2)
        consumer.close()

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        for thread in self.threads:
            thread.join()


@pytest.fixture(scope="module")
def cluster(programs):
    cluster = clusters.Cluster("barnabas")
    cluster.pages = {i: harness.free_port() for i in cluster.ids}
    for i, node in cluster.nodes.items():
        node.extra["metrics.listener"] = f"127.0.0.1:{cluster.pages[i]}"
    with cluster:
        admin = AdminClient({"bootstrap.servers": cluster.bootstrap, "logger": Quiet()})
        wanted = [NewTopic("safe", 3, 3), NewTopic("cheap", 6, 1)]
        for done in admin.create_topics(wanted).values():
            done.result(30)
        cluster.wait_isr("safe")
        yield cluster


@pytest.fixture(scope="module")
def prometheus(cluster, tmp_path_factory):
    targets = {f"kafka-{i}": port for i, port in cluster.pages.items()}
    with Prometheus(tmp_path_factory.mktemp("prometheus"), targets) as prometheus:
        with Load(cluster.bootstrap, ["safe", "cheap"], "readers"):
            yield prometheus


def answers(prometheus, expression):
    """Whether the query has an answer that a panel could draw."""
    return any(not math.isnan(value) for _, value in prometheus.query(expression))


@pytest.mark.parametrize("board", metrics_queries.BOARDS)
def test_every_panel_of_a_board_fills(prometheus, board):
    for panel, expression in metrics_queries.BOARDS[board].items():
        wait_until(f"an answer for {board} / {panel}", lambda: answers(prometheus, expression))


def test_every_panel_fills_of_a_node_alone(programs, new_broker, tmp_path):
    port = harness.free_port()
    node = new_broker(metrics_listener=f"127.0.0.1:{port}", offsets_topic_num_partitions=4).start()
    with Prometheus(tmp_path, {"kafka-0": port}) as prometheus, Load(
            node.bootstrap, ["alone"], "readers"):
        for board, panels in metrics_queries.BOARDS.items():
            for panel, expression in panels.items():
                wait_until(f"an answer for {board} / {panel}",
                           lambda: answers(prometheus, expression))
    assert node.stop() == 0


def board_queries(board):
    for panel in board["panels"]:
        for target in panel.get("targets", []):
            yield panel["title"], target["expr"]


def test_every_panel_of_our_board_fills(prometheus):
    board = json.loads(BOARD.read_text())
    queries = list(board_queries(board))
    assert len(queries) >= 20
    for panel, expression in queries:
        expression = (expression.replace("$__rate_interval", "1m").replace("$instance", ".*")
                      .replace("$topic", ".*").replace("$group", ".*").replace("$job", ".*"))
        wait_until(f"an answer for {panel}", lambda: answers(prometheus, expression))


def test_three_nodes_tell_each_thing_once(prometheus, cluster):
    wait_until("all replicas in sync",
               lambda: prometheus.value("sum(kafka_topic_partition_in_sync_replica)") ==
               prometheus.value("sum(kafka_topic_partition_replicas)"))
    assert prometheus.value("sum(kafka_brokers)") == 3
    assert prometheus.value("sum(kafka_controller_kafkacontroller_activecontrollercount)") == 1
    assert prometheus.value('sum(kafka_topic_partitions{topic="safe"})') == 3
    assert prometheus.value('sum(kafka_topic_partitions{topic="cheap"})') == 6
    assert prometheus.value('count(kafka_topic_partition_leader{topic=~"safe|cheap"})') == 9
    assert prometheus.value('sum(kafka_topic_partition_replicas{topic=~"safe|cheap"})') == 15
    assert prometheus.value('count(kafka_log_log_size{topic=~"safe|cheap"})') == 15
    states = {l["current_state"] for l, _ in prometheus.query("kafka_server_raftmetrics_current_state")}
    assert states == {"leader", "follower"}
    leaders = {v for _, v in prometheus.query("kafka_server_raftmetrics_current_leader")}
    assert leaders == {cluster.active_controller()}


def test_lag_is_known_of_each_partition_wherever_it_lies(prometheus):
    def told():
        lags = prometheus.query('kafka_consumergroup_lag{consumergroup="readers"}')
        return {(l["topic"], l["partition"]) for l, _ in lags}

    wanted = {("safe", str(i)) for i in range(3)} | {("cheap", str(i)) for i in range(6)}
    wait_until("the lag of all partitions", lambda: told() == wanted)


def test_lag_of_a_group_is_exact_when_nothing_moves(cluster, prometheus):
    producer = Producer({"bootstrap.servers": cluster.bootstrap, "logger": Quiet()})
    admin = AdminClient({"bootstrap.servers": cluster.bootstrap, "logger": Quiet()})
    admin.create_topics([NewTopic("still", 3, 1)])["still"].result(30)
    for partition in range(3):
        for _ in range(10):
            producer.produce("still", b"x", partition=partition)
    assert producer.flush(30) == 0
    consumer = Consumer({"bootstrap.servers": cluster.bootstrap, "group.id": "slow",
                         "logger": Quiet()})
    offsets = [TopicPartition("still", p, 2 * p) for p in range(3)]
    wait_until("a commit", lambda: consumer.commit(offsets=offsets, asynchronous=False))
    consumer.close()

    def lags():
        found = prometheus.query('kafka_consumergroup_lag{consumergroup="slow"}')
        return {l["partition"]: v for l, v in found} == {"0": 10, "1": 8, "2": 6}

    wait_until("the lag of each partition", lags)
    wait_until("their sum", lambda: prometheus.value(
        'sum(kafka_consumergroup_lag_sum{consumergroup="slow",topic="still"})') == 24)


def test_a_killed_node_is_seen_by_numbers_alerts_and_probes(cluster, prometheus):
    victim = next(i for i in cluster.ids if i != cluster.active_controller())
    cluster.kill(victim)
    wait_until("under-replicated partitions", lambda: prometheus.value(
        "sum(kafka_server_replicamanager_underreplicatedpartitions)") >= 3)
    wait_until("partitions without a leader", lambda: prometheus.value(
        "max(kafka_controller_kafkacontroller_offlinepartitionscount)") >= 2)
    wait_until("what the controller tells of them", lambda: prometheus.value(
        "count(kafka_topic_partition_leader == -1)") >= 2)
    wait_until("two brokers", lambda: prometheus.value("sum(kafka_brokers)") == 2)

    def alerts():
        return {a["labels"]["alertname"] for a in prometheus.ask("alerts")["alerts"]}

    wait_until("the alerts", lambda: {
        "KafkaBrokerDown", "KafkaUnderReplicatedPartitions", "KafkaOfflinePartitions"} <= alerts())
    cluster.start_node(victim, wait=False)
    wait_until("readiness", lambda: metrics_page.status(cluster.pages[victim], "/readyz") == 200)
    cluster.wait_isr("safe")
    wait_until("all in sync", lambda: prometheus.value(
        "sum(kafka_server_replicamanager_underreplicatedpartitions)") == 0)
    wait_until("a leader of each partition", lambda: prometheus.value(
        "max(kafka_controller_kafkacontroller_offlinepartitionscount)") == 0)


def test_promtool_accepts_pages_and_rules(programs, cluster):
    for port in cluster.pages.values():
        done = subprocess.run([PROGRAMS / "promtool", "check", "metrics"],
                              input=metrics_page.text(port), capture_output=True, text=True)
        assert set(done.stderr.splitlines()) <= REMARKS, done.stderr
    done = subprocess.run([PROGRAMS / "promtool", "check", "config",
                           harness.ROOT / "config/prometheus.yml"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    done = subprocess.run([PROGRAMS / "promtool", "check", "rules", RULES], capture_output=True,
                          text=True)
    assert done.returncode == 0, done.stdout + done.stderr
