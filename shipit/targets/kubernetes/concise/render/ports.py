"""The ports of a workload in its container and its Service. Pure.

Source: Kubernetes API reference, v1 ContainerPort and ServicePort.
"""

from __future__ import annotations

from shipit.targets.kubernetes.concise.ports import MAIN, PortConfig
from shipit.targets.kubernetes.concise.workload import WorkloadConfig
from shipit.targets.kubernetes.render import Manifest


def all_ports(config: WorkloadConfig) -> list[PortConfig]:
    """The main port, which is called http, and the others."""
    main = [] if config.port is None else [PortConfig(port=config.port, name=MAIN)]
    return [*main, *config.ports]


def container_ports(config: WorkloadConfig) -> Manifest:
    rows = [
        {"containerPort": port.port, "name": port.title, "protocol": port.protocol.upper()}
        for port in all_ports(config)
    ]
    return {"ports": rows} if rows else {}


def service_ports(config: WorkloadConfig) -> list[Manifest]:
    return [
        {
            "name": port.title,
            "port": port.service_port or port.port,
            "targetPort": port.port,
            "protocol": port.protocol.upper(),
        }
        for port in all_ports(config)
    ]
