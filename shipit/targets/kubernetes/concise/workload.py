"""The keys of one workload."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

from pydantic import Field, model_validator

from shipit.config.part import Model, forbid, need
from shipit.config.position import Keys
from shipit.config.units import Command, EnvMap, Misplaced, Port, UrlPath
from shipit.targets.kubernetes.concise.names import Count
from shipit.targets.kubernetes.concise.scale import ScaleConfig
from shipit.targets.kubernetes.host import HostName
from shipit.targets.kubernetes.quantity import Cpu, Memory, doubt_cpu, doubt_memory

_MANY_PODS = 500
_NEEDS_PORT, _BARE_POD = "needs a port", "a bare pod can't have several replicas"
PORT_RULES = tuple(
    need("port", f"{key}: needs a port: add port:, which makes a Service", beside=key) for key in ("health", "host")
)


class WorkloadConfig(Model):
    """One Deployment with its Service, or one bare Pod."""

    shorthand = ({"type": "null"},)
    rules = (*PORT_RULES, *(forbid(key, _BARE_POD, beside="kind", value="pod") for key in ("replicas", "scale")))

    kind: Literal["deployment", "pod"] = Field(
        "deployment", description="A Deployment, or one bare Pod.", examples=["pod"]
    )
    image: str | None = Field(None, description="The image that it runs; the only one when absent.", examples=["web"])
    command: Command | None = Field(
        None,
        description="The command, instead of the image's entrypoint: text for a shell, or a list of words.",
        examples=["node worker.js"],
    )
    port: Port | None = Field(
        None, description="The port that it listens on; creates a Service, and sets PORT.", examples=[3000]
    )
    replicas: Count | None = Field(
        None, description="The number of pods; with scale the number at first. 1 when absent.", examples=[3]
    )
    health: UrlPath | None = Field(
        None, description="A path that answers 200 when the workload is ready.", examples=["/healthz"]
    )
    host: HostName | None = Field(
        None, description="A host name; creates an Ingress to the Service.", examples=["shop.example.com"]
    )
    cpu: Cpu | None = Field(None, description="The CPU request.", examples=["250m"])
    memory: Memory | None = Field(None, description="The memory request and limit.", examples=["256Mi"])
    env: EnvMap = Field(
        default_factory=dict, description="Variables of this workload only.", examples=[{"LOG_LEVEL": "debug"}]
    )
    scale: ScaleConfig | None = Field(
        None,
        description="Autoscaling by CPU use; deploys keep the autoscaler's current number of replicas.",
        examples=[{"min": 2, "max": 10}],
    )

    @model_validator(mode="before")
    @classmethod
    def _empty(cls, value: Any) -> Any:
        return {} if value is None else value

    @model_validator(mode="after")
    def _together(self) -> WorkloadConfig:
        behind_port = next((key for key in ("health", "host") if getattr(self, key)), "")
        if behind_port and self.port is None:
            raise Misplaced(_NEEDS_PORT, behind_port, hint="add port:, which makes a Service")
        many = "replicas" if self.replicas is not None else "scale" if self.scale else ""
        if self.kind == "pod" and many:
            raise Misplaced(_BARE_POD, many, hint="remove it, or kind: pod")
        return self

    def doubts(self) -> Iterator[tuple[Keys, str, str]]:
        """Path, warning and hint for values that are possible but unlikely."""
        counts = {("replicas",): self.replicas, ("scale", "max"): self.scale.max if self.scale else None}
        for keys, count in counts.items():
            if count is not None and count > _MANY_PODS:
                yield keys, f"is {count} pods: is this intended?", ""
        for key, what in (("cpu", doubt_cpu(self.cpu)), ("memory", doubt_memory(self.memory))):
            if what:
                yield (key,), what, ""
        if self.scale and self.cpu is None:
            yield (
                ("scale",),
                "needs the CPU that a pod asks for, which its use is measured against",
                "add cpu:, such as 250m",
            )
