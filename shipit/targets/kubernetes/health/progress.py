"""What pods wait for, in words, and as text that changes when they move. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from shipit.release import State, Verdict
from shipit.targets.kubernetes.health.case import Case
from shipit.targets.kubernetes.health.happenings import Events, about, about_container, is_before
from shipit.targets.kubernetes.health.pod_case import PodCase
from shipit.targets.kubernetes.health.scheduling import unplaced, why_unplaced
from shipit.targets.kubernetes.live import Container, Pod
from shipit.targets.kubernetes.one_line import one_line
from shipit.targets.kubernetes.pods import reason_not_ready, subject
from shipit.targets.kubernetes.pulls import PULL_REASONS, cause_in

# What keeps the kubelet from starting containers, as events.
_HELD = ("FailedMount", "FailedAttachVolume", "FailedCreatePodSandBox")
_CREATING = ("ContainerCreating", "PodInitializing", "")


def waiting_for_pods(
    case: Case, what: str, progress: str, pods: Sequence[Pod] | None = None, stuck: Pod | None = None
) -> Verdict:
    """The verdict on a workload whose rollout is not complete, with what its pods wait for.

    What a `stuck` pod does, such as to start again and again, is no progress.
    """
    pods = case.pods if pods is None else pods
    cases = [PodCase(case.key, pod, case.observed, case.seen, case.limits) for pod in pods if not pod.is_ready]
    reasons = [text for one in cases if (text := why_not_ready(one))]
    shown = f"{case.key}: {what}" + (f" ({reasons[0]})" if reasons else "")
    hints = [found.hint for one in cases if (found := unplaced(one.pod))]
    states = " ".join(sorted(_state(pod) for pod in pods if pod is not stuck))
    return Verdict(
        State.WAITING,
        shown,
        f"{case.key} {progress} {states}",
        hint=hints[0] if hints else "",
        subject=subject(cases[0].pod) if cases else case.key,
    )


def why_not_ready(case: PodCase) -> str:
    """What a pod waits for; empty when it is ready."""
    pod, events = case.pod, case.observed.events
    if pod.meta.is_deleting:
        return "being deleted"
    if why := why_unplaced(case):
        return why
    for container in pod.containers:
        if container.is_init and container.is_running:
            return f"init container {container.name} is running"
        if container.waiting and (why := _why_waiting(case, container)):
            return why
    if pod.is_ready:
        return ""
    told = [row for row in about(pod.meta.uid, events, "Unhealthy") if not _is_old(pod, row.container, row.time)]
    return one_line(told[-1].message) if told else _gates(pod) or reason_not_ready(pod)


def _gates(pod: Pod) -> str:
    """Which readiness gates of a pod are not set, as the kubelet says it; empty for none."""
    gates = (row.message for row in pod.conditions if row.type == "Ready" and row.reason == "ReadinessGatesNotReady")
    return one_line(next(gates, ""))


def _why_waiting(case: PodCase, container: Container) -> str:
    reason, message = container.waiting or ("", "")
    if reason in PULL_REASONS:
        return f"{reason}: {cause_in(message)}" if message else reason
    if reason not in _CREATING:
        return f"{reason}: {one_line(message)}" if message and not container.is_looping else reason
    if is_pulling(case.pod, container, case.observed.events):
        return one_line(about_container(case.pod, container, case.observed.events, "Pulling")[-1].message.lower())
    held = about(case.pod.meta.uid, case.observed.events, *_HELD)
    # The others of a pod wait for its init containers.
    return one_line(f"{held[-1].reason}: {held[-1].message}") if held else "" if reason == "PodInitializing" else reason


def is_pulling(pod: Pod, container: Container, events: Events) -> bool:
    """Whether the image of a container that was not created yet is being pulled."""
    if container.waiting is None or container.waiting[0] not in _CREATING:
        return False
    told = about_container(pod, container, events, "Pulling", "Failed", "BackOff")
    return bool(told) and told[-1].reason == "Pulling"


def _is_old(pod: Pod, name: str, time: str) -> bool:
    """Whether an event is about an earlier run of a container."""
    return any(row.name == name and is_before(time, row.started) for row in pod.containers)


def _state(pod: Pod) -> str:
    """A pod as text that changes when it moves: a letter for each container that runs, ended or waits."""
    phases = "".join("r" if row.is_running else "e" if row.ended else "w" for row in pod.containers)
    reason = reason_not_ready(pod)
    # A pull that fails again and again is no progress.
    return f"{pod.meta.name}{'pull' if reason in PULL_REASONS else reason}{pod.is_ready}{phases}"
