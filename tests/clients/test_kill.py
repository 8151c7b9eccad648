"""A short run of the kill loop (kill_loop.py), and the test of its own eyes."""

import time

import kill_loop

ROUNDS = 6


def test_nothing_acknowledged_is_lost_over_kills(only_barnabas, tmp_path):
    failed, audited = kill_loop.run(ROUNDS, seed=1, directory=tmp_path)
    assert failed == 0
    assert audited > 1000


def stop_cleanly(broker):
    began = time.monotonic()
    assert broker.stop() == 0
    assert time.monotonic() - began < 10
    assert (broker.data / ".kafka_cleanshutdown").exists()


def test_a_stop_under_load_is_clean_and_producers_go_on(only_barnabas, tmp_path):
    failed, audited = kill_loop.run(3, seed=2, directory=tmp_path, end=stop_cleanly)
    assert failed == 0
    assert audited > 500


GOOD = [[(0, b"0 w 0 "), (1, b"0 w 1 "), (2, b"0 w 2 ")]]
ACKNOWLEDGED = {b"0 w 0 ": (0, 0), b"0 w 1 ": (0, 1), b"0 w 2 ": (0, 2)}


def verdict(records, committed=2, acknowledged=ACKNOWLEDGED):
    found = kill_loop.audit(
        [records], [len(records)], {0: committed}, acknowledged, {0: 2}
    )
    return {line.split(":")[0] for line in found}


def test_the_audit_passes_a_good_history():
    assert verdict(GOOD[0]) == set()


def test_the_audit_sees_each_anomaly():
    assert "lost" in verdict([(0, b"0 w 0 "), (1, b"0 w 1 ")])
    assert "moved" in verdict([(0, b"0 w 0 "), (1, b"0 x 0 "), (2, b"0 w 1 "), (3, b"0 w 2 ")])
    assert "duplicate" in verdict([*GOOD[0], (3, b"0 w 2 ")])
    assert "reordered" in verdict([(0, b"0 w 0 "), (1, b"0 w 2 "), (2, b"0 w 1 ")])
    assert verdict(GOOD[0], committed=1) == {"regressed"}
