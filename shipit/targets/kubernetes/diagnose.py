"""What a pod that failed wrote last, and what the cluster said of it."""

from __future__ import annotations

from shipit.clock import Clock
from shipit.errors import ShipitError
from shipit.release import Verdict
from shipit.targets.kubernetes.client import KubernetesClient

LOG_LINES, LOG_LOOKS = 20, 6


def with_last_words(verdict: Verdict, client: KubernetesClient, clock: Clock, namespace: str, kubectl: str) -> Verdict:
    """A verdict on a pod with the last lines of its container and the cluster's warnings; any other as it is.

    `kubectl` is how a user would reach the cluster: the command with its context.
    """
    kind, _, rest = verdict.subject.partition(":")
    if kind != "pod":
        return verdict
    own, pod, container = rest.split("/")
    namespace = own or namespace
    lines: list[str] = []
    try:
        lines = _last_words(client, clock, namespace, pod, container, is_patient=not verdict.detail)
        events = client.listed("api/v1", "events", namespace)
    except ShipitError:
        events = []
    said = [
        f"{item.get('reason')}: {item.get('message')}"
        for item in events
        if (item.get("involvedObject") or {}).get("name") == pod and item.get("type") == "Warning"
    ]
    detail = (*verdict.detail, *lines, *(line for line in dict.fromkeys(said[-4:]) if line not in verdict.detail))
    return verdict._replace(detail=detail, hint=verdict.hint or f"{kubectl} -n {namespace} describe pod {pod}")


def _last_words(
    client: KubernetesClient, clock: Clock, namespace: str, pod: str, container: str, *, is_patient: bool
) -> list[str]:
    """The log of the run that crashed. While the kubelet starts the next one neither has a log: it is asked again."""
    for _ in range(LOG_LOOKS if container and is_patient else 1):
        for previous in (True, False):
            if lines := client.logs(namespace, pod, container, previous=previous, lines=LOG_LINES):
                return lines
        if is_patient:
            clock.sleep(0.5)
    return []
