"""barnabasctl's own commands, with kcat as the other side. As Kafka's scripts it is tested in
test_tools_compared.py."""

import json
import subprocess

import pytest

import cluster as clusters
import harness

BARNABASCTL = harness.BARNABAS.parent / "barnabasctl"


def ctl(broker, *args, stdin="", code=0):
    """Runs a command that is to exit with `code`; returns stdout, or with another code stderr."""
    done = subprocess.run(
        [BARNABASCTL, *map(str, args), "-b", broker.bootstrap],
        input=stdin, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout if code == 0 else done.stderr


def test_a_topic_is_created_described_altered_and_deleted(broker, topic):
    ctl(broker, "topic", "create", topic, "-p", 2, "-c", "retention.ms=3600000")
    ctl(broker, "topic", "create", topic, "--if-not-exists")
    assert "TOPIC_ALREADY_EXISTS" in ctl(broker, "topic", "create", topic, code=1)
    ctl(broker, "topic", "alter", topic, "-p", 3, "-c", "retention.ms=7200000")
    [described] = json.loads(ctl(broker, "topic", "describe", topic, "--json"))
    assert described["name"] == topic
    assert described["configs"]["retention.ms"] == "7200000"
    assert [p["partition"] for p in described["partitions"]] == [0, 1, 2]
    assert all(p["leader"] == 1 and p["isr"] == [1] for p in described["partitions"])
    assert topic in ctl(broker, "topic", "list")
    ctl(broker, "topic", "delete", topic)
    assert "there is no topic" in ctl(broker, "topic", "describe", topic, code=1)


@pytest.mark.parametrize("codec", ["none", "gzip", "snappy", "lz4", "zstd"])
def test_what_is_produced_is_what_kcat_reads(broker, topic, codec):
    ctl(broker, "topic", "create", topic)
    lines = "".join(f"k{i}:value {i}\n" for i in range(500))
    ctl(broker, "produce", topic, "-K:", "-H", "a=b", "-z", codec, stdin=lines)
    out = harness.kcat(broker, "-C", "-t", topic, "-e", "-q", "-f", "%k:%s %h\n").stdout
    assert out == "".join(f"k{i}:value {i} a=b\n" for i in range(500))


def test_what_kcat_produces_is_printed_as_by_kcat(broker, topic):
    ctl(broker, "topic", "create", topic, "-p", 2)
    for partition in (0, 1):
        harness.kcat(
            broker, "-P", "-t", topic, "-p", partition, "-K:", "-H", "h=1", stdin="a:1\nb:2\nc:3\n"
        )
    for options in (
        ["-f", "%t[%p]@%o %T %k=%s %S %K %h\\n"], ["-J"], ["-o", "-2", "-p", "1"], ["-c", "1", "-p", "1"],
        ["-o", "1", "-p", "0", "-K", "/"],
    ):  # fmt: skip
        ours = ctl(broker, "consume", topic, "-e", "-q", *options)
        theirs = harness.kcat(broker, "-C", "-t", topic, "-e", "-q", *options).stdout
        ours, theirs = sorted(ours.splitlines()), sorted(theirs.splitlines())
        if options == ["-J"]:
            ours, theirs = ([json.loads(line) for line in lines] for lines in (ours, theirs))
        assert ours == theirs, options


def test_keys_go_where_javas_clients_put_them(broker, topic):
    ctl(broker, "topic", "create", topic, "-p", 7)
    lines = "".join(f"key-{i}:x\n" for i in range(200))
    ctl(broker, "produce", topic, "-K:", stdin=lines)
    harness.kcat(
        broker, "-P", "-t", topic, "-K:", "-X", "topic.partitioner=murmur2_random", stdin=lines
    )
    places = {}
    for line in ctl(broker, "consume", topic, "-e", "-q", "-f", "%k %p\\n").splitlines():
        key, partition = line.split()
        places.setdefault(key, set()).add(partition)
    assert len(places) == 200 and all(len(partitions) == 1 for partitions in places.values())


def test_a_time_chooses_where_reading_begins_and_ends(broker, topic):
    ctl(broker, "topic", "create", topic)
    ctl(broker, "produce", topic, stdin="a\nb\n")
    assert ctl(broker, "consume", topic, "-e", "-q", "-o", "s@-1h") == "a\nb\n"
    assert ctl(broker, "consume", topic, "-e", "-q", "-o", "s@2100-01-01", "-c", "1") == ""
    assert ctl(broker, "consume", topic, "-e", "-q", "-o", "e@-1h") == ""
    [row] = json.loads(ctl(broker, "topic", "offsets", topic, "--json"))
    assert (row["start"], row["end"]) == (0, 2)


def test_a_group_goes_on_where_it_was_and_its_lag_is_told(broker, topic, group):
    ctl(broker, "topic", "create", topic)
    ctl(broker, "produce", topic, stdin="".join(f"{i}\n" for i in range(10)))
    assert ctl(broker, "consume", topic, "-G", group, "-c", 4, "-q") == "0\n1\n2\n3\n"
    [described] = json.loads(ctl(broker, "group", "describe", group, "--json"))
    assert [(p["committed"], p["end"], p["lag"]) for p in described["partitions"]] == [(4, 10, 6)]
    assert ctl(broker, "consume", topic, "-G", group, "-e", "-q").splitlines()[0] == "4"
    plan = json.loads(ctl(broker, "group", "reset-offsets", group, "--to", "shift:-3", "--json"))
    assert not plan["executed"] and plan["partitions"][0]["offset"] == 7
    ctl(broker, "group", "reset-offsets", group, "--to", "beginning", "--execute")
    [described] = json.loads(ctl(broker, "group", "describe", group, "--json"))
    assert described["partitions"][0]["lag"] == 10
    ctl(broker, "group", "delete", group)
    assert "there is no group" in ctl(broker, "group", "describe", group, code=1)


def test_configurations_are_described_and_altered(broker, topic):
    ctl(broker, "topic", "create", topic)
    ctl(broker, "config", "alter", "topic", topic, "-c", "max.message.bytes=1000")
    configs = json.loads(ctl(broker, "config", "describe", "topic", topic, "--json"))
    assert {c["key"]: c["value"] for c in configs}["max.message.bytes"] == "1000"
    assert "INVALID_CONFIG" in ctl(
        broker, "config", "alter", "topic", topic, "-c", "retention.ms=soon", code=1
    )
    refused = ctl(broker, "produce", topic, stdin="x" * 2000 + "\nsmall\n", code=1)
    assert "MESSAGE_TOO_LARGE" in refused
    assert ctl(broker, "consume", topic, "-e", "-q") == "small\n"
    assert json.loads(ctl(broker, "cluster", "--json"))["brokers"][0]["port"] == broker.port


def test_errors_say_what_to_do(broker, topic):
    class Nobody:
        bootstrap = f"127.0.0.1:{harness.free_port()}"

    assert "is it the right port" in ctl(Nobody, "topic", "list", code=1)
    assert "barnabasctl topic list" in ctl(broker, "consume", topic, code=1)
    assert "--help" in ctl(broker, "topic", "create", topic, "--no-such-option", code=2)


def test_a_leader_that_dies_is_not_noticed(only_barnabas):
    with clusters.Cluster("barnabas") as cluster:
        ctl(cluster, "topic", "create", "t", "-r", 3, "-c", "min.insync.replicas=2")
        reader = subprocess.Popen(
            [BARNABASCTL, "consume", "t", "-c", "3000", "-q", "-b", cluster.bootstrap],
            stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        writer = subprocess.Popen(
            [BARNABASCTL, "produce", "t", "-b", cluster.bootstrap], stdin=subprocess.PIPE, text=True
        )
        for i in range(3000):
            if i in (1000, 2000):
                cluster.kill(cluster.leader_of("t", 0))
            writer.stdin.write(f"{i}\n")
            writer.stdin.flush()
            if i in (1500,):
                cluster.heal()
        writer.stdin.close()
        assert writer.wait(120) == 0
        out, _ = reader.communicate(timeout=120)
        assert out == "".join(f"{i}\n" for i in range(3000))
        assert ctl(cluster, "consume", "t", "-e", "-q") == out
        cluster.heal()
        [topic] = json.loads(ctl(cluster, "topic", "describe", "t", "--json"))
        assert sorted(topic["partitions"][0]["replicas"]) == [1, 2, 3]


def test_the_quorum_is_told_by_whoever_knows(only_barnabas, broker):
    def ask(*args):
        done = subprocess.run(
            [BARNABASCTL, "quorum", *args], capture_output=True, text=True, timeout=60
        )
        return done.returncode, done.stdout

    nobody = f"127.0.0.1:{harness.free_port()}"
    code, out = ask(f"{nobody},{broker.bootstrap}", "--json")
    told = json.loads(out)
    assert code == 0 and told["leader"] == 1
    assert [(node["node"], node["role"]) for node in told["nodes"]] == [(1, "leader")]
    assert "active controller: node 1" in ask("-b", broker.bootstrap)[1]
    assert ask(nobody) == (1, "")
