"""What /metrics says is what happened; what probes are told; and that nobody can keep them from it."""

import contextlib
import ctypes
import os
import signal
import socket
import subprocess
import threading
import time

import cluster as clusters
import harness
import metrics_page
import pytest
from cluster import wait_until
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

pytestmark = pytest.mark.usefixtures("only_barnabas")

LINGER_S = 1.1  # a page is given out for a second


@pytest.fixture(scope="module")
def node(new_broker):
    return new_broker(metrics_listener="127.0.0.1:0", num_shards=2)


@pytest.fixture(scope="module")
def port(node):
    node.extra["metrics.listener"] = f"127.0.0.1:{harness.free_port()}"
    node.start()
    return int(node.extra["metrics.listener"].rpartition(":")[2])


def produce(node, topic, values, partition=0):
    producer = Producer({"bootstrap.servers": node.bootstrap, "acks": "all"})
    for value in values:
        producer.produce(topic, value, partition=partition)
    assert producer.flush(120) == 0


def create(node, topic, partitions=1):
    admin = AdminClient({"bootstrap.servers": node.bootstrap})
    admin.create_topics([NewTopic(topic, partitions, 1)])[topic].result(120)
    return admin


def later(port):
    """A page that is not the one before."""
    time.sleep(LINGER_S)
    return metrics_page.page(port)


# ---- Numbers ---------------------------------------------------------------------------------

def test_what_goes_in_and_out_is_counted(node, port, topic):
    create(node, topic, partitions=3)
    for partition in range(3):
        produce(node, topic, [b"x" * 1000] * 10, partition)
    page = later(port)
    name = "kafka_server_brokertopicmetrics_"
    assert page.value(name + "messagesin_total", topic=topic) == 30
    sent = page.value(name + "bytesin_total", topic=topic)
    assert 30000 < sent < 40000
    assert page.value(name + "bytesout_total", topic=topic) == 0
    assert page.sum("kafka_log_log_size", topic=topic) == sent
    assert page.sum("kafka_topic_partition_current_offset", topic=topic) == 30
    assert page.value("kafka_topic_partitions", topic=topic) == 3
    requests = page.value(name + "totalproducerequests_total", topic=topic)
    assert 3 <= requests <= 30

    consumer = Consumer({"bootstrap.servers": node.bootstrap, "group.id": topic})
    consumer.assign([TopicPartition(topic, p, 0) for p in range(3)])
    got = []
    while len(got) < 30:
        got += consumer.consume(30, 30)
    consumer.close()
    page = later(port)
    assert page.value(name + "bytesout_total", topic=topic) >= sent
    assert page.value(name + "failedfetchrequests_total", topic=topic) == 0
    assert page.value(name + "messagesin_total") >= 30


def test_refused_batches_are_counted_as_failed(node, port, topic):
    create(node, topic)
    producer = Producer({"bootstrap.servers": node.bootstrap, "message.max.bytes": 4000000})
    producer.produce(topic, b"x" * 2000000)
    producer.flush(30)
    page = later(port)
    assert page.value("kafka_server_brokertopicmetrics_failedproducerequests_total", topic=topic) >= 1
    assert page.value("kafka_server_brokertopicmetrics_messagesin_total", topic=topic) == 0


def test_lag_is_what_a_group_has_not_committed(node, port, topic, group):
    create(node, topic, partitions=2)
    produce(node, topic, [b"x"] * 10, 0)
    produce(node, topic, [b"x"] * 5, 1)
    consumer = Consumer({"bootstrap.servers": node.bootstrap, "group.id": group})
    consumer.commit(offsets=[TopicPartition(topic, 0, 4), TopicPartition(topic, 1, 5)],
                    asynchronous=False)
    consumer.close()
    page = later(port)
    series = {"consumergroup": group, "topic": topic}
    assert page.value("kafka_consumergroup_current_offset", partition="0", **series) == 4
    assert page.value("kafka_consumergroup_lag", partition="0", **series) == 6
    assert page.value("kafka_consumergroup_lag", partition="1", **series) == 0
    assert page.value("kafka_consumergroup_lag_sum", **series) == 6
    assert page.value("kafka_consumergroup_current_offset_sum", **series) == 9
    assert page.value("kafka_consumergroup_members", consumergroup=group) == 0


def test_members_of_a_group_are_counted(node, port, topic, group):
    create(node, topic)
    consumer = Consumer({"bootstrap.servers": node.bootstrap, "group.id": group})
    consumer.subscribe([topic])
    wait_until("an assignment", lambda: consumer.poll(0.1) or consumer.assignment())
    assert later(port).value("kafka_consumergroup_members", consumergroup=group) == 1
    consumer.close()


def test_a_deleted_topic_is_not_told_any_more(node, port, topic):
    admin = create(node, topic)
    produce(node, topic, [b"x"])
    total = later(port)
    assert total.values("kafka_server_brokertopicmetrics_messagesin_total", topic=topic)
    admin.delete_topics([topic])[topic].result(30)

    def gone():
        page = later(port)
        return page if not any(l.get("topic") == topic for _, l, _ in page.samples) else None

    name = "kafka_server_brokertopicmetrics_messagesin_total"
    assert wait_until("its series to go", gone).value(name) >= total.value(name)


def test_groups_of_any_name_leave_the_page_readable(node, port, topic):
    create(node, topic)
    for name in ('quo"te', "back\\slash", "new\nline", "ümläut", "\U0001f600"):
        consumer = Consumer({"bootstrap.servers": node.bootstrap, "group.id": name})
        consumer.commit(offsets=[TopicPartition(topic, 0, 0)], asynchronous=False)
        consumer.close()
    page = later(port)
    told = {l["consumergroup"] for n, l, _ in page.samples if n == "kafka_consumergroup_members"}
    assert {'quo\\"te', "back\\\\slash", "new\\\\x0aline", "ümläut", "\U0001f600"} <= told


def test_requests_are_counted_with_their_times(node, port):
    page = later(port)
    count = page.value("kafka_network_requestmetrics_totaltimems_count", request="Metadata")
    assert count == page.sum("kafka_network_requestmetrics_requests_total", request="Metadata") > 0
    median = page.value("kafka_network_requestmetrics_totaltimems", request="Metadata", quantile="0.50")
    worst = page.value("kafka_network_requestmetrics_totaltimems", request="Metadata", quantile="0.999")
    assert 0 < median <= worst


def test_a_page_may_be_compressed(port):
    time.sleep(LINGER_S)
    code, headers, _ = metrics_page.get(port, "/metrics", **{"Accept-Encoding": "gzip"})
    assert code == 200 and headers["Content-Encoding"] == "gzip"
    assert metrics_page.Page(metrics_page.text(port, compressed=True)).value("barnabas_ready") == 1
    code, headers, _ = metrics_page.get(port, "/metrics", **{"Accept-Encoding": "gzip;q=0"})
    assert code == 200 and headers["Content-Encoding"] is None


def test_no_series_is_told_twice(port):
    page = later(port)
    series = [(name, tuple(sorted(labels.items()))) for name, labels, _ in page.samples]
    assert len(series) == len(set(series))


def test_series_of_partitions_can_be_left_out(new_broker, topic):
    port = harness.free_port()
    node = new_broker(metrics_listener=f"127.0.0.1:{port}", metrics_per_partition="false").start()
    create(node, topic)
    produce(node, topic, [b"x"])
    page = metrics_page.page(port)
    assert not any("partition" in labels for _, labels, _ in page.samples)
    assert page.value("kafka_server_brokertopicmetrics_messagesin_total", topic=topic) == 1
    assert node.stop() == 0


# ---- Probes ----------------------------------------------------------------------------------

def test_probes_say_yes_on_a_node_that_works(port):
    for path in ("/livez", "/readyz", "/healthz"):
        assert metrics_page.status(port, path) == 200
    assert metrics_page.status(port, "/") == 404


def test_a_node_without_its_quorum_is_live_and_not_ready(new_broker):
    port = harness.free_port()
    others = [harness.free_port() for _ in range(3)]
    node = new_broker(
        metrics_listener=f"127.0.0.1:{port}",
        controller_quorum_voters=",".join(f"{i + 1}@127.0.0.1:{p}" for i, p in enumerate(others)),
        controller_listener_names="CONTROLLER",
        listeners=f"PLAINTEXT://127.0.0.1:{harness.free_port()},CONTROLLER://127.0.0.1:{others[0]}",
    )
    tool = str(harness.BARNABAS.with_name("barnabasctl"))
    node.prepare = lambda: subprocess.run(
        [tool, "format", "-t", clusters.random_uuid(), "-c", node.properties_path],
        check=True, capture_output=True,
    )
    node.start(wait=False)
    wait_until("the pages", lambda: metrics_page.status(port, "/livez") == 200)
    code, _, body = metrics_page.get(port, "/readyz")
    assert code == 503 and b"quorum" in body
    assert metrics_page.page(port).value("barnabas_ready") == 0
    assert node.stop() == 0


def test_a_node_that_stands_still_does_not_answer(new_broker):
    port = harness.free_port()
    node = new_broker(metrics_listener=f"127.0.0.1:{port}").start()
    node.process.send_signal(signal.SIGSTOP)
    with pytest.raises(OSError):
        metrics_page.get(port, "/livez", timeout_s=1)
    node.process.send_signal(signal.SIGCONT)
    wait_until("an answer", lambda: metrics_page.status(port, "/livez") == 200)


PTRACE_SEIZE, PTRACE_INTERRUPT, PTRACE_DETACH = 0x4206, 0x4207, 17
WALL = 0x40000000


@contextlib.contextmanager
def threads_stopped(process):
    """All threads but the first, which carries shard 0, stand still."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
    stopped = []
    for tid in map(int, os.listdir(f"/proc/{process.pid}/task")):
        if tid == process.pid:
            continue
        if libc.ptrace(PTRACE_SEIZE, tid, None, None) != 0:
            pytest.skip("may not stop threads: " + os.strerror(ctypes.get_errno()))
        libc.ptrace(PTRACE_INTERRUPT, tid, None, None)
        os.waitpid(tid, WALL)
        stopped.append(tid)
    try:
        yield
    finally:
        for tid in stopped:
            libc.ptrace(PTRACE_DETACH, tid, None, None)


def test_a_loop_that_stands_still_is_told(new_broker):
    port = harness.free_port()
    node = new_broker(metrics_listener=f"127.0.0.1:{port}", num_shards=2).start()
    assert metrics_page.status(port, "/livez") == 200
    with threads_stopped(node.process):
        for _ in range(2):
            code, _, body = metrics_page.get(port, "/livez")
            assert code == 503 and body == b"these loops do not come round: 1\n"
        assert metrics_page.status(port, "/metrics") == 503
        assert metrics_page.status(port, "/readyz") == 200
    wait_until("life", lambda: metrics_page.status(port, "/livez") == 200)
    assert metrics_page.page(port).value("barnabas_ready") == 1
    assert node.stop() == 0


def test_a_port_in_use_ends_the_start(new_broker, node, port):
    other = new_broker(metrics_listener=f"127.0.0.1:{port}")
    other.start(wait=False)
    assert other.process.wait(30) == 4
    assert "metrics.listener" in other.log()
    other.process = None


def test_without_the_key_there_is_no_port(fresh_broker):
    assert "serving pages" not in fresh_broker.log()


# ---- Peers that mean no good -----------------------------------------------------------------

GARBAGE = [
    b"\x00" * 100,
    b"GET\r\n\r\n",
    b"GET / HTTP/9.9\r\n\r\n",
    b"GET /metrics HTTP/1.1\r\n" + b"X: " + b"y" * 100000 + b"\r\n\r\n",
    b"GET /" + b"a" * 100000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /metrics HTTP/1.1\r\n" + b"A: b\r\n" * 20000 + b"\r\n",
    b"POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n\r\n" + b"z" * 100000,
    b"GET /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
    b"GET /metrics HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n",
    b"DELETE /livez HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n" * 1000,
    b"GET /metrics%00%ff../../etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\xff" * 500,
]


def connect_from(address, port):
    s = socket.socket()
    s.bind((address, 0))
    s.settimeout(3)
    s.connect(("127.0.0.1", port))
    return s


@pytest.mark.parametrize("sent", GARBAGE, ids=range(len(GARBAGE)))
def test_what_is_no_request_is_refused(node, port, sent):
    with contextlib.suppress(OSError), connect_from("127.0.0.2", port) as s:
        s.sendall(sent)
        s.shutdown(socket.SHUT_WR)
        while s.recv(65536):
            pass
    assert metrics_page.status(port, "/livez") == 200
    assert node.process.poll() is None


def test_one_address_cannot_take_all_connections(node, port):
    held = []
    for _ in range(200):
        with contextlib.suppress(OSError):
            held.append(connect_from("127.0.0.3", port))
            held[-1].send(b"GET /livez HTTP/1.1\r\n")
    for _ in range(20):
        assert metrics_page.status(port, "/livez") == 200
    for s in held:
        s.close()


def test_a_peer_that_trickles_is_cut_off(port):
    with connect_from("127.0.0.4", port) as s:
        began = time.monotonic()
        with pytest.raises(OSError):
            while time.monotonic() < began + 60:
                s.send(b"G")
                time.sleep(0.5)


def test_who_asks_and_leaves_costs_nothing(node, port):
    for _ in range(300):
        with connect_from("127.0.0.5", port) as s:
            s.send(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
    assert metrics_page.status(port, "/readyz") == 200
    wait_until("descriptors to be freed",
               lambda: later(port).value("process_open_fds") < 300)


def test_many_ask_at_once(port):
    before = later(port).value("barnabas_metrics_pages_total")
    results = []

    def ask():
        results.append(metrics_page.page(port).value("barnabas_ready"))

    threads = [threading.Thread(target=ask) for _ in range(24)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert results == [1.0] * 24
    assert later(port).value("barnabas_metrics_pages_total") - before < 24


def test_a_node_stops_while_its_pages_are_asked_for(new_broker):
    port = harness.free_port()
    node = new_broker(metrics_listener=f"127.0.0.1:{port}").start()
    stop = threading.Event()

    def ask():
        while not stop.is_set():
            with contextlib.suppress(OSError):
                metrics_page.get(port, "/metrics", timeout_s=5)
            with contextlib.suppress(OSError):
                metrics_page.get(port, "/livez", timeout_s=5)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for t in threads:
        t.start()
    time.sleep(1)
    assert node.stop() == 0
    stop.set()
    for t in threads:
        t.join()
