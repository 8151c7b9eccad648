"""
Voters that come: what AddRaftVoter answers, and what a new voter is asked first (KIP-853).

Runs against Apache Kafka with --broker kafka.
"""

import contextlib
import socket
import struct
import subprocess
import threading

import cluster as clusters
import cluster_wire
import harness
import pytest

NONE, TIMED_OUT, UNSUPPORTED_VERSION, INVALID_REQUEST = 0, 7, 35, 42
INCONSISTENT_CLUSTER_ID, DUPLICATE_VOTER = 104, 126
NEW = 4
DIRECTORY = bytes(range(1, 17))


@pytest.fixture(scope="module")
def kind(request):
    kind = request.config.getoption("--broker")
    if not clusters.has_what_it_needs(kind):
        pytest.skip("needs the broker's programs")
    return kind


@pytest.fixture(scope="module")
def shared(kind):
    with clusters.Cluster(kind) as cluster:
        yield cluster


def controller(cluster, node):
    """A node that is no broker, and none of the first voters."""
    base = clusters.BarnabasNode if cluster.kind == "barnabas" else clusters.KafkaNode

    class Controller(base):
        def properties(self):
            port = cluster.controller_ports[node]
            return {
                **super().properties(),
                "process.roles": "controller",
                "listeners": f"CONTROLLER://{clusters.HOST}:{port}",
            }

    cluster.controller_ports.setdefault(node, clusters.ports(1)[0])
    cluster.ports.setdefault(node, 0)
    made = Controller(directory=cluster.directory / str(node), port=0, **cluster.extra)
    made.cluster, made.node_id = cluster, node
    cluster.wiped.add(node)
    cluster.nodes[node] = made
    made.start(wait=False)
    return made


def directory_id(node):
    """As its meta.properties has it."""
    def found():
        with contextlib.suppress(FileNotFoundError):
            for line in (node.data / "meta.properties").read_text().splitlines():
                if line.startswith("directory.id="):
                    return line.split("=", 1)[1]
        return None

    return clusters.wait_until("a directory id", found)


def raw_uuid(text):
    import base64

    return base64.urlsafe_b64decode(text + "==")


def compact(text):
    return bytes([len(text) + 1]) + text.encode()


def add_voter(cluster, voter, directory, port, listener="CONTROLLER", cluster_id=None, committed=True):
    """AddRaftVoter v1 to the leader of the quorum; the error code and message."""
    body = compact(cluster_id or cluster.cluster_id) + struct.pack(">ii", 10000, voter) + directory
    body += b"\2" + compact(listener) + compact(clusters.HOST) + struct.pack(">H", port) + b"\0"
    body += bytes([committed]) + b"\0"
    address = (clusters.HOST, cluster.controller_ports[cluster.active_controller()])
    answer = cluster_wire.ask(address, 80, 1, True, body, timeout_s=30)
    answer.take("i")
    return answer.take("h"), answer.compact_string()


@contextlib.contextmanager
def pretender(features):
    """Listens, and answers every request as ApiVersions with these supported features."""
    def frame(correlation, version):
        ranges = b"".join(struct.pack(">hhhB", key, 0, 4, 0) for key in (18,))
        body = struct.pack(">h", 0)
        if version < 3:
            body += struct.pack(">i", 1) + struct.pack(">hhh", 18, 0, 4)
            body += struct.pack(">i", 0) if version > 0 else b""
        else:
            tag = bytes([len(features) + 1])
            for name, low, high in features:
                tag += compact(name) + struct.pack(">hhB", low, high, 0)
            body += b"\2" + ranges + struct.pack(">i", 0) + b"\1\0" + bytes([len(tag)]) + tag
        return struct.pack(">ii", len(body) + 4, correlation) + body

    def serve(connection):
        with connection, contextlib.suppress(OSError):
            while True:
                size = struct.unpack(">i", cluster_wire.receive(connection, 4))[0]
                request = cluster_wire.receive(connection, size)
                key, version, correlation = struct.unpack_from(">hhi", request)
                assert key == 18
                connection.sendall(frame(correlation, version))

    def accept():
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()

    with socket.create_server((clusters.HOST, 0)) as listener:
        threading.Thread(target=accept, daemon=True).start()
        yield listener.getsockname()[1]


def test_what_cannot_be_a_voter_is_refused(shared):
    port = clusters.ports(1)[0]
    assert add_voter(shared, 1, DIRECTORY, port)[0] == DUPLICATE_VOTER
    assert add_voter(shared, NEW, DIRECTORY, port, listener="OTHER")[0] == INVALID_REQUEST
    assert add_voter(shared, NEW, bytes(16), port)[0] == INVALID_REQUEST
    assert add_voter(shared, -1, DIRECTORY, port)[0] == INVALID_REQUEST
    error, _ = add_voter(shared, NEW, DIRECTORY, port, cluster_id="somewhere-else-somewhe")
    assert error == INCONSISTENT_CLUSTER_ID


def test_a_voter_that_cannot_be_reached_is_not_added(shared):
    error, message = add_voter(shared, NEW, DIRECTORY, clusters.ports(1)[0])
    assert error == TIMED_OUT and message


def test_a_voter_that_does_not_know_the_kraft_version_is_not_added(shared):
    # Ids of their own: Apache Kafka does not ask a node again at once that did not answer it.
    for voter, features in (NEW + 1, [("kraft.version", 0, 0)]), (NEW + 2, []):
        with pretender(features) as port:
            error, message = add_voter(shared, voter, DIRECTORY, port)
        assert error == INVALID_REQUEST and "kraft.version" in message, (error, message)


def test_a_voter_that_never_fetched_is_not_added(shared):
    with pretender([("kraft.version", 0, 1)]) as port:
        error, message = add_voter(shared, NEW + 3, DIRECTORY, port)
    assert error == TIMED_OUT and message
    assert set(shared.quorum().voters) == {1, 2, 3}


@pytest.mark.parametrize("committed", [True, False])
def test_a_controller_that_follows_becomes_a_voter(kind, committed):
    with clusters.Cluster(kind) as cluster:
        node = controller(cluster, NEW)
        directory = raw_uuid(directory_id(node))
        clusters.wait_until("an observer", lambda: NEW in cluster.quorum().observers)
        port = cluster.controller_ports[NEW]

        def added():
            error, message = add_voter(cluster, NEW, directory, port, committed=committed)
            assert error in (NONE, TIMED_OUT), message  # it lags behind, perhaps
            return error == NONE

        clusters.wait_until("it is added", added)
        if committed:
            assert NEW in cluster.quorum().voters
        clusters.wait_until("a voter", lambda: set(cluster.quorum().voters) == {1, 2, 3, NEW})
        assert add_voter(cluster, NEW, directory, port)[0] == DUPLICATE_VOTER


def run_tool(program, cluster, node, *args):
    """kafka-metadata-quorum with the configuration of the node, as Kafka's or as barnabasctl."""
    port = cluster.controller_ports[cluster.active_controller()]
    args = [
        "--bootstrap-controller", f"{clusters.HOST}:{port}",
        "--command-config", str(node.properties_path), "add-controller", *args,
    ]  # fmt: skip
    if program == "kafka":
        return harness.run_tool("kafka-metadata-quorum", *args, check=False)
    return subprocess.run(
        ["kafka-metadata-quorum.sh", *args], executable=harness.BARNABAS.with_name("barnabasctl"),
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip


@pytest.mark.parametrize("program", ["kafka", "barnabasctl"])
def test_the_tool_makes_a_controller_that_follows_a_voter(kind, program, java_tools):
    with clusters.Cluster(kind) as cluster:
        node = controller(cluster, NEW)
        what = (
            f"controller {NEW} with directory id {directory_id(node)} and endpoints: "
            f"CONTROLLER://{clusters.HOST}:{cluster.controller_ports[NEW]}\n"
        )
        clusters.wait_until("an observer", lambda: NEW in cluster.quorum().observers)
        done = run_tool(program, cluster, node, "--dry-run")
        assert (done.returncode, done.stdout) == (0, f"DRY RUN of adding {what}"), done.stderr
        assert NEW not in cluster.quorum().voters

        def added():
            done = run_tool(program, cluster, node)
            lags = "errors.TimeoutException: " in done.stderr
            assert (done.returncode, done.stdout) == (0, f"Added {what}") or lags, done.stderr
            return done.returncode == 0

        clusters.wait_until("it is added", added)
        assert set(cluster.quorum().voters) == {1, 2, 3, NEW}
        done = run_tool(program, cluster, node)
        assert done.returncode == 1
        assert "org.apache.kafka.common.errors.DuplicateVoterException: " in done.stderr


def test_voters_of_the_configuration_cannot_be_added_to(kind):
    with clusters.Cluster(kind, quorum="static") as cluster:
        assert add_voter(cluster, NEW, DIRECTORY, clusters.ports(1)[0])[0] == UNSUPPORTED_VERSION
