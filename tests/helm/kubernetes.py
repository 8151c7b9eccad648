"""A Kubernetes of one machine: its own components, built from its modules (kubernetes/), with etcd, CoreDNS
and containerd.

It has namespaces of its own of each kind: the network is the one that the test's process made
(kubelet.enter_namespaces), so that the test sees Services and pods; processes end with the first of them.
Its files are in one directory, its cgroups below one of its own, and the machine's own /run and settings
of the kernel are not touched. Volumes are directories (PersistentVolumes of the kind `local`).
"""

import contextlib
import json
import os
import pathlib
import secrets
import shutil
import ssl
import subprocess
import threading
import time
import urllib.error
import urllib.request

import kubelet

HERE = pathlib.Path(__file__).resolve().parent
NODE = "node-1"
NODE_ADDRESS = kubelet.NETWORK + ".1"  # of the bridge in the test's network namespace
POD_NETWORK = "10.231.128.0/17"
SERVICE_NETWORK = "10.231.2.0/24"
DNS_ADDRESS = NODE_ADDRESS
CGROUPS = pathlib.Path("/sys/fs/cgroup")
CGROUP = "barnabas-test"
PAUSE = "localhost/pause:test"
LIMIT_S = 300  # generous: a cluster starts in some 20 s

# What a kubelet sets for the whole machine: it finds it set, in files that lie over the real ones.
KERNEL = {"vm/overcommit_memory": "1", "vm/panic_on_oom": "0", "kernel/panic": "10",
          "kernel/panic_on_oops": "1", "kernel/keys/root_maxkeys": "1000000",
          "kernel/keys/root_maxbytes": "25000000"}


class Answer(Exception):
    """An error of the API server's."""

    def __init__(self, status, text):
        super().__init__(f"{status}: {text}")
        self.status = status


GROUPS = {"pods": "/api/v1", "services": "/api/v1", "secrets": "/api/v1", "configmaps": "/api/v1",
          "persistentvolumeclaims": "/api/v1", "persistentvolumes": "/api/v1", "nodes": "/api/v1",
          "namespaces": "/api/v1", "serviceaccounts": "/api/v1", "events": "/api/v1",
          "statefulsets": "/apis/apps/v1", "controllerrevisions": "/apis/apps/v1",
          "jobs": "/apis/batch/v1", "storageclasses": "/apis/storage.k8s.io/v1",
          "poddisruptionbudgets": "/apis/policy/v1",
          "networkpolicies": "/apis/networking.k8s.io/v1",
          "endpointslices": "/apis/discovery.k8s.io/v1",
          "customresourcedefinitions": "/apis/apiextensions.k8s.io/v1"}
CLUSTER_WIDE = {"persistentvolumes", "nodes", "namespaces", "storageclasses",
                "customresourcedefinitions"}


class Kubernetes:
    def __init__(self, directory, program):
        self.directory = pathlib.Path(directory)
        self.program = program
        self.token = secrets.token_hex(16)
        self.first = None
        self.logs = self.directory / "logs"
        self.kubeconfig = self.directory / "kubeconfig"
        self.resolv = self.directory / "resolv.conf"
        self.tls = ssl.create_default_context()
        self.tls.check_hostname, self.tls.verify_mode = False, ssl.CERT_NONE
        self.volumes = 0

    # ---- Files

    def write(self, name, content):
        path = self.directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return path

    def write_files(self):
        d = self.directory
        self.logs.mkdir()
        user = {"name": "admin", "user": {"token": self.token}}
        server = {"server": "https://127.0.0.1:6443", "insecure-skip-tls-verify": True}
        self.write("kubeconfig", {
            "apiVersion": "v1", "kind": "Config", "current-context": "x", "users": [user],
            "clusters": [{"name": "x", "cluster": server}],
            "contexts": [{"name": "x", "context": {"cluster": "x", "user": "admin"}}]})
        self.write("tokens", f"{self.token},admin,admin,system:masters\n")
        kubelet.run("openssl", "genrsa", "-out", d / "accounts.key", "2048")
        self.resolv.write_text(f"nameserver {DNS_ADDRESS}\n")
        self.write("empty", "")
        self.write("Corefile", f""".:53 {{
    errors
    kubernetes cluster.local {{
        kubeconfig {self.kubeconfig} x
    }}
}}
""")
        self.write("net.d/10-pods.conflist", {
            "cniVersion": "0.4.0", "name": "pods", "plugins": [
                {"type": "ptp", "ipam": {
                    "type": "host-local", "dataDir": str(d / "ipam"),
                    "ranges": [[{"subnet": POD_NETWORK}]], "routes": [{"dst": "0.0.0.0/0"}]}}]})
        self.write("containerd.toml", f"""version = 2
root = "{d}/containerd"
state = "/run/containerd"
[grpc]
  address = "/run/containerd/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{PAUSE}"
  disable_apparmor = true
  restrict_oom_score_adj = true  # a root without CAP_SYS_RESOURCE may not lower it
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "{d}/net.d"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      SystemdCgroup = false
""")
        self.write("kubelet.json", {
            "apiVersion": "kubelet.config.k8s.io/v1beta1", "kind": "KubeletConfiguration",
            "authentication": {"anonymous": {"enabled": True}, "webhook": {"enabled": False}},
            "authorization": {"mode": "AlwaysAllow"},
            "cgroupDriver": "cgroupfs", "cgroupRoot": "/" + CGROUP,
            "clusterDNS": [DNS_ADDRESS], "clusterDomain": "cluster.local",
            "resolvConf": str(d / "empty"),
            "containerRuntimeEndpoint": "unix:///run/containerd/containerd.sock",
            "failSwapOn": False, "localStorageCapacityIsolation": False,
            "imageGCHighThresholdPercent": 100,
            "evictionHard": {"memory.available": "1Mi", "nodefs.available": "0.1%"},
            "volumePluginDir": str(d / "plugins"), "podLogsDir": str(d / "pods"),
            "registerNode": True, "serverTLSBootstrap": False})
        self.write("proxy.json", {
            "apiVersion": "kubeproxy.config.k8s.io/v1alpha1", "kind": "KubeProxyConfiguration",
            "mode": "iptables", "clusterCIDR": POD_NETWORK, "hostnameOverride": NODE,
            "clientConnection": {"kubeconfig": str(self.kubeconfig)},
            "conntrack": {"maxPerCore": 0, "tcpEstablishedTimeout": "0s",
                          "tcpCloseWaitTimeout": "0s"}})
        for name, value in KERNEL.items():
            self.write("kernel/" + name, value + "\n")

    # ---- Processes

    def run_inside(self, *command):
        """In the cluster's namespaces of mounts and processes."""
        return kubelet.run("nsenter", "--target", self.first_pid(), "--mount", "--pid", *command)

    def first_pid(self):
        """Of what unshare started, which is process 1 of the new namespace."""
        path = f"/proc/{self.first.pid}/task/{self.first.pid}/children"
        return kubelet.until(lambda: pathlib.Path(path).read_text().split(), "a namespace")[0]

    def spawn(self, name, *command):
        """Its log is in the directory; it ends with the first process."""
        with open(self.logs / name, "ab") as log:
            return subprocess.Popen(
                ["nsenter", "--target", self.first_pid(), "--mount", "--pid", *map(str, command)],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)

    def component(self, name, *flags):
        return self.spawn(name, self.program, name, *flags)

    def start_namespaces(self):
        kubelet.run("ip", "route", "add", "default", "dev", kubelet.BRIDGE)  # to Services
        pathlib.Path("/proc/sys/net/ipv4/ip_forward").write_text("1")
        pathlib.Path("/var/lib/cni").mkdir(exist_ok=True)
        self.first = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc",
             "--propagation", "private", "sleep", "infinity"], start_new_session=True)
        kubelet.until(lambda: (self.first_pid() and pathlib.Path(
            f"/proc/{self.first_pid()}/comm").read_text() == "sleep\n"), "the first process")
        self.run_inside("mount", "--make-rshared", "/")  # kubelet's mounts are seen by containers
        for path in ("/run", "/var/log", "/var/lib/cni"):
            self.run_inside("mount", "-t", "tmpfs", "tmpfs", path)
        for name in KERNEL:
            if pathlib.Path("/proc/sys", name).exists():
                self.run_inside("mount", "--bind", self.directory / "kernel" / name,
                                "/proc/sys/" + name)

    def start_server(self):
        """etcd and the API server."""
        d = self.directory
        self.write_files()
        self.start_namespaces()
        self.component("etcd", "--data-dir", d / "etcd", "--unsafe-no-fsync",
                       "--listen-client-urls", "http://127.0.0.1:2379",
                       "--advertise-client-urls", "http://127.0.0.1:2379",
                       "--listen-peer-urls", "http://127.0.0.1:2380")
        self.component(
            "kube-apiserver", "--etcd-servers", "http://127.0.0.1:2379",
            "--cert-dir", d / "certificates", "--token-auth-file", d / "tokens",
            "--authorization-mode", "RBAC", "--advertise-address", NODE_ADDRESS,
            "--service-cluster-ip-range", SERVICE_NETWORK,
            "--service-account-key-file", d / "accounts.key",
            "--service-account-signing-key-file", d / "accounts.key",
            "--service-account-issuer", "https://kubernetes.default.svc")
        self.until(self.healthy, "the API server answers")
        self.make("storageclasses", {
            "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass",
            "provisioner": "kubernetes.io/no-provisioner", "volumeBindingMode":
            "WaitForFirstConsumer", "metadata": {"name": "local", "annotations": {
                "storageclass.kubernetes.io/is-default-class": "true"}}})

    def start_controllers(self):
        """What makes pods of StatefulSets and Jobs, and gives them a node."""
        d = self.directory
        self.component("kube-controller-manager", "--kubeconfig", self.kubeconfig,
                       "--service-account-private-key-file", d / "accounts.key",
                       "--root-ca-file", d / "certificates/apiserver.crt",
                       "--leader-elect=false", "--bind-address=127.0.0.1")
        self.component("kube-scheduler", "--kubeconfig", self.kubeconfig, "--leader-elect=false",
                       "--bind-address=127.0.0.1")

    def start_node(self, *archives):
        """What runs pods, with the images of these archives."""
        for controller in self.cgroup_roots():
            controller.mkdir(exist_ok=True)
        self.spawn("containerd", "containerd", "--config", self.directory / "containerd.toml")
        self.until(lambda: self.inside("ctr", "version"), "containerd answers")
        for archive in archives:
            self.run_inside("ctr", "--namespace", "k8s.io", "images", "import", archive)
        self.component("coredns", "-conf", self.directory / "Corefile")
        self.component("kube-proxy", "--config", self.directory / "proxy.json")
        self.component("kubelet", "--config", self.directory / "kubelet.json",
                       "--kubeconfig", self.kubeconfig, "--root-dir", self.directory / "kubelet",
                       "--hostname-override", NODE, "--node-ip", NODE_ADDRESS,
                       "--cert-dir", self.directory / "kubelet-certificates")
        self.until(self.node_is_ready, "the node is ready")

    def inside(self, *command):
        with contextlib.suppress(AssertionError):
            return self.run_inside(*command)

    def node_is_ready(self):
        return any(c["type"] == "Ready" and c["status"] == "True" for node in self.list("nodes")
                   for c in node["status"].get("conditions") or ())

    @staticmethod
    def cgroup_roots():
        if (CGROUPS / "cgroup.controllers").exists():
            return [CGROUPS / CGROUP]
        return [path / CGROUP for path in CGROUPS.iterdir()
                if (path / "cgroup.procs").exists() and path.name != "unified"]

    def stop(self):
        if self.first is None:
            return
        self.first.kill()
        self.first.wait()
        for root in (*self.cgroup_roots(), CGROUPS / "unified" / CGROUP):
            kubelet.until(lambda: removed(root), f"no process is left in {root}")

    # ---- The API

    def healthy(self):
        with contextlib.suppress(OSError, Answer):
            return self.call("GET", "/readyz", raw=True) == "ok"

    def call(self, method, path, body=None, raw=False, timeout=60,
             content_type="application/json"):
        request = urllib.request.Request(
            "https://127.0.0.1:6443" + path, method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": "Bearer " + self.token, "Content-Type": content_type})
        try:
            with urllib.request.urlopen(request, context=self.tls, timeout=timeout) as answer:
                text = answer.read().decode()
        except urllib.error.HTTPError as error:
            raise Answer(error.code, error.read().decode()) from None
        return text if raw else json.loads(text)

    @staticmethod
    def path(resource, name="", namespace="default"):
        where = "" if resource in CLUSTER_WIDE else f"/namespaces/{namespace}"
        return f"{GROUPS[resource]}{where}/{resource}" + (f"/{name}" if name else "")

    def make(self, resource, body, namespace="default"):
        return self.call("POST", self.path(resource, namespace=namespace), body)

    def get(self, resource, name, namespace="default"):
        """None: there is none."""
        try:
            return self.call("GET", self.path(resource, name, namespace))
        except Answer as answer:
            if answer.status != 404:
                raise
            return None

    def list(self, resource, namespace="default"):
        return self.call("GET", self.path(resource, namespace=namespace))["items"]

    def patch(self, resource, name, body, namespace="default"):
        return self.call("PATCH", self.path(resource, name, namespace), body,
                         content_type="application/merge-patch+json")

    def delete(self, resource, name, namespace="default"):
        return self.call("DELETE", self.path(resource, name, namespace))

    def pod_log(self, name, container, namespace="default"):
        path = self.path("pods", name, namespace) + f"/log?container={container}"
        return self.call("GET", path, raw=True)

    def evict(self, name, namespace="default"):
        """The status that the API server answers: 201, or 429 where a budget forbids it."""
        try:
            self.call("POST", self.path("pods", name, namespace) + "/eviction", {
                "apiVersion": "policy/v1", "kind": "Eviction",
                "metadata": {"name": name, "namespace": namespace}})
        except Answer as answer:
            return answer.status
        return 201

    def make_volume(self):
        """A PersistentVolume: a directory of the node's."""
        self.volumes += 1
        name = f"volume-{self.volumes}"
        path = self.directory / "volumes" / name
        path.mkdir(parents=True)
        here = {"key": "kubernetes.io/hostname", "operator": "In", "values": [NODE]}
        self.make("persistentvolumes", {
            "apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": name}, "spec": {
                "capacity": {"storage": "100Gi"}, "accessModes": ["ReadWriteOnce"],
                "persistentVolumeReclaimPolicy": "Retain", "storageClassName": "local",
                "local": {"path": str(path)}, "nodeAffinity": {"required": {
                    "nodeSelectorTerms": [{"matchExpressions": [here]}]}}}})

    # ---- Waiting

    def until(self, condition, what):
        begin = time.monotonic()
        while True:
            found = condition()
            if found:
                return found
            assert time.monotonic() - begin < LIMIT_S, \
                f"waited {LIMIT_S} s: {what}\n{self.last_words()}"
            time.sleep(0.2)

    def last_words(self):
        """For a failure's message: pods that are not ready, events, and the ends of the logs."""
        out = []
        with contextlib.suppress(OSError, Answer, KeyError):
            for pod in self.list("pods"):
                out.append(f"{pod['metadata']['name']}: {json.dumps(pod['status'])[:1500]}")
            out += [f"{e['involvedObject'].get('name')}: {e.get('message')}"
                    for e in self.list("events")[-20:]]
        for log in sorted(self.logs.iterdir()):
            out.append(f"---- {log.name}\n{log.read_text(errors='replace')[-1000:]}")
        return "\n".join(out)


def removed(root):
    """A tree of cgroups; its processes may still be ending."""
    for directory, _, _ in os.walk(root, topdown=False):
        with contextlib.suppress(OSError):
            os.rmdir(directory)
    return not root.exists()


def ready(pod):
    return "deletionTimestamp" not in pod["metadata"] and any(
        c["type"] == "Ready" and c["status"] == "True"
        for c in pod.get("status", {}).get("conditions") or ())


class Watch:
    """How containers of pods ended, as the kubelet told the API server: (pod, container, exit code)."""

    def __init__(self, cluster, namespace="default"):
        self.ends = set()
        self.cluster = cluster
        self.url = f"https://127.0.0.1:6443/api/v1/namespaces/{namespace}/pods?watch=true"
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while self.cluster.first.poll() is None:
            request = urllib.request.Request(
                self.url, headers={"Authorization": "Bearer " + self.cluster.token})
            with contextlib.suppress(OSError):
                with urllib.request.urlopen(request, context=self.cluster.tls) as lines:
                    for line in lines:
                        self.see(json.loads(line)["object"])

    def see(self, pod):
        for status in pod.get("status", {}).get("containerStatuses") or ():
            for state in (status.get("state", {}), status.get("lastState", {})):
                if "terminated" in state:
                    self.ends.add((pod["metadata"]["name"], pod["metadata"]["uid"],
                                   status["name"], state["terminated"]["exitCode"]))


def images(directory, image):
    """Archives of the image and of the one that holds a pod's namespaces, which is the same with another
    command; `image` is the name that the chart gives it."""
    storage = f'root={str(HERE.parents[1])!r}; . "$root/tests/image/storage"; '
    source = os.environ.get("BARNABAS_IMAGE", "localhost/barnabas:latest")

    def buildah(command):
        kubelet.run("bash", "-ec", storage + command)

    if "BARNABAS_IMAGE" not in os.environ:
        kubelet.run(HERE.parent / "image/build", source)
    ours, pause = directory / "image.tar", directory / "pause.tar"
    buildah(f"buildah push -q {source} docker-archive:{ours}:{image}")
    buildah(f"c=$(buildah from --pull-never {source}); "
            "buildah config --entrypoint '[\"sleep\", \"infinity\"]' --cmd '' $c; "
            f"buildah commit -q --rm $c {PAUSE}; buildah push -q {PAUSE} docker-archive:{pause}:{PAUSE}")
    return ours, pause


def missing():
    """Why it cannot be brought up here; none: it can."""
    if os.getuid() != 0:
        return "namespaces are made by root"
    for program in ("containerd", "containerd-shim-runc-v2", "ctr", "runc", "iptables", "ip",
                    "nsenter", "unshare", "setpriv", "openssl", "buildah", "debootstrap"):
        if shutil.which(program) is None:
            return f"{program} is missing (./dev kubernetes-test installs it)"
    for plugin in ("ptp", "host-local", "loopback"):
        if not pathlib.Path("/usr/lib/cni", plugin).exists():
            return f"the CNI plugin {plugin} is missing (./dev kubernetes-test installs it)"
    return None
