"""Jobs and CronJobs. Pure.

Source: Kubernetes concepts, "Jobs": Pod backoff failure policy, Job termination, TTL mechanism for finished Jobs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from shipit.release import State, Verdict
from shipit.targets.kubernetes.health.case import Case
from shipit.targets.kubernetes.health.crashes import exit_hint
from shipit.targets.kubernetes.health.creation import judge_creation
from shipit.targets.kubernetes.health.failing import judge_failed
from shipit.targets.kubernetes.health.happenings import Events
from shipit.targets.kubernetes.health.progress import waiting_for_pods
from shipit.targets.kubernetes.live import Container, Ended, Pod
from shipit.targets.kubernetes.objects import containers_of, spec_of, status_of
from shipit.targets.kubernetes.pods import subject
from shipit.targets.kubernetes.render import Manifest

_BACKOFF_LIMIT = 6
_CONTAINERS = ("containers", "initContainers")


def judge_job(case: Case) -> Verdict:
    conditions = {row.type: row for row in case.live.status.conditions if row.status == "True"}
    if "Complete" in conditions or "SuccessCriteriaMet" in conditions:
        return case.healthy("succeeded")
    if failed := conditions.get("Failed") or conditions.get("FailureTarget"):
        return _failed(case, failed.message)
    if spec_of(case.live.manifest).get("suspend") is True:
        return case.healthy("is suspended", (f"{case.key} is suspended: it does not run",))
    if _is_spent(case):
        return _failed(case, "it was tried as often as backoffLimit allows")
    if failure := judge_failed(case.key, case.pods, case.seen, case.limits, case.observed, may_crash=True):
        return failure
    if failure := judge_creation(case, 1):
        return failure
    counts = status_of(case.live.manifest)
    tried = f", {counts['failed']} failed" if counts.get("failed") else ""
    return waiting_for_pods(case, f"running{tried}", f"{counts.get('failed')} {counts.get('succeeded')}")


def judge_cron_job(case: Case) -> Verdict:
    is_suspended = spec_of(case.live.manifest).get("suspend") is True
    return case.healthy(warnings=(f"{case.key} is suspended: it does not run",) if is_suspended else ())


def is_temporary_job(manifest: Manifest) -> bool:
    """Whether the cluster deletes an object when it is done."""
    return manifest["kind"] == "Job" and spec_of(manifest).get("ttlSecondsAfterFinished") is not None


def judge_gone_job(key: str, uid: str, events: Events) -> Verdict:
    """The verdict on a Job that the cluster deleted when it was done, by its events."""
    own = [event for event in events or () if event.kind == "Job" and event.uid == uid]
    if any(event.reason == "Completed" for event in own):
        return Verdict(State.HEALTHY, f"{key} succeeded", f"{key} succeeded")
    failed = [event for event in own if event.type == "Warning" and event.reason != "FailedCreate"]
    if failed:
        hint = "set ttlSecondsAfterFinished to keep the Job and its log for a while"
        return Verdict(
            State.FAILED, f"{key} failed, and is deleted: {failed[-1].message}", "gone", hint=hint, subject=key
        )
    return Verdict(State.WAITING, f"{key} is gone, and no event says how it ended", f"{key} gone", hint="deploy again")


def _failed(case: Case, message: str) -> Verdict:
    """The failure with how its last pod ended."""
    last = max(_crashed(case.pods), key=lambda found: found[2].finished, default=None)
    why = f": {message[:1].lower()}{message[1:]}" if message else ""
    if last is None:
        return Verdict(State.FAILED, f"{case.key} failed{why}", "failed", subject=case.key)
    pod, container, ended = last
    name = pod.meta.name if len(pod.containers) == 1 else f"{container.name} of {pod.meta.name}"
    what = f"{case.key} failed: {name} exited with {ended.exit_code} ({ended.reason}){why.replace(': ', '; ', 1)}"
    return Verdict(State.FAILED, what, "failed", hint=exit_hint(ended), subject=subject(pod, container.name))


def _crashed(pods: Sequence[Pod]) -> Iterator[tuple[Pod, Container, Ended]]:
    for pod in pods:
        for container in pod.containers:
            ended = container.ended or container.last
            if ended is not None and ended.is_failure:
                yield pod, container, ended


def _is_spent(case: Case) -> bool:
    """Whether the pods of a Job failed as often as it allows: the controller says so later, and may delete them with their logs."""
    spec = spec_of(case.live.manifest)
    limit = spec.get("backoffLimit", _BACKOFF_LIMIT)
    if not isinstance(limit, int) or spec.get("podFailurePolicy") or spec.get("backoffLimitPerIndex") is not None:
        return False
    has_rules = any("restartPolicy" in row for key in _CONTAINERS for row in containers_of(case.live.manifest, key))
    failed = sum(_has_failed(pod, has_rules=has_rules) for pod in case.pods)
    return failed > limit or any(
        pod.restart_policy == "OnFailure" and container.restarts >= limit and _is_down(container)
        for pod, container, _ in _crashed(case.pods)
    )


def _has_failed(pod: Pod, *, has_rules: bool) -> bool:
    """Whether a pod failed that is not restarted. The kubelet sets its phase a second or more after its containers ended.

    `has_rules` is whether a container has a restart policy of its own: then only the phase counts.
    """
    if pod.restart_policy != "Never":
        return False
    if pod.phase == "Failed" or has_rules:
        return pod.phase == "Failed"
    main = [container.ended for container in pod.containers if not container.is_init]
    has_ended = bool(main) and all(ended is not None for ended in main)
    return has_ended and any(ended is not None and ended.is_failure for ended in main)


def _is_down(container: Container) -> bool:
    """Whether a container that crashed does not run again yet."""
    return container.ended is not None or container.is_looping
