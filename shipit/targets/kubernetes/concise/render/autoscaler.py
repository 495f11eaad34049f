"""The autoscaler of a workload. Pure.

Source: Kubernetes API reference, autoscaling/v2 HorizontalPodAutoscaler.
"""

from __future__ import annotations

from collections.abc import Iterator

from shipit.targets.kubernetes.concise.keys import WorkloadKeys
from shipit.targets.kubernetes.concise.kinds import RUNNERS
from shipit.targets.kubernetes.render import Manifest, Setting, head_of


def render_autoscaler(name: str, config: WorkloadKeys, setting: Setting, runner: str) -> Iterator[Manifest]:
    if config.scale is None:
        return
    usage = {"type": "Utilization", "averageUtilization": config.scale.cpu}
    spec = {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": RUNNERS[config.kind], "name": runner},
        "minReplicas": config.scale.min,
        "maxReplicas": config.scale.max,
        "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": usage}}],
    }
    yield {**head_of("autoscaling/v2", "HorizontalPodAutoscaler", name, setting), "spec": spec}
