"""The keys of one workload, as they are written."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from shipit.config.units import Port
from shipit.targets.kubernetes.concise.container import ContainerConfig
from shipit.targets.kubernetes.concise.names import Count
from shipit.targets.kubernetes.concise.ports import PortConfig
from shipit.targets.kubernetes.concise.probes import HealthConfig, ProbeConfig
from shipit.targets.kubernetes.concise.scale import ScaleConfig
from shipit.targets.kubernetes.host import HostName


class WorkloadKeys(ContainerConfig):
    """The keys, each checked by itself."""

    kind: Literal["deployment", "pod"] = Field(
        "deployment", description="A Deployment, or one bare Pod.", examples=["pod"]
    )
    port: Port | None = Field(
        None, description="The port that it listens on; creates a Service, and sets PORT.", examples=[3000]
    )
    ports: tuple[PortConfig, ...] = Field(
        (), description="Further ports, in the pods and in the Service.", examples=[[9090, "53/udp"]]
    )
    replicas: Count | None = Field(
        None, description="The number of pods; with scale the number at first. 1 when absent.", examples=[3]
    )
    health: HealthConfig | None = Field(
        None,
        description="A path that answers 200 when the workload is ready; as a map it makes all three probes.",
        examples=["/healthz"],
    )
    readiness: ProbeConfig | None = Field(
        None, description="Whether a pod gets requests; false for no such probe.", examples=["/ready"]
    )
    liveness: ProbeConfig | None = Field(
        None, description="Whether a container is restarted; false for no such probe.", examples=["/alive"]
    )
    startup: ProbeConfig | None = Field(
        None, description="Whether the container has started; the others wait for it.", examples=[{"failures": 60}]
    )
    host: HostName | None = Field(
        None, description="A host name; creates an Ingress to the Service.", examples=["shop.example.com"]
    )
    scale: ScaleConfig | None = Field(
        None,
        description="Autoscaling by CPU use; deploys keep the autoscaler's current number of replicas.",
        examples=[{"min": 2, "max": 10}],
    )
