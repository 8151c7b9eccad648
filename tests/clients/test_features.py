"""
Levels of features that go up and down (UpdateFeatures).

Runs against Apache Kafka with --broker kafka.
"""

import struct

import cluster as clusters
import cluster_wire
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
