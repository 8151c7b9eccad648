"""The systems that are compared: how they are started, what they are told, how they are driven."""

import contextlib
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import uuid

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = pathlib.Path(os.environ.get("BARNABAS_BUILD", ROOT / "build"))
KAFKA_LIBS = pathlib.Path(os.environ.get("KAFKA_LIBS", ROOT / ".cache/kafka-libs"))
LOG4J = ROOT / "bench/log4j2.properties"

START_TIMEOUT_S = 120

# What Kafka's own start script gives the JVM (bin/kafka-server-start.sh, bin/kafka-run-class.sh).
KAFKA_JVM = [
    "-Xmx1G", "-Xms1G", "-server", "-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20",
    "-XX:InitiatingHeapOccupancyPercent=35", "-XX:+ExplicitGCInvokesConcurrent",
    "-Djava.awt.headless=true",
]  # fmt: skip


class Failed(Exception):
    pass


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def write_properties(path, properties):
    path.write_text("".join(f"{key}={value}\n" for key, value in properties.items()))


class System:
    """A process on a port of its own, with a directory of its own."""

    raw = False

    def __init__(self, directory):
        self.directory = pathlib.Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        self.process = None

    def launch(self, command, stdout=None):
        log = open(self.directory / "log", "ab")
        with log:
            self.process = subprocess.Popen(
                [str(c) for c in command], cwd=self.directory, stdout=stdout or log, stderr=log
            )

    @property
    def pid(self):
        return self.process.pid

    def wait_until_served(self):
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise Failed(f"{self.name} exited:\n{self.log()}")
            with contextlib.suppress(OSError):
                with socket.create_connection(("127.0.0.1", self.port), timeout=5) as s:
                    s.sendall(bytes.fromhex("0000000e001200000000000100046265 6e63"))
                    if len(s.recv(4)) == 4:
                        return self
            time.sleep(0.05)
        raise Failed(f"{self.name} does not answer:\n{self.log()}")

    def log(self):
        return "\n".join((self.directory / "log").read_text(errors="replace").splitlines()[-40:])

    def stop(self):
        if self.process is not None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
            self.process = None

    def destroy(self):
        self.stop()
        shutil.rmtree(self.directory, ignore_errors=True)

    def topic_files(self, topic):
        return list((self.directory / "data").glob(f"{topic}-*/*"))


class Barnabas(System):
    """One broker for both kinds of durability: the topic decides."""

    name = "barnabas"

    def __init__(self, directory, **properties):
        super().__init__(directory)
        self.properties = {
            "node.id": 1,
            "process.roles": "broker,controller",
            "listeners": f"PLAINTEXT://127.0.0.1:{self.port}",
            "log.dirs": self.directory / "data",
            "group.initial.rebalance.delay.ms": 0,
            **{key.replace("_", "."): value for key, value in properties.items()},
        }

    def command(self):
        write_properties(self.directory / "server.properties", self.properties)
        return [str(BUILD / "barnabas"), str(self.directory / "server.properties")]

    def start(self):
        self.launch(self.command())
        return self.wait_until_served()


class Kafka(System):
    """Apache Kafka with the heap, the garbage collector and the settings that it comes with."""

    name = "kafka"

    def __init__(self, directory):
        super().__init__(directory)
        controller_port = free_port()
        self.properties = {
            "node.id": 1,
            "process.roles": "broker,controller",
            "controller.quorum.voters": f"1@127.0.0.1:{controller_port}",
            "controller.listener.names": "CONTROLLER",
            "listeners": f"PLAINTEXT://127.0.0.1:{self.port},"
            f"CONTROLLER://127.0.0.1:{controller_port}",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "log.dirs": self.directory / "data",
            # As in the config/server.properties that Kafka ships:
            "num.network.threads": 3,
            "num.io.threads": 8,
            "socket.send.buffer.bytes": 102400,
            "socket.receive.buffer.bytes": 102400,
            "socket.request.max.bytes": 104857600,
            "offsets.topic.replication.factor": 1,
            "transaction.state.log.replication.factor": 1,
            "transaction.state.log.min.isr": 1,
            "group.initial.rebalance.delay.ms": 0,
        }

    def java(self, main_class, options):
        return ["java", *options, f"-Dlog4j2.configurationFile={LOG4J}",
                "-cp", f"{KAFKA_LIBS}/*", main_class]  # fmt: skip

    def format_command(self):
        cluster = uuid.UUID(int=0x62656E63682D636C75737465722D6964)
        import base64

        text = base64.urlsafe_b64encode(cluster.bytes).decode().rstrip("=")
        properties = self.directory / "server.properties"
        write_properties(properties, self.properties)
        return [*self.java("kafka.tools.StorageTool", ["-Xmx256M"]),
                "format", "-t", text, "-c", str(properties)]  # fmt: skip

    def command(self):
        return [*self.java("kafka.Kafka", KAFKA_JVM), str(self.directory / "server.properties")]

    def start(self):
        done = subprocess.run(self.format_command(), capture_output=True, text=True)
        if done.returncode != 0:
            raise Failed(f"the directory could not be formatted:\n{done.stdout}{done.stderr}")
        self.launch(self.command())
        return self.wait_until_served()


class Floor(System):
    """bench/floor.c; a new process and an empty file for each measurement."""

    name = "floor"
    raw = True

    @property
    def file(self):
        return self.directory / "file"

    def start(self):
        self.launch([BUILD / "bench/floor", self.file], stdout=subprocess.PIPE)
        self.port = int(self.process.stdout.readline())
        self.process.stdout.close()
        return self

    def stop(self):
        super().stop()
        for path in self.directory.glob("file*"):
            path.unlink()

    def topic_files(self, topic):
        return [self.file]


def have_kafka():
    return shutil.which("java") is not None and any(KAFKA_LIBS.glob("kafka_2.13-4*.jar"))


def kafka_version():
    for jar in KAFKA_LIBS.glob("kafka_2.13-*.jar"):
        return jar.stem.split("-")[-1]
    return None


def drop_from_page_cache(files):
    """Written out, then forgotten: the next read comes from the disk."""
    for path in files:
        with contextlib.suppress(OSError):
            fd = os.open(path, os.O_RDONLY)
            try:
                os.fsync(fd)
                os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
            finally:
                os.close(fd)


def scratch(parent):
    parent.mkdir(parents=True, exist_ok=True)
    return pathlib.Path(tempfile.mkdtemp(prefix="run-", dir=parent))
