"""Containers that end: with an error, by a probe that failed, without memory, or with 0 again and again. Pure.

Source: Kubernetes concepts, "Pod lifecycle"; the kubelet's events `Killing` and `Unhealthy`.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from shipit.release import Verdict
from shipit.targets.kubernetes.health.happenings import about_container, is_before
from shipit.targets.kubernetes.health.pod_case import DETAIL_LINES, PodCase
from shipit.targets.kubernetes.live import Container, Ended
from shipit.targets.kubernetes.one_line import one_line

_KILLED = re.compile(r"Container \S{1,63} failed (startup|liveness) probe")
NO_COMMAND = "the command was not found in the image, or can't be executed"
_PROBE_HINTS = {
    "startup": "give the app more time with failureThreshold and periodSeconds, or correct what the startup probe asks",
    "liveness": "check the path, the port and timeoutSeconds of the liveness probe",
}
# The hint where the log explains more than the exit code.
LAST_LINES = "the lines above are the last it wrote"
_EXIT_HINTS = {
    126: "the command can't be executed: check its mode and the image's platform",
    127: "the command was not found in the image",
    # A runtime reports OOMKilled only if it sees the kernel's event before it handles the exit.
    137: "it was killed with SIGKILL. Possible causes: it used more memory than its limit, which is not always reported as OOMKilled; "
    "a failed liveness or startup probe; it was too slow to stop",
}


def judge_crash(case: PodCase, container: Container) -> Verdict | None:
    """A failure when a container ended more often than it may; None otherwise."""
    ended, kill = container.ended or container.last, _killed_by_probe(case, container)
    # Without a baseline this run changed nothing, and did not cause earlier restarts.
    if case.seen.baseline is None and not container.is_looping:
        return None
    new = container.restarts - case.restarts_before.get((case.pod.meta.uid, container.name), 0)
    crashes = new + bool(container.ended and container.ended.is_failure) + bool(kill and kill.is_current)
    if max(crashes, container.is_looping) <= case.limits.restarts_allowed:
        return None
    if kill is not None:
        said = f": {kill.said}" if kill.said else ""
        what = f"{case.named(container)} was killed, because its {kill.probe} probe failed{said}"
        return case.failed(what, _PROBE_HINTS[kill.probe], container)
    if ended is not None and ended.is_failure:
        if ended.reason == "StartError":
            detail = ended.message.splitlines()[:DETAIL_LINES]
            return case.failed(f"{case.named(container)} can't be started (StartError)", NO_COMMAND, container, detail)
        what = f"{case.named(container)} exited with {ended.exit_code} ({ended.reason})"
        return case.failed(what, exit_hint(ended), container)
    return _judge_end(case, container, ended, new)


def _judge_end(case: PodCase, container: Container, ended: Ended | None, new: int) -> Verdict | None:
    """A failure for a container that should keep running, and ends with 0 again and again."""
    ends = new + bool(container.ended)
    if ended is None or container.is_init or case.pod.restart_policy != "Always":
        return None
    if not container.is_looping and ends <= case.limits.restarts_allowed + 1:
        return None
    hint = "a container of this kind has to keep running: use kind: Job or CronJob for what ends, or keep it in the foreground"
    return case.failed(f"{case.named(container)} ends with exit code 0 again and again", hint, container)


class _Kill(NamedTuple):
    """The probe for which the kubelet kills a container. `is_current`: it still runs."""

    probe: str
    said: str
    is_current: bool


def _killed_by_probe(case: PodCase, container: Container) -> _Kill | None:
    """Why the kubelet killed the current or the last run of a container; None where no probe failed."""
    events, pod = case.observed.events, case.pod
    for event in reversed(about_container(pod, container, events, "Killing")):
        match = _KILLED.match(event.message)
        if match is None:
            continue
        is_current = container.is_running and bool(container.started) and not is_before(event.time, container.started)
        if is_current or _is_within(event.time, container.ended or container.last):
            title = f"{match[1].capitalize()} probe failed"
            told = [row.message for row in about_container(pod, container, events, "Unhealthy")]
            said = next((text[len(title) :] for text in reversed(told) if text.startswith(title)), "")
            return _Kill(match[1], one_line(said.strip(": \n")), is_current)
    return None


def _is_within(time: str, run: Ended | None) -> bool:
    """Whether a time is within a run that ended, and was not stopped for want of memory."""
    if run is None or run.reason == "OOMKilled":
        return False
    return not is_before(time, run.started) and not is_before(run.finished, time)


def exit_hint(ended: Ended) -> str:
    """What to do about a run that failed, by its reason and exit code."""
    if ended.reason == "OOMKilled":
        return "it used more memory than its limit: raise memory:"
    return _EXIT_HINTS.get(ended.exit_code, LAST_LINES)
