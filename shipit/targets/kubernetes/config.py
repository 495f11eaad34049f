"""What deploy.yml says of a Kubernetes target."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from shipit.config.folder import ProjectFolder
from shipit.config.image import ImageConfig
from shipit.config.model import PortKeys, TargetConfig
from shipit.config.part import Model
from shipit.config.position import Keys
from shipit.config.units import Command, EnvMap, Flag, Misplaced, Port, UrlPath, Whole, matching
from shipit.errors import ConfigError
from shipit.targets.kubernetes.host import HostName
from shipit.targets.kubernetes.quantity import Cpu, Memory, doubt_cpu, doubt_memory

_NAME = r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$"
_WORDS = "should be at most 63 lower-case letters, digits and '-', not beginning or ending with '-'"


Name = Annotated[str, matching(_NAME, _WORDS)]
# The empty one is ours, for keys right under the target.
WorkloadName = Annotated[str, matching(r"^([a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)?$", _WORDS)]
# The most that any cluster can run: kubernetes.io, "Considerations for large clusters".
MOST_PODS = 150_000
Count = Annotated[Whole, Field(ge=0, le=MOST_PODS)]
_MANY_PODS = 500


class ScaleConfig(Model):
    """A HorizontalPodAutoscaler on CPU."""

    min: Whole = Field(1, ge=1, le=MOST_PODS, description="The least replicas.")
    max: Whole = Field(ge=1, le=MOST_PODS, description="The most replicas.")
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
    replicas: Count | None = Field(None, description="How many pods, or with scale how many to begin with; default: 1.")
    health: UrlPath | None = Field(None, description="A path that answers 200 when it is ready.")
    host: HostName | None = Field(None, description="A host name; makes an Ingress to the Service.")
    cpu: Cpu | None = Field(None, description="CPU requested, such as 250m.")
    memory: Memory | None = Field(None, description="Memory requested and its limit, such as 256Mi.")
    env: EnvMap = Field(default_factory=dict, description="Variables of this workload only.")
    scale: ScaleConfig | None = Field(
        None, description="Replicas by load: how many there are is then the autoscaler's to say."
    )

    @model_validator(mode="before")
    @classmethod
    def _empty(cls, value: Any) -> Any:
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

    def doubts(self) -> Iterator[tuple[Keys, str, str]]:
        """Path, what is suspicious, and what to do; for what is possible all the same."""
        counts = {("replicas",): self.replicas, ("scale", "max"): self.scale.max if self.scale else None}
        for keys, count in counts.items():
            if count is not None and count > _MANY_PODS:
                yield keys, f"is {count} pods: is that meant?", ""
        for key, what in (("cpu", doubt_cpu(self.cpu)), ("memory", doubt_memory(self.memory))):
            if what:
                yield (key,), what, ""
        if self.scale and self.cpu is None:
            yield (
                ("scale",),
                "needs the CPU that a pod asks for, which its use is measured against",
                "add cpu:, such as 250m",
            )


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
    reverts: ClassVar[bool] = True
    repository_for: ClassVar[str] = "for the cluster to pull from"
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
            if not bare and not value.get("workloads") and not value.get("manifests"):
                raise Misplaced("should hold something to deploy", "workloads" if "workloads" in value else "manifests")
            return {**value, "workloads": {ONLY: {}}} if bare else value
        if "workloads" in value:
            raise Misplaced("stands beside workloads:", next(iter(inline)), hint="move it into one of the workloads")
        rest = {key: item for key, item in value.items() if key not in inline}
        return {**rest, "workloads": {ONLY: inline}}

    @model_validator(mode="after")
    def _services(self) -> KubernetesConfig:
        """A Service's name is one of RFC 1035, which begins with a letter."""
        for name, workload in self.workloads.items():
            if workload.port is not None and name[:1].isdigit():
                what = "should begin with a letter, since port: makes a Service of this name"
                raise Misplaced(what, "workloads", name, hint="rename it, or leave out port:")
        return self

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
        self, folder: ProjectFolder, images: Mapping[str, ImageConfig], here: Callable[[Keys, str, str], ConfigError]
    ) -> Sequence[ConfigError]:
        if not self.manifests:
            return ()
        from shipit.targets.kubernetes.manifests import manifest_problems

        return manifest_problems(
            folder, self.manifests, lambda index, what, hint: here(("manifests", index), what, hint)
        )

    def doubts_in(self, here: Callable[[Keys, str, str], ConfigError]) -> Sequence[ConfigError]:
        return [
            here(("workloads", name, *keys), what, hint)
            for name, workload in self.workloads.items()
            for keys, what, hint in workload.doubts()
        ]

    def port_keys(self) -> Iterator[PortKeys]:
        for name, workload in self.workloads.items():
            if workload.port is not None:
                above = ("workloads", name)
                yield PortKeys((*above, "port"), workload.port, (*above, "env"), workload.env)

    def env_keys(self) -> Iterator[tuple[Keys, Mapping[str, str | None]]]:
        for name, workload in self.workloads.items():
            yield ("workloads", name, "env"), workload.env

    def place_keys(self, app: str) -> tuple[str, ...]:
        where = f"context {self.context or 'in use'}, namespace {self.namespace or 'of the context'}"
        return tuple(f"{name or app} in {where}" for name in self.workloads)

    def image_keys(self) -> Iterator[tuple[Keys, str | None]]:
        for name, workload in self.workloads.items():
            yield ("workloads", name, "image"), workload.image

    def images_in_manifests(self, folder: ProjectFolder, images: Mapping[str, ImageConfig]) -> Set[str]:
        if not self.manifests:
            return frozenset()
        from shipit.targets.kubernetes.manifests import image_for, image_names, read_manifests

        repositories = {name: image.repository or "" for name, image in images.items()}
        texts = [text for manifest in read_manifests(folder, self.manifests) for text in image_names(manifest)]
        return {name for text in texts if (name := image_for(text, repositories))}
