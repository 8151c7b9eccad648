import itertools

import pytest

import cluster as clusters
import harness

# What also runs against three nodes (--cluster): the other files are about one broker, or start what
# they need themselves.
ON_THREE_NODES = {"test_kcat.py", "test_librdkafka.py", "test_learnflow.py", "test_matrix.py"}

_names = itertools.count(1)


def pytest_addoption(parser):
    parser.addoption("--broker", choices=["barnabas", "kafka"], default="barnabas")
    parser.addoption(
        "--record", action="store_true", help="keep what Kafka's tools print with --broker kafka"
    )
    parser.addoption("--cluster", action="store_true", help="three nodes instead of one")
    parser.addoption("--cluster-quorum", choices=["dynamic", "static"], default="dynamic")
    parser.addoption("--shards", type=int, default=1, help="num.shards of Barnabas")


def pytest_collection_modifyitems(config, items):
    if config.getoption("--cluster"):
        items[:] = [item for item in items if item.path.name in ON_THREE_NODES]


@pytest.fixture(scope="session")
def new_broker(request):
    """Makes brokers of the kind under test; what it made is destroyed at the end."""
    made = []

    def make(*args, **kwargs):
        if request.config.getoption("--cluster"):
            kind = request.config.getoption("--broker")
            broker = clusters.AsOneBroker(kind, shards=request.config.getoption("--shards"))
        elif request.config.getoption("--broker") == "kafka":
            broker = harness.ApacheKafka(*args, **kwargs)
        else:
            kwargs.setdefault("num_shards", request.config.getoption("--shards"))
            broker = harness.Barnabas(*args, **kwargs)
        made.append(broker)
        return broker

    yield make
    found = [complaint for broker in made for complaint in harness.end(broker)]
    assert not found, "\n".join(found)


@pytest.fixture(scope="session")
def shared_broker(new_broker):
    return new_broker().start()


@pytest.fixture
def broker(shared_broker):
    """A running broker that other tests use too: take a fresh topic. Of three nodes one has just
    died and come back."""
    if isinstance(shared_broker, clusters.AsOneBroker):
        shared_broker.fail_over()
    return shared_broker


@pytest.fixture
def fresh_broker(new_broker):
    """A running broker of this test's own."""
    broker = new_broker().start()
    yield broker
    found = harness.end(broker)
    assert not found, "\n".join(found)


@pytest.fixture
def topic():
    """A name that no other test uses."""
    return f"topic-{next(_names)}"


@pytest.fixture
def group():
    return f"group-{next(_names)}"


@pytest.fixture
def only_barnabas(request):
    if request.config.getoption("--broker") == "kafka":
        pytest.skip("about Barnabas alone")


@pytest.fixture(scope="session")
def java_tools():
    if not harness.have_kafka():
        pytest.skip("needs java and Kafka's jars (Maven Central)")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    if report.failed:
        for name in ("broker", "fresh_broker", "shared_broker"):
            broker = item.funcargs.get(name)
            if broker is not None:
                report.sections.append((f"log of {name}", broker.log()))
                break
        if "shared_cluster" in item.funcargs:
            report.sections.append(("logs of the nodes", item.funcargs["shared_cluster"].logs()))
