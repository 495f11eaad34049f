"""How the pods of a workload are replaced. Pure.

Source: Kubernetes API reference, apps/v1 DeploymentStrategy, StatefulSetUpdateStrategy, DaemonSetUpdateStrategy.
"""

from __future__ import annotations

from shipit.targets.kubernetes.concise.keys import WorkloadKeys
from shipit.targets.kubernetes.render import Manifest

# The server would keep the numbers of an earlier RollingUpdate, and refuse them.
_RECREATE = {"type": "Recreate", "rollingUpdate": None}
_WAYS = {"rolling": "RollingUpdate", "on-delete": "OnDelete"}


def render_strategy(config: WorkloadKeys) -> Manifest:
    """The field of the kind. A Deployment whose volume one node has at a time ends its old pods first."""
    key = "strategy" if config.kind == "deployment" else "updateStrategy"
    own = config.strategy
    if own is None:
        return {key: _RECREATE} if config.kind == "deployment" and has_own_volume(config) else {}
    if own.way == "recreate":
        return {key: _RECREATE}
    rows = {"maxSurge": own.surge, "maxUnavailable": own.unavailable, "partition": own.partition}
    numbers = {name: value for name, value in rows.items() if value is not None}
    return {key: {"type": _WAYS[own.way], **({"rollingUpdate": numbers} if numbers else {})}}


def has_own_volume(config: WorkloadKeys) -> bool:
    """Whether it makes a volume that only one node or pod can have at a time."""
    return any(volume.size and volume.access != "many-nodes" for volume in config.volumes.values())
