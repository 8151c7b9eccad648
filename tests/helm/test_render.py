"""What the chart renders, for its own values files and for those of Bitnami's users (values/)."""

import base64
import json
import re
import subprocess
import sys

import kubernetes_validate
import pytest
import yaml

import chart
from chart import Refused, Rendering, notes

SETS = [(), ("values-dev.yaml",), ("values-learnflow.yaml",), ("plaintext.yaml",), ("pools.yaml",),
        ("pools_exposed.yaml",), ("loadbalancer.yaml",), ("secret_config.yaml",), ("values-learnflow.yaml", "plaintext.yaml")]
TOPICS = {"learning.requests": 6, "concepts.requests": 6, "code.submissions": 6,
          "debug.requests": 6, "exercise.generated": 6, "learning.responses": 6,
          "struggle.detected": 3, "progress.events": 6}


def ids(files):
    return "+".join(files) or "default"


def refusal(*files, sets=()):
    with pytest.raises(Refused) as refused:
        Rendering(*files, sets=sets)
    return str(refused.value)


# ---- The whole -------------------------------------------------------------------------------------

@pytest.mark.parametrize("files", SETS, ids=ids)
def test_lint_finds_nothing(files):
    chart.helm("lint", "--strict", chart.CHART, *chart.options(files, ()))


@pytest.mark.parametrize("files", SETS, ids=ids)
def test_every_object_is_one_of_kubernetes(files):
    """Against the OpenAPI schemas of Kubernetes 1.33, without unknown fields."""
    objects = Rendering(*files).objects
    checked = 0
    for document in objects:
        if document["apiVersion"].startswith("monitoring.coreos.com/"):
            continue
        kubernetes_validate.validate(document, "1.33", strict=True)
        checked += 1
    assert checked >= 7


def test_a_wrong_field_is_found_by_the_schemas():
    document = Rendering().get("StatefulSet", "kafka-controller")
    document["spec"]["template"]["spec"]["containers"][0]["livenesProbe"] = {}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(document, "1.33", strict=True)


def test_the_schema_is_made_from_the_values():
    subprocess.run([sys.executable, chart.ROOT / "helm/make_schema.py", "--check"], check=True)


def test_the_version_is_the_projects():
    described = yaml.safe_load((chart.CHART / "Chart.yaml").read_text())
    version = (chart.ROOT / "VERSION").read_text().strip()
    assert described["appVersion"] == version == described["version"]


# ---- Names and objects of Bitnami's chart ------------------------------------------------------------

def test_objects_have_the_names_of_bitnamis():
    out = Rendering()
    assert out.names("StatefulSet") == ["kafka-controller"]
    assert out.names("Service") == ["kafka", "kafka-controller-headless"]
    assert out.names("ConfigMap") == ["kafka-controller-configuration"]
    assert out.names("Secret") == ["kafka-kraft"]
    assert out.names("PodDisruptionBudget") == ["kafka-controller"]
    assert out.names("NetworkPolicy") == ["kafka-controller"]
    assert out.names("ServiceAccount") == ["kafka"]


def test_a_release_with_another_name_is_prefixed():
    assert Rendering(release="events").names("StatefulSet") == ["events-kafka-controller"]
    assert Rendering("plaintext.yaml", release="x").names("Service")[0] == "events"


def test_what_kubernetes_lets_nobody_change_is_that_of_bitnamis():
    """Selector, service name, pod management and claims: else no `helm upgrade` over its release."""
    spec = Rendering().get("StatefulSet", "kafka-controller")["spec"]
    assert spec["selector"]["matchLabels"] == {
        "app.kubernetes.io/instance": "kafka", "app.kubernetes.io/name": "kafka",
        "app.kubernetes.io/component": "controller-eligible", "app.kubernetes.io/part-of": "kafka"}
    assert spec["serviceName"] == "kafka-controller-headless"
    assert spec["podManagementPolicy"] == "Parallel"
    claim, = spec["volumeClaimTemplates"]
    assert claim["metadata"]["name"] == "data"
    assert claim["spec"]["resources"]["requests"]["storage"] == "8Gi"
    with_logs = Rendering("plaintext.yaml").get("StatefulSet", "events-controller")["spec"]
    assert [c["metadata"]["name"] for c in with_logs["volumeClaimTemplates"]] == ["data", "logs"]
    assert with_logs["volumeClaimTemplates"][0]["spec"]["storageClassName"] == "gp3"


@pytest.mark.parametrize("files", SETS, ids=ids)
def test_selectors_find_the_pods_and_only_them(files):
    out = Rendering(*files)
    pods = {s["metadata"]["name"]: s["spec"]["template"]["metadata"]["labels"]
            for s in out.all("StatefulSet")}

    def found(selector):
        return {name for name, labels in pods.items() if selector.items() <= labels.items()}

    for stateful in out.all("StatefulSet"):
        name = stateful["metadata"]["name"]
        assert found(stateful["spec"]["selector"]["matchLabels"]) == {name}
        headless = out.get("Service", stateful["spec"]["serviceName"])["spec"]
        assert found(headless["selector"]) == {name}
        assert headless["clusterIP"] == "None" and headless["publishNotReadyAddresses"]
        ports = {p["name"] for p in stateful["spec"]["template"]["spec"]["containers"][0]["ports"]}
        assert {p["targetPort"] for p in headless["ports"]} <= ports
    for budget in out.all("PodDisruptionBudget"):
        assert found(budget["spec"]["selector"]["matchLabels"]) == {budget["metadata"]["name"]}
    for policy in out.all("NetworkPolicy"):
        assert found(policy["spec"]["podSelector"]["matchLabels"]) == {policy["metadata"]["name"]}


def test_the_bootstrap_service_leads_to_those_that_serve():
    assert "app.kubernetes.io/component" not in Rendering().get("Service", "kafka")["spec"]["selector"]
    selector = Rendering("pools.yaml").get("Service", "kafka")["spec"]["selector"]
    assert selector["app.kubernetes.io/component"] == "broker"


def test_common_labels_and_annotations_are_everywhere_and_change_no_selector():
    out = Rendering("loadbalancer.yaml")
    for document in out.objects:
        if document["metadata"]["name"] != "kafka-more":  # extraDeploy is as it is given
            assert document["metadata"]["labels"]["team"] == "events", document
            assert document["metadata"]["annotations"]["owner"] == "events", document
    selector = out.get("StatefulSet", "kafka-controller")["spec"]["selector"]["matchLabels"]
    assert "team" not in selector


# ---- Nodes ---------------------------------------------------------------------------------------

def test_each_pod_knows_the_controllers_and_itself_by_name():
    properties = Rendering(namespace="apps").properties()
    host = "kafka-controller-{}.kafka-controller-headless.apps.svc.cluster.local"
    assert properties["controller.quorum.bootstrap.servers"] == ",".join(
        host.format(i) + ":9093" for i in range(3))
    assert properties["advertised.listeners"] == (
        "CLIENT://advertised-address-placeholder:9092,INTERNAL://advertised-address-placeholder:9094")
    assert properties["process.roles"] == "controller,broker"
    assert "node.id" not in properties, "the pod's ordinal decides"
    assert properties["log.dirs"] == "/bitnami/kafka/data"


def test_three_nodes_keep_three_replicas_and_one_node_one():
    three = Rendering().properties()
    assert (three["default.replication.factor"], three["min.insync.replicas"]) == ("3", "2")
    assert "offsets.topic.replication.factor" not in three, "Kafka's default is 3"
    one = Rendering("values-dev.yaml").properties()
    assert one["default.replication.factor"] == one["offsets.topic.replication.factor"] == "1"
    assert "min.insync.replicas" not in one


def test_configuration_is_merged_and_numbers_stay_whole():
    properties = Rendering("plaintext.yaml").properties("events-controller")
    assert properties["log.retention.ms"] == "604800000"
    assert properties["message.max.bytes"] == "2097152"
    assert properties["auto.create.topics.enable"] == "false"
    assert properties["num.partitions"] == "12", "of the variable KAFKA_CFG_NUM_PARTITIONS"


def test_a_changed_configuration_rolls_the_pods_and_an_equal_one_does_not():
    def annotations(*sets):
        return Rendering(sets=sets, again=True).get("StatefulSet", "kafka-controller")[
            "spec"]["template"]["metadata"]["annotations"]
    changed = "overrideConfiguration.num\\.partitions=4"
    assert annotations() == annotations()
    assert annotations() != annotations(changed)


def test_pools_are_told_apart():
    out = Rendering("pools.yaml")
    controller, broker = out.properties(), out.properties("kafka-broker")
    assert controller["process.roles"] == "controller" and broker["process.roles"] == "broker"
    assert controller["listeners"] == "CONTROLLER://:9093"
    assert "advertised.listeners" not in controller
    assert broker["listeners"] == "CLIENT://:9092,INTERNAL://:9094,EXTERNAL://:9095,INGEST://:9099"
    assert "node_id=$((ordinal + 100))" in out.pod("kafka-broker")["initContainers"][0]["args"][0]
    assert out.get("StatefulSet", "kafka-broker")["spec"]["replicas"] == 4


def test_a_fixed_quorum_names_its_voters():
    properties = Rendering("secret_config.yaml").properties()
    assert properties["controller.quorum.voters"] == (
        "0@kafka-controller-0.kafka-controller-headless.default.svc.cluster.local:9093")
    assert "controller.quorum.bootstrap.servers" not in properties


def test_secret_configuration_is_in_a_secret_only():
    out = Rendering("secret_config.yaml")
    secret = out.get("Secret", "kafka-controller-secret-configuration")
    assert "log.retention.hours=48" in secret["stringData"]["server-secret.properties"]
    assert "log.retention.hours" not in out.properties()


def test_ids_of_the_cluster_and_of_directories_are_kafkas_and_stay_with_the_claims():
    secret = Rendering().get("Secret", "kafka-kraft")
    assert secret["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}
    data = secret["data"]
    assert sorted(data) == ["cluster-id", "controller-0-id", "controller-1-id", "controller-2-id"]
    values = [base64.b64decode(v).decode() for v in data.values()]
    assert len(set(values)) == 4
    for value in values:
        raw = base64.urlsafe_b64decode(value + "==")
        assert len(raw) == 16 and base64.urlsafe_b64encode(raw).decode().rstrip("=") == value
    given = Rendering("loadbalancer.yaml").get("Secret", "kafka-kraft")["data"]["cluster-id"]
    assert base64.b64decode(given) == b"abcdefghijklmnopqrstuA"


@pytest.mark.parametrize("files", SETS, ids=ids)
def test_containers_are_confined(files):
    for stateful in Rendering(*files).all("StatefulSet"):
        pod = stateful["spec"]["template"]["spec"]
        assert pod["securityContext"]["fsGroup"] == 1001
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert pod["automountServiceAccountToken"] is False
        own = [c for c in pod["initContainers"] + pod["containers"] if c["name"] != "shell"]
        for container in own:
            context = container["securityContext"]
            assert context["runAsNonRoot"] and context["runAsUser"] == 1001
            assert context["readOnlyRootFilesystem"] and not context["allowPrivilegeEscalation"]
            assert context["capabilities"]["drop"] == ["ALL"]


def test_a_node_asks_for_little():
    resources = Rendering().container()["resources"]
    assert resources["requests"] == {"cpu": "50m", "memory": "32Mi"}
    own = Rendering("plaintext.yaml").container("events-controller")["resources"]
    assert own["requests"]["memory"] == "1Gi", "what a values file says stays"


def test_probes_ask_the_broker_and_leaders_have_time_to_move():
    container = Rendering().container()
    for kind, path in (("startupProbe", "/livez"), ("livenessProbe", "/livez"),
                       ("readinessProbe", "/readyz")):
        assert container[kind]["httpGet"] == {"path": path, "port": "metrics"}
    assert Rendering().pod()["terminationGracePeriodSeconds"] == 60


def test_probes_work_with_any_configuration():
    """The port is added to whatever server.properties is mounted."""
    for sets in [(), ["existingConfigmap=own"], ["config.process\\.roles=broker"]]:
        script = Rendering(sets=sets).pod()["initContainers"][0]["args"][0]
        assert "metrics.listener=0.0.0.0:5556" in script


def test_openshift_gives_the_ids():
    adapted = "global.compatibility.openshift.adaptSecurityContext=force"
    pod = Rendering(sets=[adapted]).pod()
    assert "fsGroup" not in pod["securityContext"]
    assert "runAsUser" not in pod["containers"][0]["securityContext"]


# ---- Networks -------------------------------------------------------------------------------------

def test_external_nodes_are_told_by_the_names_of_their_load_balancers():
    out = Rendering("loadbalancer.yaml")
    service = out.get("Service", "kafka-controller-1-external")
    assert service["spec"]["selector"]["statefulset.kubernetes.io/pod-name"] == "kafka-controller-1"
    assert service["metadata"]["annotations"][
        "external-dns.alpha.kubernetes.io/hostname"] == "k1.example.com"
    assert out.properties()["advertised.listeners"].endswith(",EXTERNAL://external-address-placeholder")


def test_the_policy_lets_in_whom_it_should():
    ingress = Rendering("pools.yaml").get("NetworkPolicy", "kafka-broker")["spec"]["ingress"]
    assert {"podSelector": {"matchLabels": {"kafka-client": "true"}}} in ingress[0]["from"]
    assert {p["port"] for p in ingress[0]["ports"]} == {9092, 9094, 9095, 9099, 5556}
    assert ingress[1]["from"][0]["namespaceSelector"]
    assert "from" not in Rendering().get("NetworkPolicy", "kafka-controller")["spec"]["ingress"][0]


def test_the_rack_is_asked_for_where_clients_are_served():
    def pods(provider):
        out = Rendering("pools_exposed.yaml", sets=["brokerRackAwareness.cloudProvider=" + provider])
        return [out.pod(name)["initContainers"][0] for name in ("kafka-controller", "kafka-broker")]
    for provider, place in (("aws-az", "placement/availability-zone-id"),
                            ("azure", "api-version=2023-11-15&format=text"), ("", "rack=$POD_ZONE")):
        controller, broker = pods(provider)
        assert place in broker["args"][0] and "broker.rack" in broker["args"][0]
        assert "rack" not in controller["args"][0]
    zone, = (e for e in broker["env"] if e["name"] == "POD_ZONE")
    assert zone["valueFrom"]["fieldRef"]["fieldPath"] == (
        "metadata.labels['topology.kubernetes.io/zone']")
    egress = Rendering("pools_exposed.yaml").get("NetworkPolicy", "kafka-broker")["spec"]["egress"]
    assert {"ipBlock": {"cidr": "169.254.169.254/32"}} in [
        to for rule in egress for to in rule.get("to", [])]
    assert "rack" not in Rendering("pools.yaml").pod("kafka-broker")["initContainers"][0]["args"][0]


# ---- Metrics --------------------------------------------------------------------------------------

@pytest.mark.parametrize("key", ["metrics.enabled", "metrics.jmx.enabled"])
def test_metrics_are_served_under_bitnamis_names_without_a_sidecar(key):
    out = Rendering(sets=[key + "=true"])
    assert [c["name"] for c in out.pod()["containers"]] == ["kafka"]
    service = out.get("Service", "kafka-jmx-metrics")["spec"]
    assert service["ports"][0]["port"] == 5556 and service["ports"][0]["targetPort"] == "metrics"
    assert {"name": "metrics", "containerPort": 5556} in out.container()["ports"]
    assert out.names("Service")[1:] == ["kafka-controller-headless", "kafka-jmx-metrics"]
    assert "kafka-jmx-metrics" not in Rendering().names("Service")


def test_the_monitor_finds_the_service():
    out = Rendering("plaintext.yaml")
    monitor = out.get("ServiceMonitor", "events-jmx-metrics")
    service = out.get("Service", "events-jmx-metrics")
    wanted = monitor["spec"]["selector"]["matchLabels"].items()
    assert wanted <= service["metadata"]["labels"].items()
    assert monitor["metadata"]["namespace"] == "monitoring"
    assert monitor["metadata"]["labels"]["release"] == "prometheus"
    assert monitor["spec"]["endpoints"][0]["port"] in {p["name"] for p in service["spec"]["ports"]}
    assert out.get("PrometheusRule", "events")["spec"]["groups"][0]["rules"][0]["alert"] == "Offline"


def test_alerts_and_board_come_with_the_chart():
    out = Rendering(sets=["metrics.enabled=true", "metrics.prometheusRule.enabled=true",
                          "metrics.dashboard.enabled=true"])
    rules = out.get("PrometheusRule", "kafka")["spec"]["groups"]
    assert rules == yaml.safe_load((chart.CHART / "files/alerts.yaml").read_text())["groups"]
    config_map = out.get("ConfigMap", "kafka-dashboard")
    assert config_map["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert json.loads(config_map["data"]["barnabas.json"]) == json.loads(
        (chart.CHART / "files/dashboard.json").read_text())
    plain = Rendering(sets=["metrics.enabled=true"])
    assert plain.names("PrometheusRule") == [] and "kafka-dashboard" not in plain.names("ConfigMap")


def test_the_board_is_what_grafanas_schema_has(tmp_path):
    program = chart.ROOT / ".cache/helm/board"
    board = chart.CHART / "files/dashboard.json"
    done = subprocess.run([program, board], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    wrong = tmp_path / "wrong.json"
    for right, other in [('"legendFormat"', '"legendFormt"'), ('"showLegend"', '"showLegnd"'),
                         ('"unit": "', '"unit": 1, "x": "'), ('"gridPos"', '"gridpos"')]:
        assert right in board.read_text()
        wrong.write_text(board.read_text().replace(right, other, 1))
        assert subprocess.run([program, wrong], capture_output=True).returncode == 1, other


# ---- Topics ---------------------------------------------------------------------------------------

def test_learnflows_topics_are_provisioned_after_each_upgrade():
    job = Rendering("values-learnflow.yaml").get("Job", "kafka-provisioning")
    assert job["metadata"]["annotations"] == {
        "helm.sh/hook": "post-install,post-upgrade",
        "helm.sh/hook-delete-policy": "before-hook-creation,hook-succeeded"}
    script = job["spec"]["template"]["spec"]["containers"][0]["args"][0]
    lines = [line.split() for line in script.splitlines() if line.startswith("provision ")]
    assert {line[1]: int(line[2]) for line in lines} == TOPICS
    for line in lines:
        assert line[3:] == ["3", "--config", "'min.insync.replicas=2'", "--config",
                            "'retention.ms=604800000'"]


def test_the_job_is_no_node_and_is_let_in():
    labels = Rendering("values-learnflow.yaml").get("Job", "kafka-provisioning")[
        "spec"]["template"]["metadata"]["labels"]
    selector = Rendering().get("Service", "kafka")["spec"]["selector"]
    assert not selector.items() <= labels.items()
    assert labels["kafka-client"] == "true"
    assert labels["app.kubernetes.io/instance"] == "kafka", "of the policy's podSelector"


def test_scripts_and_commands_of_the_values_are_in_the_job():
    sets = ["provisioning.enabled=true", "provisioning.preScript=echo before",
            "provisioning.extraProvisioningCommands[0]=kafka-topics.sh --list",
            "provisioning.postScript=echo after", "provisioning.useHelmHooks=false"]
    job = Rendering(sets=sets).get("Job", "kafka-provisioning")
    assert "annotations" not in job["metadata"]
    script = job["spec"]["template"]["spec"]["containers"][0]["args"][0]
    wanted = ["echo before", "kafka-topics.sh --list", "echo after"]
    assert [line for line in script.splitlines() if line in wanted] == wanted


# ---- What is refused, and what is ignored -------------------------------------------------------------

@pytest.mark.parametrize("setting, reason", [
    ("listeners.client.protocol=SASL_PLAINTEXT", "listeners.client.protocol is SASL_PLAINTEXT"),
    ("listeners.controller.protocol=SSL", "no TLS and no SASL yet"),
    ("listeners.securityProtocolMap=CLIENT:SASL_SSL", "listeners.securityProtocolMap"),
    ("sasl.existingSecret=passwords", "sasl has users"),
    ("sasl.client.users={a,b}", "sasl has users"),
    ("tls.existingSecret=certificates", "tls has certificates"),
    ("overrideConfiguration.authorizer\\.class\\.name=x", "sets authorizer.class.name"),
    ("overrideConfiguration.ssl\\.keystore\\.location=x", "sets ssl.keystore.location"),
    ("overrideConfiguration.node\\.id=3", "all its pods would be the same node"),
    ("extraEnvVars[0].name=KAFKA_CFG_SUPER_USERS,extraEnvVars[0].value=x", "super.users"),
    ("controller.autoscaling.hpa.enabled=true", "autoscaling.hpa"),
    ("controller.persistence.existingClaim=one", "one volume for 3 nodes"),
    ("controller.podManagementPolicy=OrderedReady", "has to be Parallel"),
    ("controller.replicaCount=4", "even number of voters"),
    ("controller.replicaCount=0", "without controllers there is no cluster"),
    ("controller.controllerOnly=true", "there is no broker"),
    ("clusterId=short", "22 characters"),
    ("image.repository=bitnamilegacy/kafka", "an image of Apache Kafka"),
    ("image.tag=4.0.0-debian-12-r10", "of an image of Apache Kafka"),
    ("brokerRackAwareness.enabled=true,brokerRackAwareness.cloudProvider=gcp", "zones are known of"),
    ("externalAccess.enabled=true", "addresses that clients are told"),
    ("externalAccess.enabled=true,defaultInitContainers.autoDiscovery.enabled=true",
     "nothing is discovered"),
    ("externalAccess.enabled=true,defaultInitContainers.autoDiscovery.enabled=true,"
     "externalAccess.controller.service.type=NodePort", "nodePorts is empty"),
    ("zookeeper.enabled=false", "there is no ZooKeeper"),
    ("auth.clientProtocol=sasl", "listeners.*.protocol and sasl"),
    ("controller.replicacount=3", "replicacount"),
    ("service.type=Nodeport", "service/type"),
    ("provisioning.topics[0].nam=x", "provisioning/topics/0"),
])
def test_what_would_weaken_a_cluster_is_refused(setting, reason):
    assert reason in refusal(sets=[setting])


def test_a_topic_with_more_replicas_than_brokers_is_refused():
    assert "wants 3 replicas of 1 brokers" in refusal("values-learnflow.yaml", "values-dev.yaml")


def test_all_reasons_are_told_at_once():
    told = refusal(sets=["listeners.client.protocol=SASL_SSL", "clusterId=x", "replicaCount=3"])
    assert len(re.findall(r"^  - ", told, re.M)) == 3


def test_ignored_keys_are_named_and_only_they():
    told = notes("plaintext.yaml")
    line = re.search(r"These values have no effect here: (.*)\.", told).group(1)
    assert set(line.split(", ")) == {
        "heapOpts", "controller.heapOpts", "metrics.jmx.image.repository"}
    assert "no effect" not in notes()


def test_the_notes_say_where_the_cluster_is_and_that_it_is_open():
    told = notes()
    assert "kafka.default.svc.cluster.local:9092" in told
    assert "kafka-controller-2.kafka-controller-headless.default.svc.cluster.local:9092" in told
    assert "neither encrypted nor authenticated" in told
    assert "reachable from outside" in notes("loadbalancer.yaml")
