"""The health of a namespace, against what this run wanted. Pure.

The rules of each kind are in health/.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from shipit.release import Seen, State, Verdict
from shipit.targets.kubernetes.health.case import Case
from shipit.targets.kubernetes.health.job import is_temporary_job, judge_gone_job
from shipit.targets.kubernetes.health.table import judge, released_pods
from shipit.targets.kubernetes.live import Live, Pod, job_state
from shipit.targets.kubernetes.objects import container_images
from shipit.targets.kubernetes.observed import KubernetesObserved
from shipit.targets.kubernetes.patience import patience_s
from shipit.targets.kubernetes.pods import Limits, judge_images, pods_behind
from shipit.targets.kubernetes.render import Manifest
from shipit.targets.kubernetes.serving import judge_serving
from shipit.targets.kubernetes.superseded import Released, judge_change, judge_values


def judge_kubernetes(released: Released, observed: KubernetesObserved, seen: Seen, limits: Limits) -> Verdict:
    """The worst of the verdicts on each object: failed before waiting before healthy."""
    found = [_judge_object(key, released, observed, seen, limits) for key in released.objects]
    verdicts = [in_time(health.verdict, health.patience_s, seen, limits) for health in found]
    if released.secrets:
        changed = judge_values(released.secret_key, released.secrets, observed.secret_marks, observed.secret)
        verdicts += [changed] if changed else []
    if all(verdict.state is State.HEALTHY for verdict in verdicts):
        verdicts += [in_time(verdict, 0, seen, limits) for verdict in judge_serving(observed)]
    return worst_of(verdicts)


def worst_of(verdicts: Sequence[Verdict]) -> Verdict:
    """One verdict of many: failed before waiting before healthy."""
    for state in (State.FAILED, State.WAITING):
        if found_all := [verdict for verdict in verdicts if verdict.state is state]:
            return _worst(found_all, verdicts)
    reasons = [verdict.reason for verdict in verdicts if verdict.reason]
    warnings = tuple(warning for verdict in verdicts for warning in verdict.warnings)
    return Verdict(State.HEALTHY, ", ".join(reasons) or "applied", _progress(verdicts), warnings=warnings)


def in_time(verdict: Verdict, patience_s: float, seen: Seen, limits: Limits) -> Verdict:
    """The same verdict; a failure where it has been waiting for longer than `pending` and what its probes take."""
    if verdict.state is not State.WAITING or seen.unchanged_s <= limits.pending_s + patience_s:
        return verdict
    return verdict._replace(state=State.FAILED, reason=f"{verdict.reason}: no progress for {seen.unchanged_s:.0f} s")


def _worst(found: Sequence[Verdict], verdicts: Sequence[Verdict]) -> Verdict:
    first = found[0]
    if first.state is State.FAILED:
        return first._replace(progress=_progress(verdicts))
    reason = "; ".join(verdict.reason for verdict in found[:3])
    parts = tuple(verdict.reason for verdict in found)
    return first._replace(reason=reason, progress=_progress(verdicts), parts=parts)


def _progress(verdicts: Sequence[Verdict]) -> str:
    return "|".join(verdict.progress for verdict in verdicts)


class Health(NamedTuple):
    """The verdict on an object, its pods, and how many seconds beyond `pending` it may wait without progress."""

    verdict: Verdict
    pods: Sequence[Pod] = ()
    patience_s: float = 0.0


def _judge_object(key: str, released: Released, observed: KubernetesObserved, seen: Seen, limits: Limits) -> Health:
    live, wanted = observed.objects.get(key), released.objects[key]
    if live is None:
        if is_temporary_job(wanted) and (uid := released.uids.get(key)):
            return Health(judge_gone_job(key, uid, observed.events))
        return Health(Verdict(State.FAILED, f"{key} is gone", hint="deploy again"))
    if live.meta.is_deleting and not _is_done(live, wanted):
        return Health(Verdict(State.FAILED, _deletion(key, live), hint="deploy again when it is gone"))
    if changed := judge_change(key, wanted, live, released.known.get(key, ())):
        return Health(changed)
    health = judge_kind(key, live, observed, seen, limits)
    if health.verdict.state is State.HEALTHY and (pods := released_pods(live, health.pods)):
        return Health(judge_images(key, pods, container_images(wanted), released.digests) or health.verdict)
    return health


def deletion_notes(objects: Mapping[str, Live | None]) -> Iterator[str]:
    """A note for each object that somebody deleted and that is still there."""
    for key, live in objects.items():
        if live is not None and live.meta.is_deleting and not live.pod:
            yield f"{_deletion(key, live)}: deploy when it is gone"


def _deletion(key: str, live: Live) -> str:
    waits = f", and waits for {', '.join(live.meta.finalizers)}" if live.meta.finalizers else ""
    return f"{key} is being deleted{waits}"


def _is_done(live: Live, wanted: Manifest) -> bool:
    """Whether the cluster deletes a Job because it is done."""
    return is_temporary_job(wanted) and job_state(live) != "running"


def judge_kind(key: str, live: Live, observed: KubernetesObserved, seen: Seen, limits: Limits) -> Health:
    """The health of an object by the rules of its kind."""
    pods = pods_behind(live, observed)
    verdict = judge(Case(key, live, pods, observed, seen, limits))
    is_waiting = verdict.state is State.WAITING
    return Health(verdict, pods, patience_s(live, pods, observed) if is_waiting else 0.0)
