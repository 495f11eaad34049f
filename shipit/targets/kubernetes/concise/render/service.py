"""The Services of a workload. Pure.

Source: Kubernetes API reference, v1 Service; Kubernetes documentation, "StatefulSets", stable network id.
"""

from __future__ import annotations

from collections.abc import Iterator

from shipit.targets.kubernetes.concise.keys import WorkloadKeys
from shipit.targets.kubernetes.concise.render.ports import service_ports
from shipit.targets.kubernetes.render import Manifest, Setting, head_of, selector_of


def render_service(name: str, config: WorkloadKeys, setting: Setting, runner: str) -> Iterator[Manifest]:
    """The Service of the ports, to the pods of a runner, and of a StatefulSet the headless one that gives each pod a name."""
    ports = service_ports(config)
    if ports:
        own = {"selector": selector_of(runner, setting), "ports": ports}
        yield {**head_of("v1", "Service", name, setting), "spec": own}
    if config.kind == "statefulset":
        spec: Manifest = {"clusterIP": "None", "publishNotReadyAddresses": True, "selector": selector_of(name, setting)}
        head = head_of("v1", "Service", pods_service(name), setting)
        yield {**head, "spec": {**spec, **({"ports": ports} if ports else {})}}


def pods_service(name: str) -> str:
    """The name of the headless Service: a pod is reached as NAME-0.NAME-pods."""
    return f"{name}-pods"
