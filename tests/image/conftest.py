import itertools
import os
import socket
import sys

import pytest

from containers import STRICT, Bridge, Container, Volume

sys.path.append(os.path.join(os.path.dirname(__file__), "../clients"))

_names = itertools.count(1)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Running:
    """A broker in a container on this machine's network, as the client tests know brokers."""

    def __init__(self, container, port):
        self.container = container
        self.bootstrap = f"127.0.0.1:{port}"

    def log(self):
        return self.container.log()


@pytest.fixture(scope="session")
def broker():
    port = free_port()
    volume = Volume()
    env = {"KAFKA_LISTENERS": f"PLAINTEXT://127.0.0.1:{port}", "KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS": 0}
    options = [*STRICT, *volume.at("/var/lib/kafka/data")]
    container = Container(env=env, options=options)
    with container:
        container.wait_for("Kafka Server started")
        yield Running(container, port)
        assert container.stop() == 0, container.log()
    volume.remove()


@pytest.fixture
def topic():
    return f"topic-{next(_names)}"


@pytest.fixture
def group():
    return f"group-{next(_names)}"


@pytest.fixture
def volume():
    made = Volume()
    yield made
    made.remove()


@pytest.fixture
def bridge():
    made = Bridge(f"bnb{os.getpid()}-{next(_names)}")
    yield made
    made.remove()
