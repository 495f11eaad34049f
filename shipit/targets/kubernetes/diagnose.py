"""The last log lines of a failed container, and the warnings of its pod."""

from __future__ import annotations

from contextlib import suppress

from shipit.errors import RemoteError, ShipitError
from shipit.release import Verdict
from shipit.targets.kubernetes.client import KubernetesClient
from shipit.targets.kubernetes.live import Container
from shipit.targets.kubernetes.logs import last_lines
from shipit.targets.kubernetes.parse import parse_event, parse_pod

LOG_LINES, LOG_LOOKS, LOG_PAUSE_S = 20, 6, 0.5
_SAID = 4


def with_last_words(verdict: Verdict, client: KubernetesClient, namespace: str, kubectl: str) -> Verdict:
    """A verdict on a pod with the last lines of its container and the pod's warnings; any other verdict unchanged.

    `kubectl` is the command with its context. Lines that can't be read are left out.
    """
    kind, _, rest = verdict.subject.partition(":")
    if kind != "pod":
        return verdict
    own, name, container = rest.split("/")
    namespace = own or namespace
    lines: list[str] = []
    with suppress(ShipitError):
        lines = _last_lines(client, namespace, name, container, is_patient=not verdict.detail)
    said = [line for line in _warnings(client, namespace, name) if line not in verdict.detail]
    hint = verdict.hint or f"{kubectl} -n {namespace} describe pod {name}"
    return verdict._replace(detail=(*verdict.detail, *lines, *said), hint=hint)


def _last_lines(client: KubernetesClient, namespace: str, name: str, container: str, *, is_patient: bool) -> list[str]:
    """The log of the run that crashed. The kubelet may not have it while it starts the next run, so this tries again."""
    for _ in range(LOG_LOOKS if is_patient else 1):
        found = _container(client, namespace, name, container)
        if found is None or not (found.ended or found.last or found.is_running):
            return []
        previous = found.ended is None and found.last is not None
        with suppress(RemoteError):
            return last_lines(client, namespace, name, found.name, previous=previous, lines=LOG_LINES)
        if is_patient:
            client.deadline.sleep(LOG_PAUSE_S, f"the log of {name}")
    return []


def _container(client: KubernetesClient, namespace: str, name: str, container: str) -> Container | None:
    """The container of a name, or the only one of the pod; None where there is none."""
    pods = client.listed("api/v1", "pods", namespace, parse_pod, fields=f"metadata.name={name}")
    rows = [row for pod in pods for row in pod.containers if row.name == container or len(pod.containers) == 1]
    return rows[0] if rows else None


def _warnings(client: KubernetesClient, namespace: str, name: str) -> list[str]:
    """The warning events of a pod, each once, the newest last."""
    fields = f"involvedObject.kind=Pod,involvedObject.name={name},type=Warning"
    try:
        events = client.listed("api/v1", "events", namespace, parse_event, fields=fields)
    except ShipitError:
        return []
    return list(dict.fromkeys(f"{event.reason}: {event.message}" for event in events))[-_SAID:]
