"""
What Testcontainers' Kafka modules do, step by step: create with these variables and this command, start, copy a
script in, wait for a line of the log; then a client connects by the address that the script advertised.

Each container has the network namespace that it has in Docker, so that the modules' fixed ports are free.
"""

import json

import pytest

from containers import Container, network_of, within

READY = r"Transitioning from RECOVERY to RUNNING"

JAVA_VARIABLES = {
    "CLUSTER_ID": "4L6g3nShT-eMCtK--X86sw",
    "KAFKA_LISTENERS": "PLAINTEXT://:9092,BROKER://:9093,CONTROLLER://:9094",
    "KAFKA_LISTENER_SECURITY_PROTOCOL_MAP": "BROKER:PLAINTEXT,PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
    "KAFKA_INTER_BROKER_LISTENER_NAME": "BROKER",
    "KAFKA_PROCESS_ROLES": "broker,controller",
    "KAFKA_CONTROLLER_LISTENER_NAMES": "CONTROLLER",
    "KAFKA_NODE_ID": "1",
    "KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR": "1",
    "KAFKA_OFFSETS_TOPIC_NUM_PARTITIONS": "1",
    "KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR": "1",
    "KAFKA_TRANSACTION_STATE_LOG_MIN_ISR": "1",
    "KAFKA_LOG_FLUSH_INTERVAL_MESSAGES": "9223372036854775807",
    "KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS": "0",
}
GO_VARIABLES = {
    **{name: value for name, value in JAVA_VARIABLES.items() if name != "CLUSTER_ID"},
    "KAFKA_LISTENERS": "PLAINTEXT://0.0.0.0:9093,BROKER://0.0.0.0:9092,CONTROLLER://0.0.0.0:9094",
    "KAFKA_REST_BOOTSTRAP_SERVERS": "PLAINTEXT://0.0.0.0:9093,BROKER://0.0.0.0:9092,CONTROLLER://0.0.0.0:9094",
    "KAFKA_BROKER_ID": "1",
    "KAFKA_CONTROLLER_QUORUM_VOTERS": "1@localhost:9094",
}


def java(run_script, script_path="/tmp/testcontainers_start.sh", marker=None, before=""):
    """The modules of Java: KafkaContainer, ConfluentKafkaContainer, and the older KafkaContainer."""
    waited = marker or script_path

    def start(network, address, voters):
        env = dict(JAVA_VARIABLES)
        if voters:  # some releases set them
            env["KAFKA_CONTROLLER_QUORUM_VOTERS"] = "1@localhost:9094"
        # The modules ask with -f: Docker puts the file there with its mode at once, podman does not.
        command = f"while [ ! -x {waited} ]; do sleep 0.1; done; {script_path}"
        container = Container("sh", "-c", command, env=env, network=network)
        container.start()
        advertised = f"PLAINTEXT://{address}:9092,BROKER://{container.hostname()}:9093"
        script = f"#!/bin/bash\nexport KAFKA_ADVERTISED_LISTENERS={advertised}\n{before}{run_script} \n"
        container.copy(script, script_path)
        if marker:
            container.copy("", marker)
        return container, 9092

    return start


def go(network, address, voters):
    path = "/usr/sbin/testcontainers_start.sh"
    command = f"while [ ! -x {path} ]; do sleep 0.1; done; bash {path}"
    container = Container("-c", command, env=GO_VARIABLES, network=network, entrypoint="sh")
    container.start()
    script = f"""#!/bin/bash
source /etc/confluent/docker/bash-config
export KAFKA_ADVERTISED_LISTENERS="PLAINTEXT://{address}:9093,BROKER://{container.hostname()}:9092\
${{EXTRA_ADVERTISED_LISTENERS:+,${{EXTRA_ADVERTISED_LISTENERS}}}}"
echo Starting Kafka KRaft mode
sed -i '/KAFKA_ZOOKEEPER_CONNECT/d' /etc/confluent/docker/configure
echo 'kafka-storage format --ignore-formatted -t "$(kafka-storage random-uuid)" -c /etc/kafka/kafka.properties' \
>> /etc/confluent/docker/configure
echo '' > /etc/confluent/docker/ensure
/etc/confluent/docker/configure
/etc/confluent/docker/launch"""
    container.copy(script, path)
    return container, 9093


OLDER = (
    "sed -i '/KAFKA_ZOOKEEPER_CONNECT/d' /etc/confluent/docker/configure\n"
    "echo 'kafka-storage format --ignore-formatted -t \"4L6g3nShT-eMCtK--X86sw\" -c /etc/kafka/kafka.properties'"
    " >> /etc/confluent/docker/configure\n"
    "echo '' > /etc/confluent/docker/ensure \n"
)
MODULES = {
    "java-kafka": java("/etc/kafka/docker/run"),
    "java-kafka-with-marker": java("/etc/kafka/docker/run", marker="/tmp/testcontainers_start.ready"),
    "java-confluent": java("/etc/confluent/docker/run"),
    "java-older": java("/etc/confluent/docker/run", "/testcontainers_start.sh", before=OLDER),
    "go": go,
}


@pytest.mark.parametrize("module, voters", [(m, True) for m in MODULES] + [("java-kafka", False)])
def test_the_start_contract_of(bridge, module, voters):
    namespace, address = bridge.join("kafka")
    container, port = MODULES[module](network_of(namespace), address, voters)
    try:
        container.wait_for(READY)
        bootstrap = f"{address}:{port}"
        within(bridge.host, "kcat", "-b", bootstrap, "-P", "-t", "t", stdin="hello\n")
        assert within(bridge.host, "kcat", "-b", bootstrap, "-C", "-t", "t", "-e", "-q").stdout == "hello\n"
        brokers = json.loads(within(bridge.host, "kcat", "-b", bootstrap, "-L", "-J").stdout)["brokers"]
        assert [b["name"] for b in brokers] == [bootstrap]
    except AssertionError:
        print(container.log())
        raise
    finally:
        container.remove()
