"""
Levels of features that go up and down (UpdateFeatures).

Runs against Apache Kafka with --broker kafka.
"""

import struct

import cluster as clusters
import cluster_wire
import harness
import pytest

NONE, INVALID_UPDATE_VERSION = 0, 95
UPGRADE, SAFE_DOWNGRADE, UNSAFE_DOWNGRADE = 1, 2, 3
V3_9, V4_0_IV0, V4_0, V4_1, V4_2 = 21, 22, 25, 27, 29


def compact(text):
    return bytes([len(text) + 1]) + text.encode()


def update(address, feature, level, kind, dry=False):
    """UpdateFeatures v1; the error code and message."""
    body = struct.pack(">i", 10000) + b"\2" + compact(feature) + struct.pack(">hb", level, kind)
    body += b"\0" + bytes([dry]) + b"\0"
    answer = cluster_wire.ask(address, 57, 1, True, body, timeout_s=30)
    answer.take("i")
    return answer.take("h"), answer.compact_string()


@pytest.fixture(scope="module")
def kind(request):
    kind = request.config.getoption("--broker")
    if not clusters.has_what_it_needs(kind):
        pytest.skip("needs the broker's programs")
    return kind


def test_metadata_version_goes_down_where_no_record_changed(kind):
    with clusters.Cluster(kind, nodes=1, format_args=("--release-version", "4.2")) as cluster:
        address = cluster.address(1)

        def change(level, how, dry=False):
            return update(address, "metadata.version", level, how, dry)[0]

        assert change(V4_1, UPGRADE) == INVALID_UPDATE_VERSION
        assert change(V4_1, SAFE_DOWNGRADE, dry=True) == NONE
        assert change(V4_1, SAFE_DOWNGRADE) == NONE
        assert change(V4_2, SAFE_DOWNGRADE) == INVALID_UPDATE_VERSION
        assert change(V4_0, UNSAFE_DOWNGRADE) == NONE
        for level in (V4_0_IV0, V3_9):
            for how in (SAFE_DOWNGRADE, UNSAFE_DOWNGRADE):
                assert change(level, how) == INVALID_UPDATE_VERSION
        assert cluster.metadata(topics=["made-below"]) is not None
        cluster.restart(1)
        assert change(V4_1, UPGRADE) == NONE
        assert change(V4_2 + 1, UPGRADE) == NONE
        assert change(V4_2, SAFE_DOWNGRADE) == INVALID_UPDATE_VERSION


def features(cluster, *args, check=True):
    return harness.run_tool("kafka-features", "--bootstrap-server", cluster.bootstrap, *args, check=check)


def described(cluster, feature):
    lines = [line.split() for line in features(cluster, "describe").stdout.splitlines()]
    return next(" ".join(line) for line in lines if line[:2] == ["Feature:", feature])


def test_kraft_version_goes_up_when_all_voters_are_there_and_never_down(kind, java_tools):
    with clusters.Cluster(kind, quorum="static") as cluster:
        cluster.kill(3)
        assert cluster.active_controller() != 3
        address = cluster.address(1)
        # Whoever leads now was told by no voter 3, or was told by it before: then it may go up.
        error = update(address, "kraft.version", 1, UPGRADE, dry=True)[0]
        assert error in (NONE, INVALID_UPDATE_VERSION)
        assert update(address, "kraft.version", 2, UPGRADE)[0] == INVALID_UPDATE_VERSION
        cluster.start_node(3)

        def possible():  # each voter tells each new leader who it is
            return update(address, "kraft.version", 1, UPGRADE, dry=True)[0] == NONE

        clusters.wait_until("all voters are known", possible)
        assert "FinalizedVersionLevel: 0" in described(cluster, "kraft.version")
        done = features(cluster, "upgrade", "--feature", "kraft.version=1")
        assert "kraft.version was upgraded to 1" in done.stdout, done.stdout
        clusters.wait_until("all nodes say so", lambda: "FinalizedVersionLevel: 1" in described(
            cluster, "kraft.version"), pause_s=1)
        for how in SAFE_DOWNGRADE, UNSAFE_DOWNGRADE:
            assert update(address, "kraft.version", 0, how)[0] == INVALID_UPDATE_VERSION
        assert update(address, "kraft.version", 1, UPGRADE)[0] == NONE

        log = cluster.nodes[1].data / "__cluster_metadata-0/00000000000000000000.log"
        clusters.wait_until("the log", lambda: b"CONTROLLER" in log.read_bytes())
        text = harness.run_tool("kafka-dump-log", "--cluster-metadata-decoder", "--files",
                                str(log)).stdout
        assert text.index("KRaftVersion") < text.index("KRaftVoters")
        text = harness.run_tool("kafka-metadata-quorum", "--bootstrap-server", cluster.bootstrap,
                                "describe", "--replication").stdout
        for node in cluster.ids:
            line = next(line for line in text.splitlines() if line.split()[:1] == [str(node)])
            meta = (cluster.nodes[node].data / "meta.properties").read_text()
            assert f"directory.id={line.split()[1]}" in meta.split()

        for node in cluster.ids:
            cluster.restart(node)
        cluster.kill(cluster.active_controller())
        assert cluster.active_controller()
        assert set(cluster.quorum().voters) == {1, 2, 3}
