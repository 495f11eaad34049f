"""Where the pods of a workload run. Pure.

Source: Kubernetes API reference, v1 PodSpec, v1 TopologySpreadConstraint, v1 Toleration.
"""

from __future__ import annotations

from shipit.targets.kubernetes.concise.keys import WorkloadKeys
from shipit.targets.kubernetes.concise.placement import TolerationConfig
from shipit.targets.kubernetes.render import Manifest, Setting, selector_of


def render_placement(name: str, config: WorkloadKeys, setting: Setting) -> Manifest:
    out: Manifest = {}
    if config.node:
        out["nodeSelector"] = dict(config.node)
    if config.tolerations:
        out["tolerations"] = [_toleration(item) for item in config.tolerations]
    if config.spread:
        out["topologySpreadConstraints"] = [
            {
                "maxSkew": config.spread.skew,
                "topologyKey": key,
                "whenUnsatisfiable": "DoNotSchedule" if config.spread.required else "ScheduleAnyway",
                "labelSelector": {"matchLabels": selector_of(name, setting)},
            }
            for key in config.spread.topology_keys
        ]
    return out


def _toleration(taint: TolerationConfig) -> Manifest:
    rows = {
        "key": taint.key,
        "operator": "Exists" if taint.value is None else "Equal",
        "value": taint.value,
        "effect": taint.effect,
        "tolerationSeconds": taint.seconds,
    }
    return {key: value for key, value in rows.items() if value is not None}
