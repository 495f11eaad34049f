"""The probes of a container. Pure.

Source: Kubernetes API reference, v1 Probe.
"""

from __future__ import annotations

from shipit.targets.kubernetes.concise.workload import WorkloadConfig
from shipit.targets.kubernetes.render import Manifest


def render_probes(config: WorkloadConfig) -> Manifest:
    if not config.health:
        return {}
    request = {"path": config.health, "port": config.port}
    return {"readinessProbe": {"httpGet": request, "periodSeconds": 2, "failureThreshold": 3}}
