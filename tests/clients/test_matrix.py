"""Each client of matrix/ through each scenario; see matrix/README.md."""

import fcntl
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time

import pytest

import cluster as clusters
import harness

MATRIX = harness.HERE / "matrix"
CACHE = harness.ROOT / ".cache/matrix"
# What any client may say of a node that was killed, in its own words.
A_NODE_IS_GONE = (
    r"(?i)connection ?refused|ECONNREFUSED|errno 111|reset by peer|ECONNRESET|EOF\b|broken pipe|EPIPE"
    r"|disconnected|closed (network )?connection|Connection to node .* could not be established"
)
CUTS = 12  # connections that the proxy cuts in one scenario
sys.path.insert(0, str(MATRIX))

from failovers import Failovers  # noqa: E402
from proxy import Proxy  # noqa: E402
from scenarios import SCENARIOS, undisturbed  # noqa: E402


def drivers():
    for path in sorted(MATRIX.glob("*/driver.json")):
        yield path.parent, json.loads(path.read_text())


def cells():
    for driver, description in drivers():
        for client in description["clients"]:
            for scenario in SCENARIOS:
                name = f"{client['name']}-{client['version']}-{scenario.name}"
                yield pytest.param(driver, description, client, scenario, id=name)


_prepared = {}


def prepare(driver, description):
    """Builds a driver once; the reason why it cannot be built on this machine, or None."""
    if driver not in _prepared:
        missing = [p for p in description.get("needs", []) if shutil.which(p) is None]
        _prepared[driver] = f"needs {', '.join(missing)}" if missing else None
        if not missing:
            cache = CACHE / driver.name
            cache.mkdir(parents=True, exist_ok=True)
            environment = {**os.environ, "MATRIX_CACHE": str(cache)}
            log = cache / "prepare.log"
            with open(log, "wb") as output:
                code = subprocess.run(
                    [str(driver / "prepare")], env=environment, stdout=output, stderr=output
                ).returncode
            if code != 0:
                _prepared[driver] = "FAILED: " + log.read_text(errors="replace")[-3000:]
    return _prepared[driver]


def note(request, driver, client, scenario, result):
    """Keeps the outcome for the table, beside what other runs keep there at the same time."""
    cache = CACHE / driver.name
    cache.mkdir(parents=True, exist_ok=True)
    kind = request.config.getoption("--broker")
    if request.config.getoption("--cluster"):
        kind += "-cluster"
    path = cache / f"results-{kind}.json"
    with open(path.with_suffix(".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        results = json.loads(path.read_text()) if path.exists() else {}
        results.setdefault(f"{client['name']} {client['version']}", {})[scenario.name] = result
        path.write_text(json.dumps(results, indent=1))


@pytest.fixture(scope="module")
def proxied(new_broker):
    """A broker whose clients are told to come through a proxy that cuts connections."""
    broker = new_broker()
    with Proxy(broker.port, seed=1) as proxy:
        broker.extra["advertised.listeners"] = f"PLAINTEXT://127.0.0.1:{proxy.port}"
        broker.start()
        warm_up(broker)
        yield broker, proxy


def warm_up(broker):
    """Kafka lets the first group and the first idempotent producer wait, which clients log."""
    from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
    from confluent_kafka.admin import AdminClient, NewTopic

    admin = AdminClient({"bootstrap.servers": broker.bootstrap})
    topic = NewTopic("first-of-all", 1, replicas(broker))
    for future in admin.create_topics([topic]).values():
        future.result(60)
    producer = Producer({"bootstrap.servers": broker.bootstrap, "enable.idempotence": True})
    producer.produce(topic.topic, b"first", partition=0)
    assert producer.flush(60) == 0
    consumer = Consumer({"bootstrap.servers": broker.bootstrap, "group.id": "first-of-all"})
    deadline = time.monotonic() + 60
    while True:  # its new coordinator may still have to hear that it is one
        try:
            consumer.committed([TopicPartition(topic.topic, 0)], timeout=60)
            break
        except KafkaException:
            assert time.monotonic() < deadline, "there is no coordinator"
            time.sleep(0.1)
    consumer.close()


@pytest.fixture(scope="module")
def warm_broker(shared_broker):
    warm_up(shared_broker)
    return shared_broker


def replicas(broker):
    return 3 if isinstance(broker, clusters.Cluster) else 1


def make_topics(broker, topic, scenario):
    from confluent_kafka import TopicPartition
    from confluent_kafka.admin import AdminClient, NewTopic

    admin = AdminClient({"bootstrap.servers": broker.bootstrap})
    shape = (scenario.partitions, replicas(broker))
    topics = [NewTopic(topic, *shape, config=scenario.config)]
    for suffix, config in scenario.also:
        topics.append(NewTopic(f"{topic}-{suffix}", *shape, config=config))
    for future in admin.create_topics(topics).values():
        future.result(30)
    # Answered, a topic need not be there yet: its logs are made when the brokers hear of it.
    wanted = [TopicPartition(t.topic, p) for t in topics for p in range(t.num_partitions)]
    deadline = time.monotonic() + 120
    while not leaders_answer(admin, wanted):
        assert time.monotonic() < deadline, f"{topic} does not appear"
        time.sleep(0.05)


def leaders_answer(admin, partitions):
    from confluent_kafka import KafkaException
    from confluent_kafka.admin import OffsetSpec

    try:
        for future in admin.list_offsets({p: OffsetSpec.latest() for p in partitions}).values():
            future.result(30)
    except KafkaException:
        return False
    return True


def allowed_warnings(client, scenario, cluster=False):
    """Either a list, for all scenarios, or a list for each and one for all under "*"."""
    warnings = client.get("warnings", [])
    if isinstance(warnings, dict):
        warnings = warnings.get(scenario.name, []) + warnings.get("*", [])
    if cluster:
        warnings = [*warnings, A_NODE_IS_GONE, *client.get("failover_warnings", [])]
    return [re.compile(pattern) for pattern in warnings]


def can_run(request, driver, description, client, scenario):
    """Skips what the client lacks or this machine cannot build."""
    lacks = client.get("lacks", {}).get(scenario.name)
    if not lacks and request.config.getoption("--broker") == "kafka":
        lacks = client.get("lacks_on_kafka", {}).get(scenario.name)
    if lacks:
        note(request, driver, client, scenario, f"lacks: {lacks}")
        pytest.skip(f"the client lacks it: {lacks}")
    reason = prepare(driver, description)
    if reason is not None and not reason.startswith("FAILED"):
        note(request, driver, client, scenario, "not run")
        pytest.skip(reason)
    assert reason is None, f"the driver could not be built:\n{reason}"


def names(client, scenario, more=""):
    """(topic, group) that no other test uses."""
    name = f"{client['name']}-{client['version']}-{scenario.name}{more}"
    name = re.sub(r"[^a-zA-Z0-9]+", "-", name)
    return f"{name}-topic", f"{name}-group"


def run_driver(driver, client, scenario, bootstrap, topic, group, **more):
    """What was wrong, or None."""
    places = {"cache": str(CACHE / driver.name), "driver": str(driver)}
    command = [part.format(**places) for part in client["run"]]
    environment = {**os.environ, **more}
    try:
        run = subprocess.run(
            [*command, scenario.name, bootstrap, topic, group],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=scenario.timeout_s,
            cwd=driver,
            env=environment,
        )
    except subprocess.TimeoutExpired as e:
        said = (e.stdout or b"")[-3000:] + b"\n" + (e.stderr or b"")[-6000:]
        return f"it did not end within {scenario.timeout_s} s\n{said.decode(errors='replace')}"
    if run.returncode != 0:
        return f"exit code {run.returncode}\n{run.stdout[-3000:]}\n{run.stderr[-6000:]}\n"
    allowed = allowed_warnings(client, scenario, "MATRIX_CLUSTER" in more)
    warnings = [
        line
        for line in run.stderr.splitlines()
        if line.startswith("WARN ") and not any(p.search(line) for p in allowed)
    ]
    if warnings:
        return "warnings that the client does not write with Kafka:\n" + "\n".join(warnings[:20])
    return None


@pytest.mark.parametrize("driver,description,client,scenario", list(cells()))
def test_client(driver, description, client, scenario, request):
    can_run(request, driver, description, client, scenario)
    if request.config.getoption("--cluster"):
        on_a_cluster(request, driver, client, scenario)
    else:
        on_one_node(request, driver, client, scenario)


def on_one_node(request, driver, client, scenario):
    broker = request.getfixturevalue("warm_broker")
    bootstrap = broker.bootstrap
    if scenario.proxied:
        broker, proxy = request.getfixturevalue("proxied")
        proxy.cuts_left = 0  # until the topics are there
        bootstrap = f"127.0.0.1:{proxy.port}"
    topic, group = names(client, scenario)
    make_topics(broker, topic, scenario)
    if scenario.proxied:
        proxy.cuts_left = CUTS
    wrong = run_driver(driver, client, scenario, bootstrap, topic, group)
    note(request, driver, client, scenario, "failed" if wrong else "passed")
    assert not wrong, wrong + "\n" + broker.log(30)
    if scenario.proxied:
        assert proxy.cuts_left < CUTS, "no connection was cut"


# ---- Three nodes -----------------------------------------------------------------------------------

FIRST_KILL_S = 1.5
ATTEMPTS = 6


class OfAClient:
    """One cluster for all scenarios of a client: what a client left behind is no other's burden."""

    def __init__(self, kind, shards):
        self.make = lambda: clusters.Cluster(kind, shards=shards)
        self.client = self.cluster = None
        self.turn = 0  # whose role is next

    def of(self, name):
        if self.client != name:
            self.end()
            self.client, self.cluster = name, self.make().start()
            warm_up(self.cluster)
        self.cluster.heal()
        return self.cluster

    def end(self):
        if self.cluster is not None:
            cluster, self.cluster, self.client = self.cluster, None, None
            complaints = cluster.destroy()
            assert not complaints, "\n".join(complaints)


@pytest.fixture(scope="module")
def cluster_of_a_client(request):
    option = request.config.getoption
    if not clusters.has_what_it_needs(option("--broker")):
        pytest.skip("needs the broker's programs")
    one = OfAClient(option("--broker"), option("--shards"))
    yield one
    one.end()


def on_a_cluster(request, driver, client, scenario):
    """
    A kill must meet the client while it runs: a client that was done before is run again, with an
    earlier kill. Such a run is one before the failover.
    """
    one = request.getfixturevalue("cluster_of_a_client")
    cluster = one.of((client["name"], client["version"]))
    quiet = undisturbed(client, scenario)
    delay_s, killed, wrong = FIRST_KILL_S, [], None
    for attempt in range(1 if quiet else ATTEMPTS):
        topic, group = names(client, scenario, f"-{attempt}")
        make_topics(cluster, topic, scenario)
        cluster.wait_isr(topic)
        failovers = Failovers(cluster, topic, group, one.turn, delay_s)
        if not quiet:
            failovers.start()
        begin = time.monotonic()
        told = {"MATRIX_CLUSTER": "3", **({} if quiet else {"MATRIX_SAFE": "1"})}
        wrong = run_driver(driver, client, scenario, cluster.bootstrap, topic, group, **told)
        took_s = time.monotonic() - begin
        if not quiet:
            failovers.finish()
        killed = failovers.killed
        one.turn += len(killed)
        if wrong or killed:
            break
        delay_s = 0.45 * min(took_s, delay_s)
    told = f"killed: {', '.join(f'{role} {node}' for role, node in killed)}" if killed else "no kill"
    note(request, driver, client, scenario, f"failed, {told}" if wrong else f"passed, {told}")
    print(f"{scenario.name}: {took_s:.1f} s, {told}")
    assert not wrong, f"{told}\n{wrong}\n{cluster.logs(30)}"
    assert quiet or killed, "no kill came in time"
