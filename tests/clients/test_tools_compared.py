"""Kafka's command-line tools print the same with Barnabas as with Apache Kafka; see tools/README.md."""

import difflib
import re
import shlex
import subprocess
import sys
import time

import pytest

import harness

TOOLS = harness.HERE / "tools"
sys.path.insert(0, str(TOOLS))

from actions import Actions  # noqa: E402
from runner import ALONE, Runner  # noqa: E402
from script import agreed, options_of_all, parse, record, unparse  # noqa: E402

# Apache Kafka answers before all of its parts know of a change. Barnabas has no such time.
KAFKA_SETTLES_S = 1


@pytest.fixture(scope="module")
def runner(java_tools):
    runner = Runner()
    yield runner
    runner.close()


def perform(script, broker, runner, directory, settle):
    """Runs the steps of a script; returns the output of each, normalised."""
    actions = Actions(broker.bootstrap, directory)
    places = [
        (str(broker.data), "%D"),
        (str(directory), "%T"),
        (broker.bootstrap, "%B"),
        (str(broker.port), "PORT"),
    ]
    outputs = []
    try:
        for step in script:
            outputs.append([])
            if step.line.startswith("@ "):
                line = step.line
                for place, name in places[:3]:
                    line = line.replace(name, place)
                actions.run(line)
            elif step.line:
                tool, args, stdin = step.command()
                for place, name in places[:3]:
                    args = [arg.replace(name, place) for arg in args]
                if "no-bootstrap" not in step.options:
                    args = ["--bootstrap-server", broker.bootstrap, *args]
                if isinstance(runner, Runner):
                    done = (alone if tool in ALONE else runner.run)(tool, args, stdin)
                elif "not-yet" in step.options:
                    done = None
                else:
                    done = runner.run(tool, args, stdin)
                outputs[-1] = done and record(*done, places, step.options)
            time.sleep(settle)
    finally:
        actions.close()
    return outputs


def alone(tool, args, stdin):
    done = harness.run_tool(tool, *args, stdin=stdin, check=False)
    return done.returncode, done.stdout, done.stderr


def compare(script, outputs, *kinds):
    """The outputs that are not what is recorded, and how many were compared."""
    everywhere = options_of_all(script)
    different, compared = [], 0
    for step, output in zip(script, outputs):
        if output is None:
            continue
        compared += step.line.startswith("$ ")
        options = step.options + everywhere
        wanted, got = agreed(step.output, options, *kinds), agreed(output, options, *kinds)
        if wanted != got:
            lines = difflib.unified_diff(wanted, got, "Apache Kafka", "this", lineterm="", n=1)
            different.append("\n".join([step.line, *lines]))
    return different, compared


@pytest.mark.parametrize("name", sorted(path.stem for path in TOOLS.glob("*.txt")))
def test_tools_print_what_they_print_with_kafka(
    name, fresh_broker, runner, tmp_path, request, record_property
):
    path = TOOLS / f"{name}.txt"
    script = parse(path.read_text())
    kafka = isinstance(fresh_broker, harness.ApacheKafka)
    outputs = perform(script, fresh_broker, runner, tmp_path, KAFKA_SETTLES_S if kafka else 0)
    if request.config.getoption("--record"):
        assert kafka, "what is recorded is Apache Kafka: --broker kafka"
        for step, output in zip(script, outputs):
            step.output = output
        path.write_text(unparse(script))
    different, compared = compare(script, outputs)
    record_property("compared", compared)
    assert not different, f"{len(different)} of {compared} outputs differ:\n" + "\n".join(different)


# ---- barnabasctl under the tools' names ----------------------------------------------------------

BARNABASCTL = harness.BARNABAS.parent / "barnabasctl"

# The tools of Kafka that barnabasctl is not yet; docs/compatibility.md lists them.
NOT_YET = {
    "kafka-share-groups", "kafka-streams-groups", "kafka-transactions",
}  # fmt: skip


class OurTools:
    """barnabasctl, called as Kafka's tools are."""

    TIMEOUT_S = 60

    def run(self, tool, args, stdin=""):
        done = subprocess.run(
            [tool + ".sh", *map(str, args)], executable=BARNABASCTL, input=stdin,
            capture_output=True, text=True, timeout=self.TIMEOUT_S, env={"TZ": "UTC"},
        )  # fmt: skip
        if tool in NOT_YET:
            assert done.returncode == 1 and "is not served yet by Barnabas" in done.stderr
            return None
        return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("name", sorted(path.stem for path in TOOLS.glob("*.txt")))
def test_barnabasctl_prints_what_the_tools_print(
    only_barnabas, name, fresh_broker, tmp_path, record_property
):
    script = parse((TOOLS / f"{name}.txt").read_text())
    outputs = perform(script, fresh_broker, OurTools(), tmp_path, 0)
    different, compared = compare(script, outputs, "but", "barnabasctl")
    record_property("compared", compared)
    assert not different, f"{len(different)} of {compared} outputs differ:\n" + "\n".join(different)


BOTH = [
    "kafka-features downgrade --release-version 4.2 --dry-run",
    "kafka-features downgrade --release-version 3.9 --unsafe --dry-run",
    "kafka-features upgrade --release-version 4.3 --dry-run",
    "kafka-features upgrade --release-version 4.0 --dry-run",
    "kafka-features describe",
]


@pytest.mark.parametrize("command", BOTH)
def test_barnabasctl_prints_of_any_broker_what_the_tool_prints(broker, runner, command):
    tool, *args = shlex.split(command)
    args = ["--bootstrap-server", broker.bootstrap, *args]
    wanted, got = (record(*each.run(tool, args), [], []) for each in (runner, OurTools()))
    assert wanted and got == wanted


SUBCOMMANDS = {
    "kafka-cluster": ["cluster-id", "unregister", "list-endpoints"],
    "kafka-features": ["describe", "upgrade", "downgrade", "disable", "version-mapping",
                       "feature-dependencies"],
    "kafka-metadata-quorum": ["describe", "add-controller", "remove-controller"],
    "kafka-storage": ["format", "info", "version-mapping", "feature-dependencies", "random-uuid"],
}  # fmt: skip
SERVED = {
    "kafka-broker-api-versions", "kafka-client-metrics", "kafka-configs", "kafka-console-consumer",
    "kafka-console-producer", "kafka-consumer-groups", "kafka-delete-records", "kafka-dump-log",
    "kafka-get-offsets", "kafka-groups", "kafka-leader-election", "kafka-log-dirs",
    "kafka-reassign-partitions", "kafka-topics", *SUBCOMMANDS,
}  # fmt: skip
HELP = {"-h", "--help", "--version"}


@pytest.mark.parametrize("tool", sorted(SERVED))
def test_barnabasctl_knows_each_option_of_the_tool(runner, tool):
    """With an option that nobody has behind it: that is the one that is complained of, but where the
    tool says that it does not serve the other."""
    compared = 0
    for words in [[], *([word] for word in SUBCOMMANDS.get(tool, []))]:
        run = alone if tool == "kafka-cluster" else runner.run  # which ends the Java machine
        _, out, err = run(tool, [*words, "--help"], "")
        lines = [line for line in (out + err).splitlines() if re.match(r" {0,2}-{1,2}[a-z]", line)]
        heads = [re.split(r"\s{3,}", line.strip())[0] for line in lines]
        names = {name for head in heads for name in re.findall(r"(?:^|, )(--?[a-zA-Z][\w.-]*)", head)}
        for name in sorted(names - HELP):
            _, out, err = OurTools().run(tool, [*words, name, "a=1", "--of-nobody"])
            told = (out + err).splitlines()[0]
            # The last: behind a flag, as the value of an option, in a usage.
            known = "of-nobody", "is not served", "a=1 is no option", "is not valid", f"{name} FILE"
            assert any(text in told for text in known), (words, name, told)
            compared += 1
    assert compared > 0


def test_a_brokers_loggers_are_altered_by_its_id_alone(only_barnabas, fresh_broker):
    def configs(*args):
        code, out, err = OurTools().run("kafka-configs", [
            "--bootstrap-server", fresh_broker.bootstrap, "--entity-type", "broker-loggers",
            "--entity-name", *args])
        assert (code, err) == (0, ""), err
        return out

    assert configs("1", "--alter", "--add-config", "replica=DEBUG") == (
        "Completed updating config for broker-logger 1.\n")
    assert "  replica=DEBUG " in configs("1", "--describe")
    configs("1", "--alter", "--delete-config", "replica")
    assert "  replica=INFO " in configs("1", "--describe")


UNSERVED = {
    "kafka-acls --list": "DESCRIBE_ACLS",
    "kafka-acls --add --allow-principal User:u --operation Read --topic a": "DESCRIBE_ACLS",
    "kafka-transactions list": "LIST_TRANSACTIONS",
    "kafka-share-groups --describe --group s": "SHARE_GROUP_DESCRIBE",
    "kafka-configs --describe --entity-type users --entity-name u": "DESCRIBE_CLIENT_QUOTAS",
    "kafka-configs --describe --entity-type ips --entity-name 127.0.0.1": "DESCRIBE_CLIENT_QUOTAS",
    "kafka-configs --alter --entity-type clients --entity-name c --add-config producer_byte_rate=1": (
        "DESCRIBE_CLIENT_QUOTAS"
    ),
    "kafka-configs --alter --entity-type users --entity-name u --add-config SCRAM-SHA-256=[password=p]": (
        "ALTER_USER_SCRAM_CREDENTIALS"
    ),
}


@pytest.mark.parametrize("command", UNSERVED)
def test_a_tool_says_which_api_is_not_served(only_barnabas, broker, runner, command):
    tool, *args = shlex.split(command)
    run = alone if tool in ALONE else runner.run
    _, out, err = run(tool, ["--bootstrap-server", broker.bootstrap, *args], "")
    assert f"The node does not support {UNSERVED[command]}" in out + err


def test_the_new_group_protocol_is_refused_as_by_a_cluster_without_it(
    only_barnabas, broker, runner, topic
):
    bootstrap = ["--bootstrap-server", broker.bootstrap]
    runner.run("kafka-topics", [*bootstrap, "--create", "--topic", topic])
    _, _, err = runner.run(
        "kafka-console-consumer",
        [*bootstrap, "--topic", topic, "--command-property", "group.protocol=consumer",
         "--timeout-ms", 20000],
    )  # fmt: skip
    assert "The cluster does not support the new CONSUMER group protocol." in err


def test_the_compatibility_check_of_clients(only_barnabas, broker, runner, topic):
    expected = {
        "num-cluster-nodes": 1, "offsets-for-times-supported": "true",
        "cluster-id-supported": "true", "expect-record-too-large-exception": "false",
        "create-topics-supported": "true", "idempotent-producer-supported": "true",
        "describe-acls-supported": "false", "describe-configs-supported": "true",
    }  # fmt: skip
    args = [word for name, value in expected.items() for word in (f"--{name}", value)]
    code, out, err = runner.run(
        "kafka-client-compat-test",
        ["--bootstrap-server", broker.bootstrap, "--topic", topic, *args],
    )
    assert code == 0 and out == "SUCCESS.\n", out + err
