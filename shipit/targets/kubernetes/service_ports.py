"""From a port of a Service to that of a pod. Pure.

Source: Kubernetes concepts, "Service", port definitions: `targetPort` is a number, or the name of a container's port.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from shipit.errors import RemoteError
from shipit.http.fields import Field
from shipit.targets.kubernetes.running import Candidate


class ServicePorts(NamedTuple):
    """A Service: `ports` is port -> the pod's port, as a number or the name of it."""

    name: str
    selector: Mapping[str, str]
    ports: Mapping[int, int | str]


def parse_service_ports(part: Field) -> ServicePorts:
    rows = list(part["spec"]["ports"].rows())
    ports: dict[int, int | str] = {}
    for row in rows:
        target = row["targetPort"]
        port = row["port"].whole()
        ports[port] = target.text() if target.is_text else target.whole(port)
    return ServicePorts(part["metadata"]["name"].text(), part["spec"]["selector"].texts(), ports)


def pod_port(services: Iterable[ServicePorts], found: Candidate, port: int) -> int:
    """The port of a pod: that to which a Service of the pod leads, or the same number. Raises: RemoteError."""
    labels = found.pod.meta.labels.items()
    for service in services:
        if service.selector and service.selector.items() <= labels and port in service.ports:
            target = service.ports[port]
            if isinstance(target, int):
                return target
            if target not in found.ports:
                what = f"no container of {found.pod.meta.name} has a port named {target}"
                raise RemoteError(what, where=f"Service/{service.name}")
            return found.ports[target]
    return port
