"""The last log lines of a failed container, and the warnings of its pod."""

from __future__ import annotations

from contextlib import suppress

from shipit.errors import RemoteError, ShipitError
from shipit.release import Verdict
from shipit.targets.kubernetes.client import KubernetesClient
from shipit.targets.kubernetes.health.crashes import LAST_LINES
from shipit.targets.kubernetes.health.happenings import second
from shipit.targets.kubernetes.live import Container, Pod
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
    pods: list[Pod] = []
    lines: list[str] = []
    with suppress(ShipitError):
        pods = _pods(client, namespace, name)
        lines = _last_lines(client, namespace, name, pods, container, is_patient=not verdict.detail)
    said = [line for line in _warnings(client, namespace, name, pods) if line not in verdict.detail]
    detail = (*verdict.detail, *lines)
    is_explained = verdict.hint and (detail or verdict.hint != LAST_LINES)
    hint = verdict.hint if is_explained else f"{kubectl} -n {namespace} describe pod {name}"
    return verdict._replace(detail=(*detail, *said), hint=hint)


def _last_lines(
    client: KubernetesClient, namespace: str, name: str, pods: list[Pod], container: str, *, is_patient: bool
) -> list[str]:
    """The log of the run that crashed. The kubelet may not have it while it starts the next run, so this tries again."""
    for look in range(LOG_LOOKS if is_patient else 1):
        if look:
            client.deadline.sleep(LOG_PAUSE_S, f"the log of {name}")
            pods = _pods(client, namespace, name)
        found = _container(pods, container)
        if found is None or not (found.ended or found.last or found.is_running):
            return []
        previous = found.ended is None and found.last is not None
        with suppress(RemoteError):
            return last_lines(client, namespace, name, found.name, previous=previous, lines=LOG_LINES)
    return []


def _pods(client: KubernetesClient, namespace: str, name: str) -> list[Pod]:
    """The pod of a name; empty when it is gone."""
    return client.listed("api/v1", "pods", namespace, parse_pod, fields=f"metadata.name={name}")


def _container(pods: list[Pod], name: str) -> Container | None:
    """The container of a name, or the only one of the pod; None where there is none."""
    rows = (row for pod in pods for row in pod.containers if row.name == name or len(pod.containers) == 1)
    return next(rows, None)


def _warnings(client: KubernetesClient, namespace: str, name: str, pods: list[Pod]) -> list[str]:
    """The warning events of a pod, each once, the newest last."""
    fields = f"involvedObject.kind=Pod,involvedObject.name={name},type=Warning"
    # A StatefulSet gives a new pod the name of the one before it.
    fields += "".join(f",involvedObject.uid={pod.meta.uid}" for pod in pods)
    try:
        events = client.listed("api/v1", "events", namespace, parse_event, fields=fields)
    except ShipitError:
        return []
    newest = sorted(events, key=lambda event: second(event.time), reverse=True)
    return list(dict.fromkeys(f"{event.reason}: {event.message}" for event in newest))[:_SAID][::-1]
