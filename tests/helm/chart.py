"""Rendering the chart with helm, and looking into what comes out."""

import functools
import os
import pathlib
import subprocess

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
CHART = ROOT / "helm" / "barnabas"
VALUES = pathlib.Path(__file__).resolve().parent / "values"
HELM = os.environ.get("HELM", "helm")


class Refused(Exception):
    """What helm said."""


def helm(*arguments):
    done = subprocess.run([HELM, *map(str, arguments)], capture_output=True, text=True)
    if done.returncode != 0:
        raise Refused(done.stderr)
    return done.stdout


def options(files, sets):
    out = []
    for file in files:
        out += ["-f", CHART / file if (CHART / file).exists() else VALUES / file]
    for setting in sets:
        out += ["--set", setting]
    return out


@functools.lru_cache(maxsize=None)
def template(files, sets, release, namespace):
    return helm("template", release, CHART, "--namespace", namespace, *options(files, sets))


class Rendering:
    """The objects of a release named kafka in the namespace default."""

    def __init__(self, *files, sets=(), release="kafka", namespace="default", again=False):
        if again:
            template.cache_clear()
        text = template(files, tuple(sets), release, namespace)
        self.objects = [o for o in yaml.safe_load_all(text) if o]

    def all(self, kind):
        return [o for o in self.objects if o["kind"] == kind]

    def names(self, kind):
        return sorted(o["metadata"]["name"] for o in self.all(kind))

    def get(self, kind, name):
        found = [o for o in self.all(kind) if o["metadata"]["name"] == name]
        assert len(found) == 1, f"{kind} {name}: {len(found)} of {self.names(kind)}"
        return found[0]

    def pod(self, name="kafka-controller"):
        return self.get("StatefulSet", name)["spec"]["template"]["spec"]

    def container(self, name="kafka-controller"):
        return self.pod(name)["containers"][0]

    def properties(self, name="kafka-controller"):
        text = self.get("ConfigMap", name + "-configuration")["data"]["server.properties"]
        return dict(line.split("=", 1) for line in text.splitlines() if line)


def notes(*files, sets=()):
    """NOTES.txt, which `helm template` does not show: an object of the tests' includes it."""
    return Rendering(*files, "notes.yaml", sets=sets).get("ConfigMap", "notes")["data"]["text"]
