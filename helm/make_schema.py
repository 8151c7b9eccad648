#!/usr/bin/env python3
"""Writes barnabas/values.schema.json from barnabas/values.yaml; --check only compares.

Types follow from the defaults. An object whose default names its keys takes no others, so that a
misspelt key is an error and not a setting that is silently lost; those that Kubernetes defines are
passed on as they are (FREE).
"""

import json
import pathlib
import re
import sys

import yaml

CHART = pathlib.Path(__file__).parent / "barnabas"

# Objects of Kubernetes' own, and maps with any keys.
FREE = {
    "annotations", "capabilities", "containerSecurityContext", "global", "livenessProbe",
    "podSecurityContext", "readinessProbe", "seccompProfile", "startupProbe", "updateStrategy",
}
# Subcharts are given these by the chart that they are part of.
OF_PARENTS = ("enabled", "tags")

PRESET = {"enum": ["none", "nano", "micro", "small", "medium", "large", "xlarge", "2xlarge"]}
AFFINITY = {"enum": ["", "soft", "hard"]}
SERVICE = {"enum": ["ClusterIP", "NodePort", "LoadBalancer"]}
PULL = {"enum": ["Always", "IfNotPresent", "Never"]}
SETTINGS = {"type": "object", "additionalProperties": {
    "type": ["string", "number", "boolean", "array", "null"]}}

# By the last part of a key, or by the whole of it.
SPECIAL = {
    "resourcesPreset": PRESET,
    "podAffinityPreset": AFFINITY,
    "podAntiAffinityPreset": AFFINITY,
    "nodeAffinityPreset.type": AFFINITY,
    "service.type": SERVICE,
    "pullPolicy": PULL,
    "podManagementPolicy": {"enum": ["Parallel", "OrderedReady"]},
    "kraftVersion": {"enum": [0, 1]},
    "config": SETTINGS,
    "overrideConfiguration": SETTINGS,
    "metrics.jmx.config": {"type": "string"},
    "sasl.client.passwords": {"type": ["string", "array"]},
    "heapOpts": {"type": "string"},
    "provisioning.topics": {"type": "array", "items": {
        "type": "object",
        "required": ["name"],
        "additionalProperties": False,
        "properties": {
            "name": {"type": "string", "pattern": "^[a-zA-Z0-9._-]{1,249}$"},
            "partitions": {"type": "integer", "minimum": 1},
            "replicationFactor": {"type": "integer", "minimum": 1},
            "config": SETTINGS,
        },
    }},
    "listeners.extraListeners": {"type": "array", "items": {
        "type": "object",
        "required": ["name", "containerPort"],
        "properties": {
            "name": {"type": "string"},
            "containerPort": {"type": "integer"},
            "protocol": {"type": "string"},
        },
    }},
}


def special(path):
    for length in range(len(path), 0, -1):
        found = SPECIAL.get(".".join(path[-length:]))
        if found is not None:
            return found
    return None


def schema_of(value, path):
    found = special(path)
    if found is not None:
        return found
    if isinstance(value, bool):
        return {"type": "boolean"}
    if isinstance(value, int):
        return {"type": ["integer", "string"], "pattern": "^[0-9]+$", "minimum": 0}
    if isinstance(value, str):  # an empty one may be a number's
        return {"type": "string"} if value else {"type": ["string", "number"]}
    if isinstance(value, list):
        return {"type": "array"}
    out = {"type": "object"}
    if value:
        out["properties"] = {k: schema_of(v, path + [k]) for k, v in value.items()}
        if path and path[-1] not in FREE and "containerSecurityContext" not in path:
            out["additionalProperties"] = False
    return out


def old_keys():
    """Keys that templates/_refused.tpl has an answer to."""
    text = (CHART / "templates/_refused.tpl").read_text()
    block = re.search(r'define "barnabas.oldKeys" -}}\n(.*?){{- end', text, re.S).group(1)
    return [line.split(":")[0] for line in block.splitlines()]


def main():
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    schema = {"$schema": "http://json-schema.org/draft-07/schema#", **schema_of(values, [])}
    for key in [*old_keys(), *OF_PARENTS]:
        schema["properties"][key] = {}
    schema["additionalProperties"] = False
    text = json.dumps(schema, indent=1) + "\n"
    path = CHART / "values.schema.json"
    if "--check" in sys.argv:
        if not path.exists() or path.read_text() != text:
            sys.exit("helm/barnabas/values.schema.json is not of values.yaml: helm/make_schema.py")
    else:
        path.write_text(text)


main()
