"""Scaling and restarting workloads: the steps, and their verdicts. Pure.

Source: Kubernetes, "Deployments", Scaling a Deployment; kubectl rollout restart, which sets the same annotation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from shipit.errors import DeployFailed
from shipit.release import Seen, State, Verdict
from shipit.targets.kubernetes.drift import Difference, author_of
from shipit.targets.kubernetes.judge import in_time, judge_kind, worst_of
from shipit.targets.kubernetes.live import Live
from shipit.targets.kubernetes.objects import annotations_of, spec_of, template_of
from shipit.targets.kubernetes.observed import KubernetesObserved
from shipit.targets.kubernetes.pods import Limits
from shipit.targets.kubernetes.steps import RestartObject, ScaleObject
from shipit.targets.kubernetes.superseded import Change, is_autoscaled

RESTARTED_ANNOTATION = "kubectl.kubernetes.io/restartedAt"
SCALABLE = ("Deployment", "StatefulSet")
RESTARTABLE = ("Deployment", "StatefulSet", "DaemonSet")
_REPLICAS = ("spec", "replicas")
_RESTARTED = ("spec", "template", "metadata", "annotations", RESTARTED_ANNOTATION)


def plan_scale(
    replicas: Mapping[str, int], observed: KubernetesObserved, autoscaled: Iterable[str], target: str
) -> tuple[ScaleObject, ...]:
    """One step for each object whose number of replicas differs. `replicas` and `autoscaled`: key of an object.

    Raises: DeployFailed for an object that is not there, or whose number an autoscaler sets.
    """
    steps = []
    for key, count in replicas.items():
        live = _there(key, observed, target)
        difference = Difference("spec.replicas", _REPLICAS, live.spec.replicas, count)
        if key in autoscaled or is_autoscaled(difference, author_of(live, difference)):
            what = f"an autoscaler sets the number of replicas of {key}"
            raise DeployFailed(what, where=target, hint="change its smallest and largest number in deploy.yml")
        now = live.wanted_pods
        if now != count:
            steps.append(
                ScaleObject(
                    f"scale {key}", f"scale {key}", (f"{now} -> {count} replicas",), undo=f"scale it to {now}",
                    manifest=_head(live), uid=live.meta.uid, replicas=count,
                )
            )  # fmt: skip
    return tuple(steps)


def plan_restart(keys: Sequence[str], at: str, observed: KubernetesObserved, target: str) -> tuple[RestartObject, ...]:
    """Raises: DeployFailed for an object that is not there, or that would not be rolled out."""
    steps = []
    for key in keys:
        live = _there(key, observed, target)
        if spec_of(live.manifest).get("paused") is True:
            what = f"the rollout of {key} is paused"
            raise DeployFailed(what, where=target, hint=f"kubectl rollout resume {key.lower()} first")
        if live.spec.on_delete:
            what = f"{key} replaces its pods only when they are deleted: its updateStrategy is OnDelete"
            raise DeployFailed(what, where=target, hint="delete its pods one by one, or use RollingUpdate")
        steps.append(
            RestartObject(
                f"restart {key}", f"restart {key}", ("its pods are replaced one after the other",),
                manifest=_head(live), uid=live.meta.uid, at=at,
            )
        )  # fmt: skip
    return tuple(steps)


def judge_scale(replicas: Mapping[str, int], observed: KubernetesObserved, seen: Seen, limits: Limits) -> Verdict:
    """The health of the objects, with the number of replicas of each."""

    def superseded(key: str, live: Live) -> Verdict | None:
        if live.wanted_pods == replicas[key]:
            return None
        return _superseded(key, live, _REPLICAS, f"it is scaled to {live.wanted_pods}, not {replicas[key]}")

    return _judge(tuple(replicas), observed, seen, limits, superseded)


def judge_restart(keys: Sequence[str], at: str, observed: KubernetesObserved, seen: Seen, limits: Limits) -> Verdict:
    """The health of the objects, whose pods are those that were made after the restart."""

    def superseded(key: str, live: Live) -> Verdict | None:
        now = annotations_of(template_of(live.manifest)).get(RESTARTED_ANNOTATION)
        return None if now == at else _superseded(key, live, _RESTARTED, f"it was restarted at {now or 'no time'}")

    return _judge(keys, observed, seen, limits, superseded)


def _judge(
    keys: Sequence[str],
    observed: KubernetesObserved,
    seen: Seen,
    limits: Limits,
    superseded: Callable[[str, Live], Verdict | None],
) -> Verdict:
    verdicts = []
    for key in keys:
        live = observed.objects.get(key)
        if live is None or live.meta.is_deleting:
            what = "is gone" if live is None else "is being deleted"
            return Verdict(State.FAILED, f"{key} {what}", hint="shipit deploy applies it again")
        if found := superseded(key, live):
            return found
        health = judge_kind(key, live, observed, seen, limits)
        verdicts.append(in_time(health.verdict, health.patience_s, seen, limits))
    return worst_of(verdicts)


def _superseded(key: str, live: Live, keys: tuple[str, ...], what: str) -> Verdict:
    difference = Difference("", keys, None, None)
    change = Change(author_of(live, difference), difference)
    reason = f"{key}: superseded by {change.by}{change.at}: {what}"
    return Verdict(State.FAILED, reason, hint="run it again when they are done", subject=key, superseded_by=change.by)


def _there(key: str, observed: KubernetesObserved, target: str) -> Live:
    live = observed.objects.get(key)
    if live is None:
        raise DeployFailed(f"{key} is not there", where=target, hint="shipit deploy applies it")
    return live


def _head(live: Live) -> dict[str, object]:
    """What names an object."""
    metadata = {"name": live.meta.name, **({"namespace": live.meta.namespace} if live.meta.namespace else {})}
    return {"apiVersion": live.manifest["apiVersion"], "kind": live.kind, "metadata": metadata}
