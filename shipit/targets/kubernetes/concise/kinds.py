"""Which keys go with which kind of workload, and which objects a workload makes. Pure."""

from collections.abc import Iterator, Sequence

from shipit.config.units import Misplaced
from shipit.targets.kubernetes.concise.keys import Kind, WorkloadKeys

_SERVED: tuple[Kind, ...] = ("deployment", "statefulset", "daemonset", "pod")
_COUNTED: tuple[Kind, ...] = ("deployment", "statefulset")
# Key -> the kinds that have it.
ONLY_FOR: dict[str, tuple[Kind, ...]] = {
    "replicas": _COUNTED,
    "scale": _COUNTED,
    "pdb": _COUNTED,
    "strategy": ("deployment", "statefulset", "daemonset"),
    "canary": ("deployment",),
    "blue_green": ("deployment",),
    "schedule": ("cronjob",),
    "timezone": ("cronjob",),
    "retries": ("job", "cronjob"),
    "host": _SERVED,
    "hosts": _SERVED,
}
# Part of `strategy` -> the kinds that have it.
_STRATEGY: dict[str, tuple[Kind, ...]] = {
    "surge": ("deployment", "daemonset"),
    "partition": ("statefulset",),
}
_WAYS: dict[str, tuple[Kind, ...]] = {"recreate": ("deployment",), "on-delete": ("statefulset", "daemonset")}
# The Service NAME-pods, and the Jobs of a CronJob: Kubernetes documentation, "CronJob", limitations.
LONGEST_NAMES: dict[Kind, int] = {"statefulset": 58, "cronjob": 52}
BARE_POD = "a bare pod can't have several replicas"
# The Deployments NAME-canary and NAME-green have at most 63 characters.
LONGEST_WITH_CANARY, LONGEST_WITH_SLOTS = 56, 57
RUNNERS: dict[Kind, str] = {
    "deployment": "Deployment",
    "statefulset": "StatefulSet",
    "daemonset": "DaemonSet",
    "job": "Job",
    "cronjob": "CronJob",
    "pod": "Pod",
}


def not_for(key: str, kind: Kind) -> str:
    """What is said of a key that a kind does not have."""
    if kind == "pod" and key in ("replicas", "scale"):
        return BARE_POD
    return f"is for kind: {_listed(ONLY_FOR[key])}, and not for {kind}"


def _listed(kinds: Sequence[Kind]) -> str:
    *most, last = kinds
    return f"{', '.join(most)} or {last}" if most else last


def check_kind(keys: WorkloadKeys) -> Iterator[Misplaced]:
    for key, kinds in ONLY_FOR.items():
        if getattr(keys, key) not in (None, ()) and keys.kind not in kinds:
            other = "kind: pod" if keys.kind == "pod" else f"write kind: {kinds[0]}"
            yield Misplaced(not_for(key, keys.kind), key, hint=f"remove it, or {other}")
    if keys.kind == "cronjob" and keys.schedule is None:
        yield Misplaced("should have schedule:", "kind", hint='such as schedule: "0 3 * * *"')
    if keys.strategy is None:
        return
    if keys.strategy.way != "rolling" and keys.kind not in _WAYS[keys.strategy.way]:
        names = _listed(_WAYS[keys.strategy.way])
        yield Misplaced(f"is for kind: {names}, and not for {keys.kind}", "strategy", "way", hint="write rolling")
    for key, kinds in _STRATEGY.items():
        if getattr(keys.strategy, key) is not None and keys.kind not in kinds:
            what = f"is for kind: {_listed(kinds)}, and not for {keys.kind}"
            yield Misplaced(what, "strategy", key, hint="remove it")


def made_kinds(keys: WorkloadKeys) -> tuple[str, ...]:
    """The kinds of the objects that a workload makes."""
    found = {
        RUNNERS[keys.kind]: True,
        "Service": keys.port is not None or bool(keys.all_ports) or keys.kind == "statefulset",
        "Ingress": bool(keys.all_hosts) and keys.gateway is None,
        "HTTPRoute": bool(keys.all_hosts) and keys.gateway is not None,
        "HorizontalPodAutoscaler": keys.scale is not None,
        "PodDisruptionBudget": keys.pdb is not None,
        "ConfigMap": bool(keys.files),
        "PersistentVolumeClaim": keys.kind != "statefulset" and any(item.size for item in keys.volumes.values()),
    }
    return tuple(kind for kind, is_made in found.items() if is_made)
