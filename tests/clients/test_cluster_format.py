"""barnabasctl format, info and random-uuid beside Kafka's storage tool."""

import re
import subprocess

import cluster as clusters
import harness
import pytest

TOOL = harness.BARNABAS.with_name("barnabasctl")
CLUSTER_ID = "AAAAAAAAAAAAAAAAAAAAAg"
VOTERS = (
    "1@127.0.0.1:27011:MvDxzVmcRsaTz33bUuRU6A,2@127.0.0.1:27012:JEXY6aqzQY-32P5TStzaFg,"
    "3@127.0.0.1:27013:07R5amHmR32VDA6jHkGbTA"
)


@pytest.fixture(scope="session", autouse=True)
def only_once(request):
    if request.config.getoption("--broker") == "kafka":
        pytest.skip("compares the tools of both by itself")


def barnabasctl(*args):
    return subprocess.run([TOOL, *map(str, args)], capture_output=True, text=True, timeout=30)


def storage_tool(*args):
    return harness.run_java("kafka.tools.StorageTool", *args, check=False)


@pytest.fixture
def config(tmp_path):
    """Writes a node's properties with two directories below `name`."""
    def write(name="d", node=1, quorum="controller.quorum.bootstrap.servers=127.0.0.1:27011"):
        path = tmp_path / f"{name}.properties"
        path.write_text(
            f"node.id={node}\nprocess.roles=broker,controller\n{quorum}\n"
            "controller.listener.names=CONTROLLER\n"
            "listeners=PLAINTEXT://127.0.0.1:27001,CONTROLLER://127.0.0.1:27011\n"
            "listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT\n"
            f"log.dirs={tmp_path}/{name}1,{tmp_path}/{name}2\n"
        )
        return path

    return write


def tree(directory, drawn_ids):
    """name -> what its files say, without times and drawn ids."""
    out = {}
    for path in sorted(p for p in directory.rglob("*") if p.is_file()):
        name = str(path.relative_to(directory))
        if path.suffix == ".checkpoint":
            done = barnabasctl("log", "dump", "--records", path)
            assert done.returncode == 0, done.stderr
            text = "\n".join(done.stdout.splitlines()[1:])
            text = re.sub(r"(imestamp\"?[=:]|crc=|size=|position=)[0-9a-f]+", r"\1?", text)
        else:
            text = "\n".join(sorted(path.read_text().splitlines()[-4:]))
        text = re.sub(r"directory.id=.*", "directory.id=?", text)
        out[name] = re.sub(r'DirectoryId":"[^"]*', 'DirectoryId":"?', text) if drawn_ids else text
    return out


# What Kafka's defaults have beyond what Barnabas serves.
FEATURES = ["group.version", "share.version", "streams.version", "transaction.version"]


@pytest.mark.parametrize(
    "quorum,args",
    [
        ("", ["--initial-controllers", VOTERS]),
        ("", ["--initial-controllers", VOTERS.split(",", 1)[1]]),
        ("", ["-s"]),
        ("", ["--no-initial-controllers"]),
        ("controller.quorum.voters=1@127.0.0.1:27011", []),
        ("", ["-s", "--release-version", "4.1-IV0"]),
        ("", ["-s", "--feature", "metadata.version=20"]),
    ],
)
def test_the_files_are_those_of_kafka(java_tools, config, tmp_path, quorum, args):
    extra = {"quorum": quorum} if quorum else {}
    ours = config("ours", **extra)
    theirs = config("theirs", **extra)
    off = [a for f in FEATURES for a in ("--feature", f"{f}=0")]
    first = barnabasctl("format", "-t", CLUSTER_ID, "-c", ours, *args)
    second = storage_tool("format", "-t", CLUSTER_ID, "-c", theirs, *args, *off)
    assert first.returncode == 0, first.stderr
    assert second.returncode == 0, second.stdout + second.stderr
    drawn = "-s" in args
    for i in "12":
        assert tree(tmp_path / f"ours{i}", drawn) == tree(tmp_path / f"theirs{i}", drawn)
    lines = [line for line in second.stdout.splitlines() if line.startswith("Formatting")]
    assert sorted(first.stdout.splitlines()) == sorted(line.replace("/theirs", "/ours") for line in lines)
    info = barnabasctl("info", "-c", ours)
    assert sorted(info.stdout) == sorted(storage_tool("info", "-c", ours).stdout)
    assert info.returncode == 0


def test_what_is_formatted_is_left_alone(config, tmp_path):
    path = config()
    assert barnabasctl("format", "-t", CLUSTER_ID, "-c", path, "-s").returncode == 0
    before = (tmp_path / "d1/meta.properties").read_bytes()
    again = barnabasctl("format", "-t", CLUSTER_ID, "-c", path, "-s")
    assert again.returncode == 1 and "is already formatted" in again.stderr
    again = barnabasctl("format", "-t", CLUSTER_ID, "-c", path, "-s", "-g")
    assert again.returncode == 0
    assert again.stdout == "All of the log directories are already formatted.\n"
    other = barnabasctl("format", "-t", "B" * 22, "-c", path, "-s", "-g")
    assert other.returncode == 1 and "Invalid cluster.id" in other.stderr
    other = barnabasctl("format", "-t", CLUSTER_ID, "-c", config(node=2), "-s", "-g")
    assert other.returncode == 1 and "Invalid node.id" in other.stderr
    assert (tmp_path / "d1/meta.properties").read_bytes() == before


@pytest.mark.parametrize(
    "args,text",
    [
        ([], "you must specify one of"),
        (["-s", "-N"], "only one of"),
        (["-s", "--feature", "nonsense=1"], "Unsupported feature: nonsense"),
        (["-s", "--feature", "metadata.version=99"], "No metadata.version with feature level 99"),
        (["-s", "--feature", "kraft.version=0"], "kraft.version cannot be 0"),
        (["-s", "-r", "9.9"], "Unknown metadata.version '9.9'"),
        (["-I", "1@h:1:nonsense"], "1@h:1:nonsense is not valid"),
        (["-I", "1@h:1:MvDxzVmcRsaTz33bUuRU6A,1@h:2:JEXY6aqzQY-32P5TStzaFg"], "the id of another"),
        (["--nonsense"], "--nonsense is no option"),
        (["-s", "--feature"], "--feature is no option, or lacks its value"),
    ],
)
def test_nonsense_is_refused_and_nothing_is_written(config, tmp_path, args, text):
    done = barnabasctl("format", "-t", CLUSTER_ID, "-c", config(), *args)
    assert done.returncode == 1 and text in done.stderr, done.stderr
    assert not (tmp_path / "d1").exists()


def test_voters_of_the_configuration_and_of_the_command_line_exclude_each_other(config):
    path = config(quorum="controller.quorum.voters=1@127.0.0.1:27011")
    done = barnabasctl("format", "-t", CLUSTER_ID, "-c", path, "-s")
    assert done.returncode == 1 and "controller.quorum.voters cannot be set" in done.stderr


def test_random_uuids_are_kafkas(config):
    drawn = {barnabasctl("random-uuid").stdout.strip() for _ in range(20)}
    assert len(drawn) == 20
    assert all(re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_-]{21}", d) for d in drawn)


def test_kafka_starts_on_what_was_formatted_here(java_tools):
    with clusters.Cluster("kafka", format_with="barnabas") as cluster:
        assert set(cluster.quorum().voters) == {1, 2, 3}
        assert cluster.metadata().cluster_id == cluster.cluster_id
