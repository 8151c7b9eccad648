"""As much of Kubernetes as a StatefulSet needs, to see what the chart renders run.

Pods are containers of runc on the image's file system (image/make-root), started with exactly what the
rendered pod template says: commands, arguments, environment, mounts, security context, limits and probes.
Each has a network namespace with an address of its own, another one after each start, and names come
from /etc/hosts as they would from the cluster's DNS: of a headless Service while the pod exists.

Services that lead in from outside are forwarders on the bridge: a NodePort on its address, which is every
node's here (HOST_IP); a LoadBalancer on an address of its own, under its name.

Everything lives in namespaces of the test's process (enter_namespaces) and ends with it.
"""

import base64
import concurrent.futures
import contextlib
import ctypes
import http.client
import json
import os
import pathlib
import re
import shutil
import socket
import subprocess
import threading
import time

from confluent_kafka.admin import NewTopic

BRIDGE = "barnabas0"
NETWORK = "10.231.0"
LIMIT_S = 120  # generous: of what takes a second or two


def enter_namespaces():
    """Moves this process (its main thread and what that starts) into networks and mounts of its own."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(0x40000000 | 0x00020000) != 0:  # CLONE_NEWNET, CLONE_NEWNS
        raise OSError(ctypes.get_errno(), "unshare")
    run("mount", "--make-rprivate", "/")
    run("ip", "link", "set", "lo", "up")
    run("ip", "link", "add", BRIDGE, "type", "bridge")
    run("ip", "addr", "add", f"{NETWORK}.1/24", "dev", BRIDGE)
    run("ip", "link", "set", BRIDGE, "up")


def run(*command):
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True)
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


def output(*command):
    """What it prints, whether it fails or not."""
    return subprocess.run(command, capture_output=True, text=True).stdout


def until(condition, what):
    """Waits for it to be true, with a limit that only a failure meets."""
    begin = time.monotonic()
    while True:
        found = condition()
        if found:
            return found
        assert time.monotonic() - begin < LIMIT_S, f"waited {LIMIT_S} s: {what}"
        time.sleep(0.05)


def topic(name, partitions, replicas):
    return NewTopic(name, num_partitions=partitions, replication_factor=replicas)


class Network:
    """Addresses and names."""

    def __init__(self, directory):
        self.hosts = directory / "hosts"
        self.hosts.write_text("127.0.0.1 localhost\n")
        run("mount", "--bind", self.hosts, "/etc/hosts")
        self.names = {}  # address: names
        self.next = 10
        self.lock = threading.Lock()  # pods start at the same time

    def connect(self, holder):
        """Gives the namespace of a process an address."""
        with self.lock:
            self.next += 1
            address, name = f"{NETWORK}.{self.next}", f"pod{self.next}"
        run("ip", "link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", holder)
        run("ip", "link", "set", name, "master", BRIDGE, "up")
        inside = ["nsenter", "--target", holder, "--net", "ip"]
        run(*inside, "link", "set", "lo", "up")
        run(*inside, "addr", "add", address + "/24", "dev", "eth0")
        run(*inside, "link", "set", "eth0", "up")
        run(*inside, "route", "add", "default", "via", f"{NETWORK}.1")
        return address

    def resolve(self, address, names):
        """Names of an address from now on; none: it is gone."""
        with self.lock:
            self.names[address] = names
            text = "127.0.0.1 localhost\n"
            for known, all_names in self.names.items():
                text += "".join(f"{known} {name}\n" for name in all_names)
            self.hosts.write_text(text)  # in place: pods have the file mounted


class Forwarder:
    """A Service's way in: passes connections on to a port of one pod, wherever that is now."""

    def __init__(self, address, port, target):
        self.target = target  # () -> (address, port)
        self.connections = 0
        self.listener = socket.create_server((address, port), backlog=64)
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        with contextlib.suppress(OSError):  # closed
            while True:
                near, _ = self.listener.accept()
                self.connections += 1
                threading.Thread(target=self.forward, args=(near,), daemon=True).start()

    def forward(self, near):
        with near, contextlib.suppress(OSError):
            with socket.create_connection(self.target(), 10) as far:
                far.settimeout(None)
                back = threading.Thread(target=pump, args=(far, near), daemon=True)
                back.start()
                pump(near, far)
                back.join()

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


def pump(source, target):
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    for end in (source, target):
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)


class Pod:
    """Of a StatefulSet or a Job, its `owner`."""

    def __init__(self, cluster, owner, suffix):
        self.cluster = cluster
        self.owner = owner
        self.name = f"{owner['metadata']['name']}-{suffix}"
        self.spec = owner["spec"]["template"]["spec"]
        self.directory = cluster.directory / self.name
        self.volumes = {}
        self.process = None
        self.starts = 0

    # ---- Volumes

    def make_volumes(self):
        """Claims stay, everything else is made anew."""
        group = self.spec["securityContext"]["fsGroup"]
        for volume in self.spec["volumes"]:
            path = self.directory / "volumes" / volume["name"]
            shutil.rmtree(path, ignore_errors=True)
            path.mkdir(parents=True)
            if "configMap" in volume:
                data = self.cluster.object("ConfigMap", volume["configMap"]["name"])["data"]
                for key, value in data.items():
                    (path / key).write_text(value)
            elif "secret" in volume:
                secret = self.cluster.object("Secret", volume["secret"]["secretName"])
                for key, value in secret.get("data", {}).items():
                    (path / key).write_bytes(base64.b64decode(value))
                for key, value in secret.get("stringData", {}).items():
                    (path / key).write_text(value)
            else:
                assert volume["emptyDir"] == {}, volume
            self.volumes[volume["name"]] = path
        for claim in self.owner["spec"].get("volumeClaimTemplates", []):
            path = self.directory / "claims" / claim["metadata"]["name"]
            path.mkdir(parents=True, exist_ok=True)
            self.volumes[claim["metadata"]["name"]] = path
        for path in self.volumes.values():
            run("chgrp", "-R", str(group), path)
            run("chmod", "-R", "g+rwX", path)
            path.chmod(0o2775)

    def lose_disk(self):
        shutil.rmtree(self.directory / "claims")

    # ---- Containers

    def field(self, path):
        label = re.fullmatch(r"metadata\.labels\['(.*)'\]", path)
        if label:
            return self.labels().get(label.group(1), "")
        return {"metadata.name": self.name, "status.podIP": self.address,
                "status.hostIP": f"{NETWORK}.1"}[path]

    def labels(self):
        """Its own, and what Kubernetes copies from its node."""
        return {**self.owner["spec"]["template"]["metadata"]["labels"],
                **self.cluster.node_labels.get(self.name, {})}

    def environment(self, container):
        out = [f"PATH={self.cluster.path}", f"HOSTNAME={self.name}"]
        for source in container.get("envFrom", []):
            if "configMapRef" in source:
                data = self.cluster.object("ConfigMap", source["configMapRef"]["name"])["data"]
            else:
                data = self.cluster.object("Secret", source["secretRef"]["name"])["stringData"]
            out += [f"{name}={value}" for name, value in data.items()]
        for variable in container.get("env", []):
            value = variable.get("value")
            if value is None:
                value = self.field(variable["valueFrom"]["fieldRef"]["fieldPath"])
            out.append(f"{variable['name']}={value}")
        return out

    def mounts(self, container):
        out = [
            {"destination": "/proc", "type": "proc", "source": "proc"},
            {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["mode=755"]},
            {"destination": "/dev/shm", "type": "tmpfs", "source": "shm"},
            {"destination": "/etc/hosts", "type": "bind",
             "source": str(self.cluster.network.hosts), "options": ["bind", "ro"]},
        ]
        for mount in sorted(container["volumeMounts"], key=lambda m: len(m["mountPath"])):
            source = self.volumes[mount["name"]] / mount.get("subPath", "")
            assert source.exists(), f"{self.name}: {source} is to be mounted"
            out.append({"destination": mount["mountPath"], "type": "bind", "source": str(source),
                        "options": ["rbind", "ro" if mount.get("readOnly") else "rw"]})
        return out

    def bundle(self, container):
        """What runc is told."""
        context = container["securityContext"]
        assert context["runAsNonRoot"] and context["runAsUser"] != 0
        assert context["capabilities"] == {"drop": ["ALL"]}
        capabilities = {kind: [] for kind in (
            "bounding", "effective", "inheritable", "permitted", "ambient")}
        files = {"type": "RLIMIT_NOFILE", "hard": 1024, "soft": 1024}
        limit = container["resources"]["limits"]["memory"]
        assert limit.endswith("Mi"), limit
        memory = int(limit[:-2]) << 20
        config = {
            "ociVersion": "1.0.2",
            "process": {
                "user": {"uid": context["runAsUser"], "gid": context["runAsGroup"],
                         "additionalGids": [self.spec["securityContext"]["fsGroup"]]},
                "args": container["command"] + container["args"],
                "env": self.environment(container),
                "cwd": "/",
                "capabilities": capabilities,
                "noNewPrivileges": not context["allowPrivilegeEscalation"],
                "rlimits": [files],
            },
            "root": {"path": str(self.cluster.root),
                     "readonly": context["readOnlyRootFilesystem"]},
            "hostname": self.name,
            "mounts": self.mounts(container),
            "linux": {
                "namespaces": [{"type": "pid"}, {"type": "mount"}, {"type": "ipc"}, {"type": "uts"},
                               {"type": "network", "path": f"/proc/{self.holder.pid}/ns/net"}],
                "resources": {"memory": {"limit": memory}} if self.cluster.limits else {},
            },
        }
        directory = self.directory / "bundles" / container["name"]
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "config.json").write_text(json.dumps(config))
        return directory

    def launch(self, container):
        self.log = self.directory / f"{container['name']}-{self.starts}.log"
        name = f"{self.name}-{container['name']}-{self.starts}-{os.getpid()}"
        command = ["runc", "--root", str(self.cluster.directory / "runc"), "run",
                   "--bundle", str(self.bundle(container)), name]
        with open(self.log, "wb") as log:
            return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def dns_name(self):
        return self.cluster.names_of(self)[0]

    def join_network(self):
        self.holder = subprocess.Popen(["unshare", "--net", "sleep", "infinity"])
        until(lambda: os.readlink(f"/proc/{self.holder.pid}/ns/net") !=
              os.readlink("/proc/self/ns/net"), "a network namespace")
        self.address = self.cluster.network.connect(self.holder.pid)
        self.cluster.network.resolve(self.address, self.cluster.names_of(self))

    def start(self):
        """Until its container runs; ready() says when it is."""
        self.starts += 1
        self.join_network()
        self.make_volumes()
        for container in self.spec.get("initContainers", []):
            process = self.launch(container)
            assert process.wait(LIMIT_S) == 0, f"{self.name}: {self.log.read_text()}"
        container, = self.spec["containers"]
        self.process = self.launch(container)

    def probe(self, kind):
        container, = self.spec["containers"]
        probe = container[kind]
        ports = {p["name"]: p["containerPort"] for p in container["ports"]}
        what = probe.get("tcpSocket") or probe["httpGet"]
        port = ports.get(what["port"], what["port"])
        try:
            if "tcpSocket" in probe:
                socket.create_connection((self.address, port), probe["timeoutSeconds"]).close()
                return True
            connection = http.client.HTTPConnection(self.address, port,
                                                    timeout=probe["timeoutSeconds"])
            connection.request("GET", what["path"])
            return 200 <= connection.getresponse().status < 400
        except OSError:
            return False

    def ready(self):
        assert self.process.poll() is None, f"{self.name} ended: {self.log.read_text()}"
        return self.probe("startupProbe") and self.probe("readinessProbe")

    def stop(self):
        """As Kubernetes does it: SIGTERM, and its exit within the grace period."""
        self.process.terminate()
        status = self.process.wait(self.spec["terminationGracePeriodSeconds"])
        self.forget()
        return status

    def kill(self):
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()  # of runc: what it runs is told
            subprocess.run(["runc", "--root", str(self.cluster.directory / "runc"), "kill",
                            self.process.args[-1], "KILL"], capture_output=True)
            self.process.wait(LIMIT_S)
            self.forget()

    def forget(self):
        self.cluster.network.resolve(self.address, [])
        self.holder.kill()
        self.holder.wait()


class Cluster:
    """A release, its StatefulSets' pods and what a StatefulSet's controller does with them."""

    def __init__(self, directory, root, path):
        self.directory = pathlib.Path(directory)
        self.root = root
        self.path = path
        self.limits = True
        self.make_pod = Pod
        self.network = Network(self.directory)
        self.objects = {}
        self.pods = {}
        self.node_labels = {}  # pod: those of its node that Kubernetes copies
        self.forwarders = {}  # Service: Forwarder

    def object(self, kind, name):
        return self.objects[kind, name]

    def names_of(self, pod):
        """In DNS: its own, and the Service that leads to it (whose address here is the pods')."""
        service = pod.owner["spec"].get("serviceName")
        if service is None:
            return [pod.name]
        assert self.object("Service", service)["spec"]["publishNotReadyAddresses"]
        namespace = pod.owner["metadata"]["namespace"]
        domain = f"{namespace}.svc.cluster.local"
        names = [f"{pod.name}.{service}.{domain}", pod.name]
        selector = self.object("Service", "kafka")["spec"]["selector"]
        if selector.items() <= pod.owner["spec"]["template"]["metadata"]["labels"].items():
            names += [f"kafka.{domain}", "kafka"]
        return names

    # ---- From outside

    def expose(self, load_balancer_names=()):
        """The Services that lead to one pod each; those of load balancers are known by these names."""
        for forwarder in self.forwarders.values():
            forwarder.close()
        self.forwarders = {}
        pool = iter(range(200, 250))
        names = iter(load_balancer_names)
        for (kind, name), service in sorted(self.objects.items()):
            pod = service.get("spec", {}).get("selector", {}).get(
                "statefulset.kubernetes.io/pod-name") if kind == "Service" else None
            if pod is None:
                continue
            port, = service["spec"]["ports"]
            if service["spec"]["type"] == "NodePort":
                where = f"{NETWORK}.1", port["nodePort"]
            else:
                where = f"{NETWORK}.{next(pool)}", port["port"]
                if where[0] not in self.network.names:
                    run("ip", "addr", "add", where[0] + "/24", "dev", BRIDGE)
                self.network.resolve(where[0], [next(names)])
            self.forwarders[name] = Forwarder(*where, self.way_to(pod, port["targetPort"]))

    def way_to(self, name, port_name):
        def target():
            pod = self.pods[name]
            container, = pod.spec["containers"]
            port, = (p["containerPort"] for p in container["ports"] if p["name"] == port_name)
            return pod.address, port
        return target

    def apply(self, rendering):
        """What `helm upgrade` sends; Secrets that exist keep their data, as the chart looks them up."""
        for document in rendering.objects:
            key = document["kind"], document["metadata"]["name"]
            if document["kind"] == "Secret" and key in self.objects:
                continue
            self.objects[key] = document

    def stateful_sets(self):
        return [o for (kind, _), o in self.objects.items() if kind == "StatefulSet"]

    def start(self):
        """All pods at the same time: podManagementPolicy Parallel."""
        threads = []
        for stateful in self.stateful_sets():
            assert stateful["spec"]["podManagementPolicy"] == "Parallel"
            for ordinal in range(stateful["spec"]["replicas"]):
                pod = self.make_pod(self, stateful, ordinal)
                self.pods[pod.name] = pod
        for pod in self.pods.values():
            thread = threading.Thread(target=pod.start)
            threads.append(thread)
            thread.start()
        for thread in threads:
            thread.join()
        self.wait()

    def wait(self):
        for pod in self.pods.values():
            assert pod.process is not None, f"{pod.name} did not start"
            until(pod.ready, f"{pod.name} is ready: {pod.log.read_text()[-2000:]}")

    def roll(self):
        """The pods whose template changed, the last first, each ready before the next goes. Those of
        several StatefulSets at the same time: each has a controller of its own."""
        rolled = []
        with concurrent.futures.ThreadPoolExecutor() as pool:
            for done in [pool.submit(self.roll_one, s, rolled) for s in self.stateful_sets()]:
                done.result()
        return rolled

    def roll_one(self, stateful, rolled):
        template = stateful["spec"]["template"]
        for ordinal in reversed(range(stateful["spec"]["replicas"])):
            pod = self.pods[f"{stateful['metadata']['name']}-{ordinal}"]
            if pod.owner["spec"]["template"] == template:
                continue
            status = pod.stop()
            assert status == 0, f"{pod.name} ended with {status}: {pod.log.read_text()}"
            pod.owner, pod.spec = stateful, template["spec"]
            pod.start()
            until(pod.ready, f"{pod.name} is ready again: {pod.log.read_text()[-2000:]}")
            rolled.append(pod.name)

    def run_job(self, name):
        """To its end, as a hook of Helm's; what it printed."""
        job = self.object("Job", name)
        assert job["metadata"]["annotations"]["helm.sh/hook"] == "post-install,post-upgrade"
        pod = Pod(self, job, "job")
        pod.start()
        try:
            status = pod.process.wait(2 * LIMIT_S)
        finally:
            pod.kill()
            pod.forget()
        assert status == 0, pod.log.read_text()
        return pod.log.read_text()

    def stop(self):
        for pod in self.pods.values():
            pod.kill()
