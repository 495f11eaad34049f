"""How much longer than `pending` an object may be unready without progress, by what it waits for. Pure.

Source: Kubernetes concepts, "Pod lifecycle", "Init containers", "Sidecar containers"; API reference, v1 Probe with its defaults.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from shipit.targets.kubernetes.live import Live, Pod
from shipit.targets.kubernetes.objects import containers_of, spec_of

_LONGEST_S = 86_400


def patience_s(live: Live, pods: Sequence[Pod]) -> float:
    """Seconds that its probes may take; infinite while an init container, or a container of a Job, runs."""
    working = [container for pod in pods for container in pod.containers if container.is_running]
    if any(container.is_init for container in working) or (live.kind == "Job" and working):
        return math.inf
    least_s = _seconds(spec_of(live.manifest), "minReadySeconds", 0)
    return least_s + max((_probes_s(row) for row in containers_of(live.manifest)), default=0)


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
