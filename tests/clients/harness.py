"""Starts, stops and kills brokers for the client tests: Barnabas, or Apache Kafka as the reference."""

import contextlib
import os
import pathlib
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import uuid

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
KAFKA_LIBS = pathlib.Path(os.environ.get("KAFKA_LIBS", ROOT / ".cache/kafka-libs"))
BARNABAS = pathlib.Path(os.environ.get("BARNABAS", ROOT / "build/barnabas"))

START_TIMEOUT_S = 60
STOP_TIMEOUT_S = 60

LEARNFLOW_TOPICS = [
    "learning.requests",
    "concepts.requests",
    "code.submissions",
    "debug.requests",
    "exercise.generated",
    "learning.responses",
    "struggle.detected",
    "progress.events",
]


def free_port():
    """Below the ports that the kernel gives to outgoing connections, one of which may take the port
    of a broker while it is down."""
    while True:
        port = random.randrange(10000, 32000)
        with socket.socket() as s, contextlib.suppress(OSError):
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            s.bind(("127.0.0.1", port))
            return port


def have_kafka():
    return shutil.which("java") is not None and any(KAFKA_LIBS.glob("kafka-clients-*.jar"))


def wait_for_port(port, process, timeout_s=START_TIMEOUT_S):
    """Waits until the port answers an ApiVersions request."""
    deadline = time.monotonic() + timeout_s
    request = bytes.fromhex("0000000e 0012 0000 00000001 0004 70696e67".replace(" ", ""))
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"the broker exited with {process.returncode}")
        with contextlib.suppress(OSError):
            with socket.create_connection(("127.0.0.1", port), timeout=2) as s:
                s.sendall(request)
                if len(s.recv(4)) == 4:
                    return
        time.sleep(0.01)
    raise RuntimeError(f"nothing answers on port {port}")


class Broker:
    """One broker process with its own port and directory; both stay the same over restarts."""

    def __init__(self, directory=None, port=None, **properties):
        self.own_directory = directory is None
        self.directory = pathlib.Path(directory or tempfile.mkdtemp(prefix="broker-"))
        self.directory.mkdir(parents=True, exist_ok=True)
        self.port = port or free_port()
        self.data = self.directory / "data"
        self.log_path = self.directory / "broker.log"
        self.properties_path = self.directory / "server.properties"
        self.extra = {k.replace("_", "."): v for k, v in properties.items()}
        self.process = None

    @property
    def bootstrap(self):
        return f"127.0.0.1:{self.port}"

    def properties(self):
        raise NotImplementedError

    def command(self):
        raise NotImplementedError

    def prepare(self):
        """Before the first start."""

    def write_properties(self):
        merged = {**self.properties(), **self.extra}
        lines = [f"{key}={value}\n" for key, value in merged.items()]
        self.properties_path.write_text("".join(lines))

    def start(self, wait=True):
        assert self.process is None
        self.write_properties()
        self.prepare()
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                self.command(), stdout=log, stderr=log, cwd=self.directory, env=self.environment()
            )
        if wait:
            try:
                wait_for_port(self.port, self.process)
            except RuntimeError:
                self.kill()
                raise RuntimeError("the broker did not start:\n" + self.log()) from None
        return self

    def environment(self):
        return dict(os.environ)

    def kill(self):
        """SIGKILL: nothing is flushed, nothing is said goodbye to."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def stop(self):
        """SIGTERM: a clean shutdown. Returns the exit code."""
        if self.process is None:
            return 0
        self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.kill()
            raise RuntimeError("the broker did not stop:\n" + self.log()) from None
        self.process = None
        return code

    def restart(self):
        self.stop()
        return self.start()

    def destroy(self):
        self.kill()
        if self.own_directory:
            shutil.rmtree(self.directory, ignore_errors=True)

    def log(self, tail=80):
        if not self.log_path.exists():
            return ""
        return "\n".join(self.log_path.read_text(errors="replace").splitlines()[-tail:])

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.destroy()


class Barnabas(Broker):
    name = "barnabas"

    def properties(self):
        return {
            "node.id": 1,
            "process.roles": "broker,controller",
            "listeners": f"PLAINTEXT://127.0.0.1:{self.port}",
            "log.dirs": self.data,
            "offsets.topic.replication.factor": 1,
            "group.initial.rebalance.delay.ms": 0,
        }

    def command(self):
        return [str(BARNABAS), str(self.properties_path)]

    def sanitizer_reports(self):
        """What ASan, UBSan or TSan wrote, when the binary was built with them."""
        if not self.log_path.exists():
            return []
        text = self.log_path.read_text(errors="replace")
        marks = ("AddressSanitizer", "LeakSanitizer", "ThreadSanitizer", "runtime error:")
        return [text[at : at + 4000] for at in sorted(text.find(m) for m in marks) if at >= 0]


def end(broker):
    """Stops a broker that still runs; what it or a sanitizer had to complain about on the way."""
    complaints = []
    if not isinstance(broker, Broker):  # of three nodes
        return broker.destroy()
    if isinstance(broker, Barnabas):
        code = broker.stop()
        if code != 0:
            complaints.append(f"exit code {code} of a stopped broker:\n{broker.log()}")
        complaints += broker.sanitizer_reports()
    broker.destroy()
    return complaints


class ApacheKafka(Broker):
    name = "kafka"

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.controller_port = free_port()

    def properties(self):
        return {
            "node.id": 1,
            "process.roles": "broker,controller",
            "controller.quorum.voters": f"1@127.0.0.1:{self.controller_port}",
            "controller.listener.names": "CONTROLLER",
            "listeners": f"PLAINTEXT://127.0.0.1:{self.port},"
            f"CONTROLLER://127.0.0.1:{self.controller_port}",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "log.dirs": self.data,
            "offsets.topic.replication.factor": 1,
            "transaction.state.log.replication.factor": 1,
            "transaction.state.log.min.isr": 1,
            "share.coordinator.state.topic.replication.factor": 1,
            "share.coordinator.state.topic.min.isr": 1,
            "group.initial.rebalance.delay.ms": 0,
        }

    def prepare(self):
        if not (self.data / "meta.properties").exists():
            cluster = uuid.uuid4()
            run_java(
                "kafka.tools.StorageTool", "format", "-t", cluster_text(cluster),
                "-c", str(self.properties_path),
            )  # fmt: skip

    def command(self):
        return java_command("kafka.Kafka", heap="1G") + [str(self.properties_path)]


def cluster_text(value):
    import base64

    return base64.urlsafe_b64encode(value.bytes).decode().rstrip("=").replace("-", "A")


# ---- Kafka's own programs ----------------------------------------------------------------------

TOOLS = {
    "kafka-topics": "org.apache.kafka.tools.TopicCommand",
    "kafka-configs": "org.apache.kafka.tools.ConfigCommand",
    "kafka-console-producer": "org.apache.kafka.tools.ConsoleProducer",
    "kafka-console-consumer": "org.apache.kafka.tools.consumer.ConsoleConsumer",
    "kafka-consumer-groups": "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand",
    "kafka-get-offsets": "org.apache.kafka.tools.GetOffsetShell",
    "kafka-delete-records": "org.apache.kafka.tools.DeleteRecordsCommand",
    "kafka-log-dirs": "org.apache.kafka.tools.LogDirsCommand",
    "kafka-broker-api-versions": "org.apache.kafka.tools.BrokerApiVersionsCommand",
    "kafka-cluster": "org.apache.kafka.tools.ClusterTool",
    "kafka-metadata-quorum": "org.apache.kafka.tools.MetadataQuorumCommand",
    "kafka-leader-election": "org.apache.kafka.tools.LeaderElectionCommand",
    "kafka-reassign-partitions": "org.apache.kafka.tools.reassign.ReassignPartitionsCommand",
    "kafka-features": "org.apache.kafka.tools.FeatureCommand",
    "kafka-groups": "org.apache.kafka.tools.GroupsCommand",
    "kafka-transactions": "org.apache.kafka.tools.TransactionsCommand",
    "kafka-dump-log": "org.apache.kafka.tools.DumpLogSegments",
    "kafka-metadata-shell": "org.apache.kafka.shell.MetadataShell",
    "kafka-verifiable-producer": "org.apache.kafka.tools.VerifiableProducer",
    "kafka-verifiable-consumer": "org.apache.kafka.tools.VerifiableConsumer",
}

# Where a class stood in releases that had it elsewhere.
MOVED = {
    "org.apache.kafka.tools.ConfigCommand": "kafka.admin.ConfigCommand",
    "org.apache.kafka.tools.BrokerApiVersionsCommand": "kafka.admin.BrokerApiVersionsCommand",
    "org.apache.kafka.tools.DumpLogSegments": "kafka.tools.DumpLogSegments",
}

_classes = None


def class_exists(name):
    global _classes
    if _classes is None:
        import zipfile

        found = set()
        for jar in KAFKA_LIBS.glob("kafka*.jar"):
            with zipfile.ZipFile(jar) as z:
                found.update(z.namelist())
        _classes = found  # whole: several threads come here
    return name.replace(".", "/") + ".class" in _classes


def java_command(main_class, heap="256M"):
    return [
        "java", f"-Xmx{heap}", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xshare:auto",
        f"-Dlog4j2.configurationFile={HERE / 'java/log4j2.properties'}",
        "-cp", f"{KAFKA_LIBS}/*", main_class,
    ]  # fmt: skip


def run_java(main_class, *args, stdin="", check=True, timeout_s=120):
    if not class_exists(main_class):
        main_class = MOVED[main_class]
    done = subprocess.run(
        java_command(main_class) + [str(a) for a in args],
        input=stdin, capture_output=True, text=True, timeout=timeout_s,
    )  # fmt: skip
    if check and done.returncode != 0:
        raise AssertionError(f"{main_class} {args} exited {done.returncode}:\n{done.stdout}\n{done.stderr}")
    return done


def run_tool(tool, *args, **kwargs):
    """Runs one of Kafka's command-line tools; returns the finished process."""
    return run_java(TOOLS[tool], *args, **kwargs)


def kcat(broker, *args, stdin="", check=True, timeout_s=60):
    done = subprocess.run(
        ["kcat", "-b", broker.bootstrap, *[str(a) for a in args]],
        input=stdin, capture_output=True, text=True, timeout=timeout_s,
    )  # fmt: skip
    if check and done.returncode != 0:
        raise AssertionError(f"kcat {args} exited {done.returncode}:\n{done.stdout}\n{done.stderr}")
    return done
