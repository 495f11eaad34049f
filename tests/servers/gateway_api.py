"""The HTTPRoute of the Gateway API on a cluster: its real group, version and defaults, and the part of its schema that shipit writes.

Source: Gateway API 1.6, standard channel, HTTPRoute (config/crd/standard); its admission needs the annotation api-approved.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.servers.cluster import Cluster

GROUP = "gateway.networking.k8s.io"
NAME = f"httproutes.{GROUP}"
_TEXT = {"type": "string"}
_PORT = {"type": "integer", "format": "int32", "minimum": 1, "maximum": 65535}


def _map(required: list[str], properties: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"type": "object", "required": required, "properties": properties, **more}


def _list(item: dict[str, Any], most: int, **more: Any) -> dict[str, Any]:
    return {"type": "array", "items": item, "maxItems": most, "x-kubernetes-list-type": "atomic", **more}


def _reference(group: str, kind: str, **more: Any) -> dict[str, Any]:
    own = {"group": {**_TEXT, "default": group}, "kind": {**_TEXT, "default": kind}, "name": _TEXT, "namespace": _TEXT}
    return _map(["name"], {**own, "port": _PORT, **more})


_PARENT = _reference(GROUP, "Gateway", sectionName=_TEXT)
_PATH = {
    "type": "object",
    "default": {"type": "PathPrefix", "value": "/"},
    "properties": {"type": {**_TEXT, "default": "PathPrefix"}, "value": {**_TEXT, "default": "/"}},
}
_MATCHES = _list(
    {"type": "object", "properties": {"path": _PATH}}, 64, default=[{"path": {"type": "PathPrefix", "value": "/"}}]
)
_BACKEND = {
    **_reference("", "Service", weight={"type": "integer", "format": "int32", "default": 1}),
    "x-kubernetes-validations": [
        {
            "message": "Must have port for Service reference",
            "rule": "(size(self.group) == 0 && self.kind == 'Service') ? has(self.port) : true",
        }
    ],
}
_RULES = _list({"type": "object", "properties": {"matches": _MATCHES, "backendRefs": _list(_BACKEND, 16)}}, 16)
_CONDITION = _map(
    ["lastTransitionTime", "message", "reason", "status", "type"],
    {
        "lastTransitionTime": {**_TEXT, "format": "date-time"},
        "message": _TEXT,
        "observedGeneration": {"type": "integer", "format": "int64", "minimum": 0},
        "reason": _TEXT,
        "status": {**_TEXT, "enum": ["True", "False", "Unknown"]},
        "type": _TEXT,
    },
)
_CONDITIONS = {
    "type": "array",
    "items": _CONDITION,
    "x-kubernetes-list-type": "map",
    "x-kubernetes-list-map-keys": ["type"],
}
_STATUS = _map(
    ["parents"],
    {
        "parents": _list(
            _map(
                ["parentRef", "controllerName", "conditions"],
                {"parentRef": _PARENT, "controllerName": _TEXT, "conditions": _CONDITIONS},
            ),
            32,
        )
    },
)
_SPEC = {
    "type": "object",
    "properties": {"parentRefs": _list(_PARENT, 32), "hostnames": _list(_TEXT, 1024), "rules": _RULES},
}


def definition() -> dict[str, Any]:
    """The CustomResourceDefinition."""
    version = {
        "name": "v1",
        "served": True,
        "storage": True,
        "subresources": {"status": {}},
        "schema": {"openAPIV3Schema": _map(["spec"], {"spec": _SPEC, "status": _STATUS})},
    }
    names = {"kind": "HTTPRoute", "listKind": "HTTPRouteList", "plural": "httproutes", "singular": "httproute"}
    approved = {"api-approved.kubernetes.io": "https://github.com/kubernetes-sigs/gateway-api/pull/4530"}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": NAME, "annotations": approved},
        "spec": {"group": GROUP, "scope": "Namespaced", "names": names, "versions": [version]},
    }


@contextmanager
def served(cluster: Cluster) -> Iterator[None]:
    """The cluster serves HTTPRoutes; they and their definition are removed at the end."""
    cluster.kubectl("apply", "--server-side", "-f", "-", data=json.dumps(definition()))
    cluster.kubectl("wait", "--for=condition=Established", f"crd/{NAME}", "--timeout=240s")
    yield
    cluster.kubectl("delete", "crd", NAME, "--ignore-not-found", "--timeout=240s")
