"""Containers that can't start: their image, their configuration, their volumes. Pure.

Source: the reasons of waiting containers and the events `Failed`, `FailedMount` that the kubelet gives.
"""

from __future__ import annotations

import re

from shipit.release import Verdict
from shipit.targets.kubernetes.health.crashes import NO_COMMAND
from shipit.targets.kubernetes.health.happenings import about, about_container
from shipit.targets.kubernetes.health.pod_case import DETAIL_LINES, PodCase
from shipit.targets.kubernetes.live import Container
from shipit.targets.kubernetes.pulls import PULL_REASONS, cause_in, pull_failure

# Waiting reasons of containers that do not go away by themselves.
_TERMINAL = {
    "InvalidImageName": ("has an invalid image name", "correct the image's name in the manifest"),
    "ErrImageNeverPull": ("may not pull its image", "the node does not have it, and imagePullPolicy is Never"),
    "CreateContainerConfigError": ("can't be configured", "create what is missing, or put it in the manifests"),
    "CreateContainerError": ("can't be created", ""),
    "RunContainerError": ("can't be started", NO_COMMAND),
}
_TRIES = 2
_PULL_HINT = "check that the cluster can reach the registry, and set pull_secret: true if it is private"
_MISSING = re.compile(r'\b(secret|configmap) "([^"\n]{1,253})" not found')
_ROOT_HINT = "end the Dockerfile with USER 1000, or set the user in deploy.yml: security: {user: 1000}, or runAsUser in a manifest"
# The cluster puts it into each new namespace, a moment after it is created.
_LATE = "kube-root-ca.crt"


def judge_start(case: PodCase, container: Container) -> Verdict | None:
    """A failure for a container that waits for what will not come by itself; None for others."""
    reason, message = container.waiting or ("", "")
    detail = tuple(message.splitlines()[:DETAIL_LINES])
    if reason in PULL_REASONS:
        return _judge_pull(case, container, reason, message)
    if reason == "CreateContainerConfigError" and _is_about_root(message):
        return case.failed(f"{case.named(container)} may not run as root ({reason})", _ROOT_HINT, container, detail)
    if reason in _TERMINAL and not (reason == "CreateContainerConfigError" and case.has_operator):
        what, hint = _TERMINAL[reason]
        missing = f": {message}" if _MISSING.fullmatch(message) else ""
        return case.failed(
            f"{case.named(container)} {what}{missing} ({reason})", hint, container, () if missing else detail
        )
    return None


def _is_about_root(message: str) -> bool:
    """Source: the kubelet's verifyRunAsNonRoot."""
    return "runAsNonRoot" in message or "non-root policy" in message


def judge_mounts(case: PodCase) -> Verdict | None:
    """A failure for a volume of a Secret or ConfigMap that does not exist, when the kubelet tried twice."""
    if case.has_operator or all(row.waiting is None for row in case.pod.containers):
        return None
    for event in about(case.pod.meta.uid, case.observed.events, "FailedMount"):
        match = _MISSING.search(event.message)
        if match and match[2] != _LATE and event.occurrences > 1 and not _is_there(case, *match.groups()):
            what = f"{case.pod.meta.name} can't mount a volume: {match[0]}"
            return case.failed(what, "create what is missing, or put it in the manifests")
    return None


def _is_there(case: PodCase, kind: str, name: str) -> bool:
    """Whether an object that was missing is there now."""
    lives = [live for live in case.observed.objects.values() if live is not None]
    return any((live.kind.lower(), live.meta.name) == (kind, name) for live in lives)


def _judge_pull(case: PodCase, container: Container, reason: str, message: str) -> Verdict | None:
    """A failure at once for a cause that does not pass, and for others when the kubelet tried twice."""
    detail, name = tuple(message.splitlines()[:DETAIL_LINES]), case.named(container)
    if pull := pull_failure(reason, message):
        return case.failed(f"{name} can't pull its image: {pull.cause} ({reason})", pull.hint, container, detail)
    if case.observed.events is None:
        what = f"{name} can't pull its image ({reason})"
        return case.failed(what, _PULL_HINT, container, detail) if reason == "ImagePullBackOff" else None
    failed = about_container(case.pod, container, case.observed.events, "Failed")
    tries = sum(event.occurrences for event in failed if event.message.startswith("Failed to pull image"))
    if tries < _TRIES:
        return None
    what = f"{name} can't pull its image, which was tried {tries} times: {cause_in(message)}"
    return case.failed(what, _PULL_HINT, container, detail)
