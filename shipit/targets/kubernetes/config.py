"""What deploy.yml says of a Kubernetes target."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, Field, WithJsonSchema, model_validator

from shipit.config.image import ImageConfig
from shipit.config.model import TargetConfig
from shipit.config.part import Model
from shipit.config.position import Keys
from shipit.config.units import Command, EnvMap, Flag, Misplaced, Port, Whole, matching
from shipit.errors import ConfigError

_QUANTITY = re.compile(r"[0-9]+(\.[0-9]+)?(m|k|M|G|T|Ki|Mi|Gi|Ti)?")
_NAME = r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$"
_WORDS = "should be at most 63 lower-case letters, digits and '-', not beginning or ending with '-'"


def _quantity(value: str) -> str:
    if not _QUANTITY.fullmatch(value):
        raise ValueError("should be a quantity such as 250m, 0.5, 256Mi or 1Gi")
    return value


Quantity = Annotated[
    str,
    AfterValidator(_quantity),
    WithJsonSchema(
        {"anyOf": [{"type": "string", "pattern": f"^{_QUANTITY.pattern}$"}, {"type": "number", "minimum": 0}]}
    ),
]
Name = Annotated[str, matching(_NAME, _WORDS)]
# The empty one is ours, for keys right under the target.
WorkloadName = Annotated[str, matching(r"^([a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)?$", _WORDS)]
UrlPath = Annotated[str, matching(r"^/", "should be a path that begins with /")]


class ScaleConfig(Model):
    """A HorizontalPodAutoscaler on CPU."""

    min: Whole = Field(1, ge=1, description="The least replicas.")
    max: Whole = Field(ge=1, description="The most replicas.")
    cpu: Whole = Field(80, ge=1, le=100, description="The CPU use to keep, in percent of the request.")

    @model_validator(mode="after")
    def _in_order(self) -> ScaleConfig:
        if self.min > self.max:
            raise Misplaced(f"should be at most max, which is {self.max}", "min")
        return self


class WorkloadConfig(Model):
    """One Deployment with its Service, or one bare Pod."""

    shorthand = ({"type": "null"},)
    rules = {
        "dependencies": {"health": ["port"], "host": ["port"]},
        "not": {
            "required": ["kind"],
            "properties": {"kind": {"const": "pod"}},
            "anyOf": [{"required": ["replicas"]}, {"required": ["scale"]}],
        },
    }

    kind: Literal["deployment", "pod"] = Field("deployment", description="A Deployment, or one bare Pod.")
    image: str | None = Field(None, description="The image it runs; default: the only one.")
    command: Command | None = Field(None, description="What it runs instead of the image's entrypoint.")
    port: Port | None = Field(None, description="The port it listens on; makes a Service, and PORT in its env.")
    replicas: Whole | None = Field(
        None, ge=0, description="How many pods, or with scale how many to begin with; default: 1."
    )
    health: UrlPath | None = Field(None, description="A path that answers 200 when it is ready.")
    host: str | None = Field(None, description="A host name; makes an Ingress to the Service.")
    cpu: Quantity | None = Field(None, description="CPU requested, such as 250m.")
    memory: Quantity | None = Field(None, description="Memory requested and its limit, such as 256Mi.")
    env: EnvMap = Field(default_factory=dict, description="Variables of this workload only.")
    scale: ScaleConfig | None = Field(
        None, description="Replicas by load: how many there are is then the autoscaler's to say."
    )

    @model_validator(mode="before")
    @classmethod
    def _numbers(cls, value: Any) -> Any:
        if isinstance(value, dict):
            return {k: str(v) if k in ("cpu", "memory") and isinstance(v, int | float) else v for k, v in value.items()}
        return {} if value is None else value

    @model_validator(mode="after")
    def _together(self) -> WorkloadConfig:
        behind_port = next((key for key in ("health", "host") if getattr(self, key)), "")
        if behind_port and self.port is None:
            raise Misplaced("needs a port", behind_port, hint="add port:, which makes a Service")
        many = "replicas" if self.replicas is not None else "scale" if self.scale else ""
        if self.kind == "pod" and many:
            raise Misplaced("a bare pod is one", many, hint="remove it, or kind: pod")
        return self


_WORKLOAD_KEYS = frozenset(WorkloadConfig.model_fields) - {"kind"}
# The workload that keys right under the target make; it is renamed after the app.
ONLY = ""


class KubernetesConfig(TargetConfig):
    """A namespace of a cluster. Workload keys right under it are one workload named after the app."""

    context: str | None = Field(None, description="The kubeconfig context; default: the current one.")
    server: str | None = Field(None, description="The API server that the context must lead to.")
    namespace: Name | None = Field(None, description="The namespace; default: the context's.")
    workloads: dict[WorkloadName, WorkloadConfig] = Field(default_factory=dict, description="Workloads by name.")
    manifests: tuple[str, ...] = Field((), description="YAML files and folders, applied with our images pinned.")
    also_known: ClassVar[frozenset[str]] = _WORKLOAD_KEYS
    inline = WorkloadConfig
    rules = {"not": {"required": ["workloads"], "anyOf": [{"required": [key]} for key in sorted(_WORKLOAD_KEYS)]}}

    pull_secret: Flag = Field(False, description="Give the cluster the registry credentials in use here.")

    @model_validator(mode="before")
    @classmethod
    def _one_workload(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        inline = {key: item for key, item in value.items() if key in _WORKLOAD_KEYS}
        if not inline:
            bare = "workloads" not in value and "manifests" not in value
            return {**value, "workloads": {ONLY: {}}} if bare else value
        if "workloads" in value:
            raise Misplaced("stands beside workloads:", next(iter(inline)), hint="move it into one of the workloads")
        rest = {key: item for key, item in value.items() if key not in inline}
        return {**rest, "workloads": {ONLY: inline}}

    @model_validator(mode="after")
    def _hosts(self) -> KubernetesConfig:
        owners: dict[str, str] = {}
        for name, workload in self.workloads.items():
            if workload.host and owners.setdefault(workload.host, name) != name:
                raise Misplaced(
                    f"has the host {workload.host}, as {owners[workload.host]} has", "workloads", name, "host"
                )
        return self

    def problems_in(
        self, root: Path, images: Mapping[str, ImageConfig], here: Callable[[Keys, str, str], ConfigError]
    ) -> Sequence[ConfigError]:
        if not self.manifests:
            return ()
        from shipit.targets.kubernetes.manifests import manifest_problems

        return manifest_problems(root, self.manifests, lambda index, what, hint: here(("manifests", index), what, hint))

    def place_keys(self, app: str) -> tuple[str, ...]:
        where = f"context {self.context or 'in use'}, namespace {self.namespace or 'of the context'}"
        return tuple(f"{name or app} in {where}" for name in self.workloads)

    def image_keys(self) -> Iterator[tuple[Keys, str | None]]:
        for name, workload in self.workloads.items():
            yield ("workloads", name, "image"), workload.image
