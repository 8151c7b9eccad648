"""The chart on a real Kubernetes (kubernetes.py): what the API server makes of its objects, and its life
by helm alone: install, upgrades under load, an eviction, a pod's death, uninstall and install again."""

import base64
import os
import subprocess

import pytest
from confluent_kafka.admin import ConfigResource, ResourceType

import chart
import kubelet
import kubernetes
from chart import Rendering
from test_cluster import (BOOTSTRAP, BUILD, TOPICS, Load, admin, all_in_sync, describe, everything,
                          topics)

PROGRAM = chart.ROOT / ".cache/helm/kubernetes/node"
PODS = [f"kafka-controller-{i}" for i in range(3)]
VERSION = chart.yaml.safe_load((chart.CHART / "Chart.yaml").read_text())["appVersion"]
IMAGE = f"docker.io/library/barnabas:{VERSION}"  # what the chart calls docker.io/barnabas, in full
MINUTES = "10m"  # a limit, as everywhere
RESTRICTED = "pod-security.kubernetes.io/enforce"

pytestmark = pytest.mark.skipif(
    kubernetes.missing() is not None or not PROGRAM.exists(),
    reason=kubernetes.missing() or "Kubernetes is not built: ./dev kubernetes-test does it")


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """An API server alone."""
    directory = tmp_path_factory.mktemp("kubernetes")
    archives = kubernetes.images(directory, IMAGE)
    kubelet.enter_namespaces()
    cluster = kubernetes.Kubernetes(directory, PROGRAM)
    cluster.archives = archives
    try:
        cluster.start_server()
        kubelet.run("mount", "--bind", cluster.resolv, "/etc/resolv.conf")
        for name in ("servicemonitors", "prometheusrules"):
            made = cluster.make("customresourcedefinitions", definition(name))
            cluster.until(lambda: is_established(cluster, made), name)
        namespace = {"metadata": {"name": "monitoring"}}  # which values name
        cluster.make("namespaces", namespace)
        yield cluster
    finally:
        if "KEEP" in os.environ:
            kubelet.run("cp", "-r", cluster.logs, os.environ["KEEP"])
        cluster.stop()


@pytest.fixture(scope="module")
def cluster(server):
    """With a node that runs pods, in a namespace that admits careful ones only."""
    server.start_controllers()
    server.start_node(*server.archives)
    server.patch("namespaces", "default", {"metadata": {"labels": {RESTRICTED: "restricted"}}})
    for _ in range(4):
        server.make_volume()
    server.until(lambda: server.get("serviceaccounts", "default"), "an account for pods")
    return server


def definition(plural):
    """As much of the Prometheus operator's resources as lets them in."""
    kind = {"servicemonitors": "ServiceMonitor", "prometheusrules": "PrometheusRule"}[plural]
    anything = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    return {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": {"name": plural + ".monitoring.coreos.com"},
            "spec": {"group": "monitoring.coreos.com", "scope": "Namespaced",
                     "names": {"plural": plural, "kind": kind},
                     "versions": [{"name": "v1", "served": True, "storage": True,
                                   "schema": {"openAPIV3Schema": anything}}]}}


def is_established(cluster, made):
    found = cluster.get("customresourcedefinitions", made["metadata"]["name"])
    return any(c["type"] == "Established" and c["status"] == "True"
               for c in found.get("status", {}).get("conditions") or ())


def helm(cluster, *arguments):
    return chart.helm("--kubeconfig", cluster.kubeconfig, *arguments)


def upgrade(cluster, *files, sets=()):
    """Returns when the pods are ready and the topics are as the values say."""
    return helm(cluster, "upgrade", "--install", "kafka", chart.CHART, "--wait", "--timeout",
                MINUTES, *chart.options(files, sets))


def pods(cluster):
    return {p["metadata"]["name"]: p for p in cluster.list("pods")
            if p["metadata"]["name"] in PODS}


def all_ready(cluster):
    found = pods(cluster)
    return sorted(found) == PODS and all(map(kubernetes.ready, found.values()))


def lost(wanted, found, path=""):
    """What of the wanted object is not in the one found."""
    if isinstance(wanted, dict):
        if not isinstance(found, dict):
            return [] if not wanted and found is None else [f"{path}: {wanted} became {found}"]
        out = []
        for key, value in wanted.items():
            if value is not None:
                out += lost(value, found.get(key), f"{path}.{key}")
        return out
    if isinstance(wanted, list):
        if len(wanted) != len(found or []):
            return [f"{path}: {wanted} became {found}"]
        out = []
        for i, value in enumerate(wanted):
            out += lost(value, found[i], f"{path}[{i}]")
        return out
    empty = (None, "", False, 0)
    if wanted == found or wanted in empty and found in empty:
        return []
    return [f"{path}: {wanted!r} became {found!r}"]


# ---- What the API server makes of the chart

EXAMPLES = {"bare": (), "dev": ("values-dev.yaml",), "learnflow": ("values-learnflow.yaml",),
            "plaintext": ("plaintext.yaml",), "pools": ("pools.yaml",),
            "exposed": ("pools_exposed.yaml",), "balanced": ("loadbalancer.yaml",),
            "secret": ("secret_config.yaml",)}


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_api_server_takes_each_object_and_drops_nothing_of_it(server, name):
    helm(server, "install", "kafka", chart.CHART, "--namespace", name, "--create-namespace",
         "--no-hooks", *chart.options(EXAMPLES[name], ()))
    try:
        # Compared with what helm sent, ids included, and not with another rendering.
        sent = helm(server, "get", "manifest", "kafka", "--namespace", name)
        for wanted in chart.yaml.safe_load_all(sent):
            if not wanted or wanted["kind"] in ("ServiceMonitor", "PrometheusRule"):
                continue
            resource = resource_of(wanted["kind"])
            found = server.get(resource, wanted["metadata"]["name"], name)
            for key, value in wanted.pop("stringData", {}).items():
                encoded = base64.b64encode(value.encode()).decode()
                wanted.setdefault("data", {})[key] = encoded
            assert lost(wanted, found, wanted["kind"]) == []
    finally:
        helm(server, "uninstall", "kafka", "--namespace", name)


def resource_of(kind):
    return {"NetworkPolicy": "networkpolicies"}.get(kind, kind.lower() + "s")


@pytest.mark.parametrize("values", ["values-dev.yaml", "values-learnflow.yaml", "pools.yaml"])
def test_each_object_is_valid_by_the_servers_strict_rules(server, values):
    for wanted in Rendering(values).objects:
        if wanted["kind"] in ("ServiceMonitor", "PrometheusRule"):
            continue
        path = server.path(resource_of(wanted["kind"]), namespace="default")
        server.call("POST", path + "?dryRun=All&fieldValidation=Strict", wanted)


def test_an_upgrade_keeps_the_ids_that_the_first_release_made(server):
    where = "--namespace", "ids", "--no-hooks"
    helm(server, "install", "kafka", chart.CHART, "--create-namespace", *where)
    first = server.get("secrets", "kafka-kraft", "ids")["data"]
    assert sorted(first) == ["cluster-id", *(f"controller-{i}-id" for i in range(3))]
    helm(server, "upgrade", "kafka", chart.CHART, *where, "--set", "controller.replicaCount=5")
    second = server.get("secrets", "kafka-kraft", "ids")["data"]
    assert {key: second[key] for key in first} == first and len(second) == 6
    helm(server, "uninstall", "kafka", "--namespace", "ids")


@pytest.mark.parametrize("values", ["values-dev.yaml", "values-learnflow.yaml"])
def test_pods_are_admitted_where_pod_security_is_restricted(server, values):
    if server.get("namespaces", "strict") is None:
        server.make("namespaces", {"metadata": {"name": "strict",
                                                "labels": {RESTRICTED: "restricted"}}})
    rendering = Rendering(values)
    templates = [o["spec"]["template"] for o in rendering.objects if o["kind"] in
                 ("StatefulSet", "Job")]
    assert templates
    for template in templates:
        pod = {"apiVersion": "v1", "kind": "Pod", "spec": {
            **template["spec"], "serviceAccountName": "kafka",
            "volumes": [*template["spec"]["volumes"], {"name": "data", "emptyDir": {}}]}}
        pod["metadata"] = {**template["metadata"], "generateName": "x-"}
        account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "kafka"}}
        if server.get("serviceaccounts", "kafka", "strict") is None:
            server.make("serviceaccounts", account, "strict")
        server.call("POST", server.path("pods", namespace="strict") + "?dryRun=All", pod)


# ---- A release's life

def test_install_ends_when_three_nodes_are_ready_and_the_topics_are_there(cluster):
    said = upgrade(cluster, "values-learnflow.yaml")
    assert "STATUS: deployed" in said
    assert all_ready(cluster)
    found = topics()
    assert {name: len(t.partitions) for name, t in found.items()} == TOPICS
    assert all(len(p.replicas) == 3 for t in found.values() for p in t.partitions.values())
    assert cluster.get("jobs", "kafka-provisioning") is None, "a hook that ended well is deleted"


def test_each_pod_has_a_claim_that_is_bound_and_is_a_voter(cluster):
    claims = {c["metadata"]["name"]: c["status"]["phase"]
              for c in cluster.list("persistentvolumeclaims")}
    assert claims == {f"data-{pod}": "Bound" for pod in PODS}
    done = subprocess.run([BUILD / "barnabasctl", "quorum", BOOTSTRAP], capture_output=True,
                          text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert all(f"{i}" in done.stdout for i in range(3)), done.stdout


def test_brokers_are_known_by_names_that_the_clusters_dns_has(cluster):
    brokers = admin().list_topics(timeout=10).brokers
    assert {b.id: b.host for b in brokers.values()} == {
        i: f"{pod}.kafka-controller-headless.default.svc.cluster.local"
        for i, pod in enumerate(PODS)}


def test_an_upgrade_that_changes_topics_restarts_no_pod(cluster):
    before = {name: pod["metadata"]["uid"] for name, pod in pods(cluster).items()}
    upgrade(cluster, "learnflow_changed.yaml")
    assert {name: pod["metadata"]["uid"] for name, pod in pods(cluster).items()} == before
    assert {n: len(t.partitions) for n, t in topics().items()} == {
        **TOPICS, "struggle.detected": 5, "audit": 1}
    (_, config), = describe([ConfigResource(ResourceType.TOPIC, "struggle.detected")])
    assert config["retention.ms"].value == "3600000"


def test_an_upgrade_with_changed_values_rolls_the_pods_without_a_failed_produce(cluster):
    before = pods(cluster)
    ids = cluster.get("secrets", "kafka-kraft")["data"]
    cluster.until(all_in_sync, "replicas in sync")
    watch = kubernetes.Watch(cluster)
    load = Load("learning.requests")
    try:
        cluster.until(lambda: len(load.acknowledged) > 100, "records")
        upgrade(cluster, "values-learnflow.yaml",
                sets=["overrideConfiguration.num\\.partitions=4"])
        sent = len(load.acknowledged)
        cluster.until(lambda: len(load.acknowledged) > sent + 100, "records after the roll")
    finally:
        load.end()
    after = pods(cluster)
    assert load.failed == [] and len(load.acknowledged) == load.count
    assert sorted(everything("learning.requests")) == sorted(load.acknowledged)
    assert all(after[n]["metadata"]["uid"] != before[n]["metadata"]["uid"] for n in PODS)
    assert cluster.get("secrets", "kafka-kraft")["data"] == ids
    # Each was told to stop and did, in time: 137 would be a SIGKILL's.
    ends = {(name, uid): code for name, uid, container, code in watch.ends
            if container == "kafka"}
    assert ends == {(n, before[n]["metadata"]["uid"]): 0 for n in PODS}
    (_, config), = describe([ConfigResource(ResourceType.BROKER, "0")])
    assert config["num.partitions"].value == "4"


def test_a_second_node_is_not_evicted_before_the_first_is_back(cluster):
    cluster.until(all_in_sync, "replicas in sync")
    cluster.until(lambda: cluster.get("poddisruptionbudgets", "kafka-controller")
                  ["status"]["disruptionsAllowed"] == 1, "the budget allows one")
    load = Load("code.submissions")
    try:
        assert cluster.evict(PODS[2]) == 201
        assert cluster.evict(PODS[1]) == 429
        cluster.until(lambda: all_ready(cluster), "the evicted pod is back")
        cluster.until(lambda: cluster.get("poddisruptionbudgets", "kafka-controller")
                      ["status"]["disruptionsAllowed"] == 1, "the budget allows one again")
        assert cluster.evict(PODS[1]) == 201
        cluster.until(lambda: all_ready(cluster), "the second is back")
    finally:
        load.end()
    assert load.failed == [] and len(load.acknowledged) == load.count


def test_a_node_that_is_killed_is_restarted_in_its_pod(cluster):
    cluster.until(all_in_sync, "replicas in sync")
    name = PODS[0]
    status = pods(cluster)[name]["status"]["containerStatuses"][0]
    container = status["containerID"].removeprefix("containerd://")
    load = Load("debug.requests")
    try:
        cluster.run_inside("ctr", "--namespace", "k8s.io", "tasks", "kill", "--signal", "SIGKILL",
                           container)
        cluster.until(lambda: restarts(cluster, name) == status["restartCount"] + 1, "a restart")
        cluster.until(lambda: all_ready(cluster), "the node is ready again")
    finally:
        load.end()
    assert load.failed == [] and len(load.acknowledged) == load.count


def restarts(cluster, name):
    return pods(cluster)[name]["status"]["containerStatuses"][0]["restartCount"]


def test_a_release_that_is_installed_again_has_what_its_volumes_hold(cluster):
    before = sorted(everything("learning.requests"))
    assert before
    helm(cluster, "uninstall", "kafka", "--wait", "--timeout", MINUTES)
    cluster.until(lambda: not pods(cluster), "the pods are gone")
    assert len(cluster.list("persistentvolumeclaims")) == 3, "claims are kept"
    upgrade(cluster, "values-learnflow.yaml")
    assert all_ready(cluster)
    assert sorted(everything("learning.requests")) == before
