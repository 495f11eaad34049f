"""Probing Services: their endpoints, and the health path through the API server's proxy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from shipit.errors import DeadlinePassed, RemoteError
from shipit.http.fields import Field
from shipit.targets.kubernetes.client import KubernetesClient
from shipit.targets.kubernetes.live import Live, Pod
from shipit.targets.kubernetes.observed import KubernetesObserved, Serving
from shipit.targets.kubernetes.server import OWN_REASONS, reason_of

ANSWER_S = 10.0


def ask_services(
    client: KubernetesClient, observed: KubernetesObserved, namespace: str, health: Mapping[str, tuple[int, str]]
) -> Iterator[tuple[str, Serving]]:
    """How each Service with a selector answers. `health`: name of a Service -> port and path of the request."""
    for live in observed.objects.values():
        if live is None or live.kind != "Service" or not live.spec.selector or live.meta.namespace != namespace:
            continue
        name = live.meta.name
        found = Serving(_endpoints(client, namespace, name), _ready(live, observed.pods))
        yield name, _asked(client, namespace, name, found, *health[name]) if name in health else found


def _ready(service: Live, pods: tuple[Pod, ...]) -> int:
    wanted = service.spec.selector.items()
    return sum(pod.is_ready and not pod.meta.is_deleting and wanted <= pod.meta.labels.items() for pod in pods)


def _endpoints(client: KubernetesClient, namespace: str, name: str) -> int | None:
    """The number of ready endpoints; None where this user may not read them."""
    selector = f"kubernetes.io/service-name={name}"
    try:
        slices = client.listed("apis/discovery.k8s.io/v1", "endpointslices", namespace, _count, selector)
    except RemoteError as error:
        if error.status in (403, 404):
            return None
        raise
    return sum(slices)


def _count(part: Field) -> int:
    """The number of ready endpoints of a slice. Source: Kubernetes API reference, EndpointConditions: unknown means ready."""
    return sum(row["conditions"]["ready"].flag(True) for row in part["endpoints"].rows())


def _asked(client: KubernetesClient, namespace: str, name: str, found: Serving, port: int, path: str) -> Serving:
    if found.endpoints == 0:
        return found
    from shipit.targets.kubernetes.logs import through_service

    try:
        with through_service(client, namespace, name, port, path, ANSWER_S) as answer:
            reason, status = reason_of(answer), answer.status
    except DeadlinePassed:
        client.deadline.check(f"Service/{name} to answer GET {path}")
        return Serving(found.endpoints, found.ready_pods, path, 0)
    if reason == "Forbidden":
        return found
    if status >= 500 and reason in OWN_REASONS:
        return Serving(found.endpoints, found.ready_pods, path, None, "the API server's proxy can't reach it")
    return Serving(found.endpoints, found.ready_pods, path, status)
