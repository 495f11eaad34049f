"""The message that a failed release left a workload without a ready pod. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from shipit.targets.kubernetes.live import Live
from shipit.targets.kubernetes.observed import KubernetesObserved

_WORKLOADS = frozenset(["Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "ReplicationController"])


def outage(released: Iterable[str], observed: KubernetesObserved, before: object) -> str:
    """A message that names the released workloads and Pods that were there before and have no ready pod now; empty for none.

    `released` are keys of objects. `before` is what was observed when the plan was made.
    """
    if not isinstance(before, KubernetesObserved):
        return ""
    down = {key: live for key in released if (live := before.objects.get(key)) and _is_down(key, observed)}
    if not down:
        return ""
    return f"{' and '.join(down)} {'is' if len(down) == 1 else 'are'} DOWN: no pod is ready"


def _is_down(key: str, observed: KubernetesObserved) -> bool:
    live = observed.objects.get(key)
    if live is not None and live.pod is not None:
        return not live.pod.is_ready and live.pod.phase != "Succeeded"
    if live is None or key.partition("/")[0] not in _WORKLOADS or not live.wanted_pods or live.status.ready:
        return False
    return not any(pod.is_ready for uid in _owners(live, observed) for pod in observed.pods_by_owner.get(uid, ()))


def _owners(live: Live, observed: KubernetesObserved) -> Iterator[str]:
    """The uids that own its pods: its own, and those of its ReplicaSets, earlier ones included."""
    yield live.meta.uid
    yield from (row.uid for row in observed.sets_by_owner.get(live.meta.uid, ()))
