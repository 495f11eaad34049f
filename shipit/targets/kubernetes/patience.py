"""How much longer than `pending` an object may be unready without progress, by what it waits for. Pure.

Source: Kubernetes concepts, "Pod lifecycle", "Init containers", "Sidecar containers"; API reference, v1 Probe with its defaults.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from shipit.targets.kubernetes.health.claims import is_provisioned
from shipit.targets.kubernetes.health.progress import is_pulling
from shipit.targets.kubernetes.health.scheduling import is_scaling, unplaced
from shipit.targets.kubernetes.live import Live, Pod
from shipit.targets.kubernetes.objects import containers_of, spec_of
from shipit.targets.kubernetes.observed import KubernetesObserved
from shipit.targets.kubernetes.render import Manifest

_LONGEST_S = 86_400


def patience_s(live: Live, pods: Sequence[Pod], observed: KubernetesObserved | None = None) -> float:
    """Seconds that its probes may take; infinite while something works on it that may take any time.

    That is an init container, a container of a Job, a pull of an image, a provisioner of volumes, an autoscaler of nodes.
    """
    working = [container for pod in pods for container in pod.containers if container.is_running]
    if any(container.is_init for container in working) or (live.kind == "Job" and working):
        return math.inf
    if observed is not None and (any(_is_helped(pod, observed) for pod in pods) or _is_volume_made(live, observed)):
        return math.inf
    least_s = _seconds(spec_of(live.manifest), "minReadySeconds", 0)
    return least_s + max((_probes_s(row) for row in _lasting_containers(live.manifest)), default=0)


def _is_helped(pod: Pod, observed: KubernetesObserved) -> bool:
    """Whether a node, a volume or an image is on its way to a pod."""
    if any(is_pulling(pod, container, observed.events) for container in pod.containers):
        return True
    return unplaced(pod) is not None and (
        is_scaling(pod, observed.events)
        or any(is_provisioned(pod.meta.namespace, name, observed) for name in pod.claims)
    )


def _is_volume_made(live: Live, observed: KubernetesObserved) -> bool:
    is_claim = live.kind == "PersistentVolumeClaim"
    return is_claim and is_provisioned(live.meta.namespace, live.meta.name, observed)


def _lasting_containers(manifest: Manifest) -> list[dict[str, Any]]:
    """The containers of a workload, with its sidecars."""
    sidecars = [row for row in containers_of(manifest, "initContainers") if row.get("restartPolicy") == "Always"]
    return [*containers_of(manifest), *sidecars]


def _probes_s(container: Mapping[str, Any]) -> int:
    """When a container that starts well is ready at the latest: its startup probe passes, then its readiness probe."""
    startup, readiness = container.get("startupProbe"), container.get("readinessProbe")
    total = 0
    if isinstance(startup, dict):
        tries = _seconds(startup, "failureThreshold", 3)
        total += _seconds(startup, "initialDelaySeconds", 0) + tries * _seconds(startup, "periodSeconds", 10)
    if isinstance(readiness, dict):
        total += _seconds(readiness, "initialDelaySeconds", 0) + _seconds(readiness, "periodSeconds", 10)
    return min(total, _LONGEST_S)


def _seconds(part: Mapping[str, Any], key: str, default: int) -> int:
    value = part.get(key)
    is_number = isinstance(value, int) and not isinstance(value, bool)
    return max(0, min(int(value), _LONGEST_S)) if is_number and value is not None else default
