"""The Service of a workload. Pure.

Source: Kubernetes API reference, v1 Service.
"""

from __future__ import annotations

from collections.abc import Iterator

from shipit.targets.kubernetes.concise.render.ports import service_ports
from shipit.targets.kubernetes.concise.workload import WorkloadConfig
from shipit.targets.kubernetes.render import Manifest, Setting, head_of, selector_of


def render_service(name: str, config: WorkloadConfig, setting: Setting) -> Iterator[Manifest]:
    ports = service_ports(config)
    if not ports:
        return
    spec = {"selector": selector_of(name, setting), "ports": ports}
    yield {**head_of("v1", "Service", name, setting), "spec": spec}
