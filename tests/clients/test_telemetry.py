"""
Metrics that clients push (KIP-714). What is expected here is what Apache Kafka 4.3.1 answers with a
receiver of telemetry; without one it does not serve these APIs, so these tests are for Barnabas.
"""

import gzip
import re
import struct
import time
import uuid

import pytest
from confluent_kafka import Producer

import harness
import metrics_page
import wire
from hostile import wait_until
from test_librdkafka import create_topic

pytestmark = pytest.mark.usefixtures("only_barnabas")

NOBODY = uuid.UUID(int=0)
UNSUPPORTED_COMPRESSION, INVALID_RECORD, THROTTLED = 76, 87, 89
UNKNOWN_SUBSCRIPTION, TOO_LARGE, INVALID_REQUEST, INVALID_CONFIG = 117, 118, 42, 40


@pytest.fixture
def subscribed(fresh_broker):
    """A broker that wants two metrics of clients called "wire", every 300 ms."""
    assert wire.alter(fresh_broker.port, wire.CLIENT_METRICS, "two", metrics="org.b,org.a",
                      match="client_id=wir.", **{"interval.ms": "300"}) == 0
    return fresh_broker


def get(connection, instance=NOBODY):
    return connection.ask("GetTelemetrySubscriptions", 0, {"ClientInstanceId": instance})


def push(connection, instance, subscription, metrics=b"", compression=0, terminating=False):
    return connection.ask("PushTelemetry", 0, {
        "ClientInstanceId": instance, "SubscriptionId": subscription, "Terminating": terminating,
        "CompressionType": compression, "Metrics": metrics})["ErrorCode"]


def pause():
    time.sleep(0.35)


def test_a_client_is_told_what_is_wanted_of_it(subscribed):
    with wire.Wire(subscribed.port) as connection:
        answer = get(connection)
        assert answer["ClientInstanceId"] != NOBODY
        assert answer["AcceptedCompressionTypes"] == [4, 3, 1, 2]
        assert (answer["PushIntervalMs"], answer["TelemetryMaxBytes"]) == (300, 1048576)
        assert answer["RequestedMetrics"] == ["org.a", "org.b"]
    with wire.Wire(subscribed.port, client="other") as connection:
        answer = get(connection)
        assert (answer["PushIntervalMs"], answer["RequestedMetrics"]) == (300000, [])


def test_asking_and_pushing_too_often_is_throttled(subscribed):
    with wire.Wire(subscribed.port) as connection:
        answer = get(connection)
        me, subscription = answer["ClientInstanceId"], answer["SubscriptionId"]
        assert get(connection, me)["ErrorCode"] == THROTTLED
        assert push(connection, me, subscription) == 0
        assert push(connection, me, subscription) == THROTTLED
        assert push(connection, me, subscription, terminating=True) == 0
        assert push(connection, me, subscription, terminating=True) == INVALID_REQUEST
        pause()
        assert push(connection, me, subscription) == INVALID_REQUEST


def test_wrong_pushes_are_refused(subscribed):
    with wire.Wire(subscribed.port) as connection:
        answer = get(connection)
        me, subscription = answer["ClientInstanceId"], answer["SubscriptionId"]
        assert push(connection, NOBODY, 0) == push(connection, uuid.UUID(int=1), 0) == INVALID_REQUEST
        assert push(connection, me, subscription + 1) == UNKNOWN_SUBSCRIPTION
        assert get(connection, me)["ErrorCode"] == 0  # at once: it has to know the new one
        assert push(connection, me, subscription, compression=9) in (THROTTLED, UNSUPPORTED_COMPRESSION)
        for error, options in (
            (UNSUPPORTED_COMPRESSION, {"compression": 9}),
            (UNSUPPORTED_COMPRESSION, {"compression": -1}),
            (TOO_LARGE, {"metrics": b"x" * 1048577}),
            (INVALID_RECORD, {"metrics": b"garbage", "compression": 1}),
            (INVALID_RECORD, {"metrics": gzip.compress(bytes(32 << 20)), "compression": 1}),
            (0, {"metrics": b"garbage"}),
        ):
            pause()
            assert push(connection, me, subscription, **options) == error, options.keys()


def test_changed_subscriptions_are_told_at_once(subscribed):
    with wire.Wire(subscribed.port) as connection:
        me = get(connection)["ClientInstanceId"]
        assert get(connection, me)["ErrorCode"] == THROTTLED
        assert wire.alter(subscribed.port, wire.CLIENT_METRICS, "all", metrics="*",
                          **{"interval.ms": "100"}) == 0
        answer = get(connection, me)
        assert (answer["RequestedMetrics"], answer["PushIntervalMs"]) == (["*"], 100)
        assert wire.alter(subscribed.port, wire.CLIENT_METRICS, "all", wire.DELETE,
                          metrics=None, **{"interval.ms": None}) == 0
        assert get(connection, me)["RequestedMetrics"] == ["org.a", "org.b"]


def test_clients_are_told_apart_by_what_they_say_of_themselves(fresh_broker):
    port = fresh_broker.port
    with wire.Wire(port) as connection:
        connection.ask("ApiVersions", 3,
                       {"ClientSoftwareName": "probe", "ClientSoftwareVersion": "1.2"})
        own_port = connection.connection.getsockname()[1]
        me = uuid.uuid4()
        for pattern, expected in (
            ("client_id=wire", True), ("client_id=wir", False), ("client_id=.*ire", True),
            ("client_software_name=pro.*,client_source_address=127.*", True),
            ("client_software_name=pro.*,client_source_address=10.*", False),
            ("client_software_version=1.2", True), ("client_software_version=1", False),
            (f"client_source_port={own_port}", True), ("client_source_port=1", False),
            (f"client_instance_id={wire.short(me)}", True), ("", True),
        ):  # fmt: skip
            assert wire.alter(port, wire.CLIENT_METRICS, "s", metrics="*", match=pattern) == 0
            assert (get(connection, me)["RequestedMetrics"] == ["*"]) == expected, pattern


def test_wrong_subscriptions_are_refused(fresh_broker):
    def error(operation=wire.SET, **configs):
        return wire.alter(fresh_broker.port, wire.CLIENT_METRICS, "s", operation, **configs)

    for match in ("nothing=.*", "client_id", "client_id=[", "client_id=a=b",
                  "client_id=((a{1,99}){1,99}){1,99}"):
        assert error(match=match) == INVALID_CONFIG, match
    for match in ("client_id=.*", "client_id=a,client_id=b", "", " client_id = b "):
        assert error(match=match) == 0, match
    assert error(**{"interval.ms": "x"}) == INVALID_CONFIG
    assert error(**{"interval.ms": "99"}) == error(**{"interval.ms": "3600001"}) == INVALID_REQUEST
    assert error(nope="1") == INVALID_REQUEST
    assert error(wire.APPEND, metrics="a") == INVALID_CONFIG
    assert error(wire.DELETE, match=None, nope=None) == 0


def test_librdkafka_pushes_what_is_wanted_and_it_is_told_to_prometheus(new_broker, topic):
    port = harness.free_port()
    fresh_broker = new_broker(metrics_listener=f"127.0.0.1:{port}").start()
    create_topic(fresh_broker, topic)
    assert wire.alter(fresh_broker.port, wire.LOGGER, "1", telemetry="DEBUG") == 0
    assert wire.alter(fresh_broker.port, wire.CLIENT_METRICS, "all", metrics="*",
                      match="client_id=pusher", **{"interval.ms": "200"}) == 0
    producer = Producer({"bootstrap.servers": fresh_broker.bootstrap, "client.id": "pusher"})

    def pushed():
        producer.produce(topic, b"x")
        producer.flush(10)
        lines = re.findall(r'DEBUG +telemetry .*client_id="pusher" software="(\S+) \S+" error=(\S+) '
                           r"numbers=(\d+)", fresh_broker.log_path.read_text())
        return [(name, error) for name, error, numbers in lines if int(numbers) > 3]

    wait_until(lambda: len(pushed()) >= 2)
    assert {error for _, error in pushed()} == {"NONE"}
    page = metrics_page.page(port)
    name = "kafka_client_org_apache_kafka_producer_connection_creation_total"
    assert len(page.values(name, client_id="pusher")) == 1
    assert any(name.startswith("kafka_client_") and value > 0 for name, _, value in page.samples)
    assert page.value("barnabas_telemetry_clients") >= 1
    fresh_broker.stop()


def test_kafkas_tool_administers_subscriptions(fresh_broker, java_tools):
    def tool(*args):
        done = harness.run_java("org.apache.kafka.tools.ClientMetricsCommand",
                                "--bootstrap-server", fresh_broker.bootstrap, *args, check=False)
        return done.stdout + done.stderr

    assert "METRICS" not in tool("--list")
    out = tool("--alter", "--name", "METRICS", "--metrics", "org.a,org.b", "--interval", "1000",
               "--match", "client_id=x")
    assert "error" not in out.lower(), out
    assert "METRICS" in tool("--list")
    described = tool("--describe", "--name", "METRICS")
    assert "interval.ms=1000" in described and "metrics=org.a,org.b" in described, described
    tool("--delete", "--name", "METRICS")
    assert "METRICS" not in tool("--list")


def field(number, value):
    """A field of a protocol buffer whose value is bytes."""
    return bytes([number << 3 | 2, len(value)]) + value


def gauge(name, value, **labels):
    point = b"\x21" + struct.pack("<d", value) + b"".join(
        field(7, field(1, k.encode()) + field(2, field(1, v))) for k, v in labels.items())
    metric = field(1, name.encode()) + field(5, field(1, point))
    return field(1, field(2, field(2, metric)))


def test_what_a_hostile_client_pushes_leaves_the_page_readable(new_broker):
    port = harness.free_port()
    broker = new_broker(metrics_listener=f"127.0.0.1:{port}").start()
    with wire.Wire(broker.port, client='a"b\\c') as connection:
        answer = get(connection)
        pushed = (gauge("x.y", 1, a=b"1", b=b'"},\xff\n{') + gauge("x_y", 2, a=b"1") +
                  gauge("kafka_log_log_size", 3) + gauge("z", 4, client_id=b"other", __name__=b"n") +
                  gauge("dup", 5, **{"a.b": b"1", "a_b": b"2"}))
        assert push(connection, answer["ClientInstanceId"], answer["SubscriptionId"], pushed) == 0
    page = metrics_page.page(port)
    assert sorted(page.values("kafka_client_x_y")) == [1, 2]
    assert page.values("kafka_client_kafka_log_log_size") == [3]
    assert page.values("kafka_client_z") == [4]
    assert page.values("kafka_client_dup", a_b="1") == [5]
    assert page.values("kafka_client_dup", a_b="2") == []
    broker.stop()
