"""The Ingress of a workload. Pure.

Source: Kubernetes API reference, networking.k8s.io/v1 Ingress.
"""

from __future__ import annotations

from collections.abc import Iterator

from shipit.targets.kubernetes.concise.workload import WorkloadConfig
from shipit.targets.kubernetes.render import Manifest, Setting, head_of


def render_ingress(name: str, config: WorkloadConfig, setting: Setting) -> Iterator[Manifest]:
    if not config.host:
        return
    backend = {"service": {"name": name, "port": {"name": "http"}}}
    rule = {"host": config.host, "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}}
    yield {**head_of("networking.k8s.io/v1", "Ingress", name, setting), "spec": {"rules": [rule]}}
