"""The ports of a workload in its container and its Service. Pure.

Source: Kubernetes API reference, v1 ContainerPort and ServicePort.
"""

from __future__ import annotations

from collections.abc import Sequence

from shipit.targets.kubernetes.concise.keys import WorkloadKeys
from shipit.targets.kubernetes.concise.ports import MAIN, PortConfig
from shipit.targets.kubernetes.render import Manifest


def all_ports(main: int | None, others: Sequence[PortConfig]) -> list[PortConfig]:
    """The main port, which is called http, and the others."""
    first = [] if main is None else [PortConfig(port=main, name=MAIN)]
    return [*first, *others]


def container_ports(main: int | None, others: Sequence[PortConfig]) -> Manifest:
    rows = [
        {"containerPort": port.port, "name": port.title, "protocol": port.protocol.upper()}
        for port in all_ports(main, others)
    ]
    return {"ports": rows} if rows else {}


def service_ports(config: WorkloadKeys) -> list[Manifest]:
    return [
        {
            "name": port.title,
            "port": port.service_port or port.port,
            "targetPort": port.port,
            "protocol": port.protocol.upper(),
        }
        for port in all_ports(config.port, config.all_ports)
    ]
