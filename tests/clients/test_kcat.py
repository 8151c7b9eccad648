"""kcat, as Debian ships it: what LearnFlow's people look inside with."""

import json

from harness import kcat


def create(broker, topic):
    """kcat creates topics by asking for them (auto.create.topics.enable)."""
    kcat(broker, "-P", "-t", topic, stdin="first\n")


def test_lists_the_broker_and_its_topics(broker, topic):
    create(broker, topic)
    listing = json.loads(kcat(broker, "-L", "-J").stdout)
    assert sorted(b["name"] for b in listing["brokers"]) == sorted(broker.bootstrap.split(","))
    found = [t for t in listing["topics"] if t["topic"] == topic]
    assert len(found) == 1
    assert found[0]["partitions"][0]["leader"] in [b["id"] for b in listing["brokers"]]


def test_what_was_produced_is_consumed_in_order(broker, topic):
    lines = [f"message {i}" for i in range(1000)]
    kcat(broker, "-P", "-t", topic, "-p", 0, stdin="\n".join(lines) + "\n")
    out = kcat(broker, "-C", "-t", topic, "-p", 0, "-e", "-q").stdout
    assert out.splitlines() == lines


def test_keys_headers_and_null_values_survive(broker, topic):
    kcat(broker, "-P", "-t", topic, "-K:", "-H", "source=gateway", "-H", "empty=", stdin="k1:v1\n")
    kcat(broker, "-P", "-t", topic, "-K:", "-Z", stdin="k2:\n")
    out = kcat(broker, "-C", "-t", topic, "-e", "-q", "-J").stdout
    first, second = [json.loads(line) for line in out.splitlines()]
    assert (first["key"], first["payload"]) == ("k1", "v1")
    assert first["headers"] == ["source", "gateway", "empty", ""]
    assert (second["key"], second["payload"]) == ("k2", None)


def test_every_codec_round_trips(broker, topic):
    for codec in ("none", "gzip", "snappy", "lz4", "zstd"):
        lines = [f"{codec} {i} " + "x" * 200 for i in range(200)]
        kcat(broker, "-P", "-t", f"{topic}-{codec}", "-z", codec, stdin="\n".join(lines) + "\n")
        out = kcat(broker, "-C", "-t", f"{topic}-{codec}", "-e", "-q").stdout
        assert out.splitlines() == lines, codec


def test_offsets_from_the_end_and_by_time(broker, topic):
    kcat(broker, "-P", "-t", topic, "-p", 0, stdin="".join(f"{i}\n" for i in range(10)))
    assert kcat(broker, "-C", "-t", topic, "-p", 0, "-o", "-3", "-e", "-q").stdout == "7\n8\n9\n"
    stamps = kcat(broker, "-C", "-t", topic, "-p", 0, "-e", "-q", "-f", "%T\n").stdout.split()
    out = kcat(broker, "-C", "-t", topic, "-p", 0, "-o", f"s@{stamps[0]}", "-e", "-q").stdout
    assert out.splitlines() == [str(i) for i in range(10)]
    query = kcat(broker, "-Q", "-t", f"{topic}:0:-1").stdout
    assert query.strip() == f"{topic} [0] offset 10"


def test_a_group_consumes_everything_once(broker, topic, group):
    kcat(broker, "-P", "-t", topic, stdin="".join(f"{i}\n" for i in range(50)))
    options = ("-X", "auto.offset.reset=earliest", "-e", "-q", "-G", group, topic)
    assert sorted(map(int, kcat(broker, *options).stdout.split())) == list(range(50))
    kcat(broker, "-P", "-t", topic, stdin="50\n")
    assert kcat(broker, *options).stdout.split() == ["50"]


def test_acks_zero_one_and_all(broker, topic):
    for acks in ("0", "1", "all"):
        kcat(broker, "-P", "-t", topic, "-p", 0, "-X", f"acks={acks}", stdin=f"acks {acks}\n")
    out = kcat(broker, "-C", "-t", topic, "-p", 0, "-e", "-q").stdout
    assert out.splitlines() == ["acks 0", "acks 1", "acks all"]


def test_an_unknown_topic_is_an_error_when_not_created(broker, topic):
    done = kcat(
        broker, "-C", "-t", topic + "-absent", "-p", 0, "-e", "-q",
        "-X", "allow.auto.create.topics=false", check=False,
    )  # fmt: skip
    assert done.returncode != 0
    assert "Unknown topic or partition" in done.stderr
