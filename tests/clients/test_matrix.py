"""Each client of matrix/ through each scenario; see matrix/README.md."""

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time

import pytest

import harness

MATRIX = harness.HERE / "matrix"
CACHE = harness.ROOT / ".cache/matrix"
CUTS = 12  # connections that the proxy cuts in one scenario
sys.path.insert(0, str(MATRIX))

from proxy import Proxy  # noqa: E402
from scenarios import SCENARIOS  # noqa: E402


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
    """Keeps the outcome for the table."""
    cache = CACHE / driver.name
    cache.mkdir(parents=True, exist_ok=True)
    path = cache / f"results-{request.config.getoption('--broker')}.json"
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
    topic = NewTopic("first-of-all", 1, 1)
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


def make_topics(broker, topic, scenario):
    from confluent_kafka import TopicPartition
    from confluent_kafka.admin import AdminClient, NewTopic

    admin = AdminClient({"bootstrap.servers": broker.bootstrap})
    topics = [NewTopic(topic, scenario.partitions, 1, config=scenario.config)]
    for suffix, config in scenario.also:
        topics.append(NewTopic(f"{topic}-{suffix}", scenario.partitions, 1, config=config))
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


def allowed_warnings(client, scenario):
    """Either a list, for all scenarios, or a list for each and one for all under "*"."""
    warnings = client.get("warnings", [])
    if isinstance(warnings, dict):
        warnings = warnings.get(scenario.name, []) + warnings.get("*", [])
    return [re.compile(pattern) for pattern in warnings]


@pytest.mark.parametrize("driver,description,client,scenario", list(cells()))
def test_client(driver, description, client, scenario, warm_broker, request):
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

    broker, bootstrap = warm_broker, warm_broker.bootstrap
    if scenario.proxied:
        broker, proxy = request.getfixturevalue("proxied")
        proxy.cuts_left = 0  # until the topics are there
        bootstrap = f"127.0.0.1:{proxy.port}"
    name = re.sub(r"[^a-zA-Z0-9]+", "-", f"{client['name']}-{client['version']}-{scenario.name}")
    topic, group = f"{name}-topic", f"{name}-group"
    make_topics(broker, topic, scenario)
    if scenario.proxied:
        proxy.cuts_left = CUTS

    places = {"cache": str(CACHE / driver.name), "driver": str(driver)}
    command = [part.format(**places) for part in client["run"]]
    run = subprocess.run(
        [*command, scenario.name, bootstrap, topic, group],
        capture_output=True,
        text=True,
        errors="replace",
        timeout=scenario.timeout_s,
        cwd=driver,
    )
    allowed = allowed_warnings(client, scenario)
    warnings = [
        line
        for line in run.stderr.splitlines()
        if line.startswith("WARN ") and not any(p.search(line) for p in allowed)
    ]
    good = run.returncode == 0 and not warnings
    note(request, driver, client, scenario, "passed" if good else "failed")
    said = f"exit code {run.returncode}\n{run.stdout[-3000:]}\n{run.stderr[-6000:]}\n"
    assert run.returncode == 0, said + broker.log(30)
    assert not warnings, "warnings that the client does not write with Kafka:\n" + "\n".join(
        warnings[:20]
    )
    if scenario.proxied:
        assert proxy.cuts_left < CUTS, "no connection was cut"
