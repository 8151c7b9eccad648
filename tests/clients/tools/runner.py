"""Kafka's command-line tools, all in one Java machine (ToolRunner.java)."""

import json
import subprocess
import threading
from pathlib import Path

import harness

HERE = Path(__file__).resolve().parent

TOOLS = {
    **harness.TOOLS,
    "kafka-configs": "kafka.admin.ConfigCommand",
    "kafka-storage": "kafka.tools.StorageTool",
    "kafka-producer-perf-test": "org.apache.kafka.tools.ProducerPerformance",
    "kafka-consumer-perf-test": "org.apache.kafka.tools.ConsumerPerformance",
    "kafka-e2e-latency": "org.apache.kafka.tools.EndToEndLatency",
    "kafka-client-compat-test": "org.apache.kafka.tools.ClientCompatibilityTest",
    "kafka-replica-verification": "org.apache.kafka.tools.ReplicaVerificationTool",
    "kafka-acls": "org.apache.kafka.tools.AclCommand",
    "kafka-reassign-partitions": "org.apache.kafka.tools.reassign.ReassignPartitionsCommand",
    "kafka-leader-election": "org.apache.kafka.tools.LeaderElectionCommand",
    "kafka-delegation-tokens": "org.apache.kafka.tools.DelegationTokenCommand",
    "kafka-client-metrics": "org.apache.kafka.tools.ClientMetricsCommand",
    "kafka-share-groups": "org.apache.kafka.tools.consumer.group.ShareGroupCommand",
    "kafka-streams-application-reset": "org.apache.kafka.tools.StreamsResetter",
    "kafka-streams-groups": "org.apache.kafka.tools.streams.StreamsGroupCommand",
}

# They end by ways that cannot be caught, print after their end, or leave a client behind.
ALONE = {"kafka-verifiable-producer", "kafka-verifiable-consumer", "kafka-transactions"}


class Runner:
    """A Java machine in which tools run one after the other."""

    TIMEOUT_S = 60

    def __init__(self):
        self.process = None

    def _start(self):
        self.process = subprocess.Popen(
            [
                "java", "-Xmx512m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xshare:auto",
                "-Duser.timezone=UTC", "-Duser.language=en",
                f"-Dlog4j2.configurationFile={harness.HERE / 'java/log4j2.properties'}",
                "-cp", f"{harness.KAFKA_LIBS}/*", str(HERE / "ToolRunner.java"),
            ],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )  # fmt: skip

    def run(self, tool, args, stdin=""):
        """Returns exit code, stdout and stderr."""
        if self.process is None:
            self._start()
        command = {"class": TOOLS[tool], "args": [str(a) for a in args], "stdin": stdin}
        watch = threading.Timer(self.TIMEOUT_S, self.process.kill)
        watch.start()
        try:
            self.process.stdin.write(json.dumps(command) + "\n")
            self.process.stdin.flush()
            line = self.process.stdout.readline()
        finally:
            watch.cancel()
        if not line:
            self.process.wait()
            self.process = None
            return 99, "", "the tool did not end, or took the Java machine with it"
        answer = json.loads(line)
        return answer["exit"], answer["stdout"], answer["stderr"]

    def close(self):
        if self.process is not None:
            self.process.stdin.close()
            self.process.wait(30)
