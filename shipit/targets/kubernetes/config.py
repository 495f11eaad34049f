"""The configuration of a Kubernetes target in deploy.yml."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from shipit.config.folder import ProjectFolder
from shipit.config.image import ImageConfig
from shipit.config.model import PortKeys, TargetConfig
from shipit.config.part import Model, forbid, need
from shipit.config.position import Keys
from shipit.config.units import Command, Duration, EnvMap, Flag, Misplaced, Port, UrlPath, Whole, matching
from shipit.errors import ConfigError
from shipit.targets.kubernetes.host import HostName
from shipit.targets.kubernetes.quantity import Cpu, Memory, doubt_cpu, doubt_memory

_NAME = r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$"
_WORDS = "should be at most 63 lower-case letters, digits and '-', not beginning or ending with '-'"


Name = Annotated[str, matching(_NAME, _WORDS)]
# A variable may be empty: that is another place than none.
NotEmpty = Annotated[str, matching(r"^.+$", "should not be empty")]
# The empty name is the workload of keys right under the target.
WorkloadName = Annotated[str, matching(r"^([a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)?$", _WORDS)]
# The pod limit of the largest clusters: kubernetes.io, "Considerations for large clusters".
MOST_PODS = 150_000
Count = Annotated[Whole, Field(ge=0, le=MOST_PODS)]
_MANY_PODS = 500


class ScaleConfig(Model):
    """A HorizontalPodAutoscaler on CPU."""

    min: Whole = Field(1, ge=1, le=MOST_PODS, description="The smallest number of replicas.", examples=[2])
    max: Whole = Field(ge=1, le=MOST_PODS, description="The largest number of replicas.", examples=[10])
    cpu: Whole = Field(
        80, ge=1, le=100, description="The CPU use to aim for, in percent of the request.", examples=[70]
    )

    @model_validator(mode="after")
    def _in_order(self) -> ScaleConfig:
        if self.min > self.max:
            raise Misplaced(f"should be at most max, which is {self.max}", "min")
        return self


_NEEDS_PORT, _BARE_POD = "needs a port", "a bare pod can't have several replicas"
_PORT_RULES = tuple(
    need("port", f"{key}: needs a port: add port:, which makes a Service", beside=key) for key in ("health", "host")
)


class WorkloadConfig(Model):
    """One Deployment with its Service, or one bare Pod."""

    shorthand = ({"type": "null"},)
    rules = (*_PORT_RULES, *(forbid(key, _BARE_POD, beside="kind", value="pod") for key in ("replicas", "scale")))

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


_WORKLOAD_KEYS = frozenset(WorkloadConfig.model_fields) - {"kind"}
# The workload of keys right under the target; it is named after the app.
ONLY = ""


class KubernetesConfig(TargetConfig):
    """A namespace of a cluster. Workload keys right under it are one workload named after the app."""

    context: NotEmpty | None = Field(
        None, description="The kubeconfig context; the current one when absent.", examples=["prod-eu"]
    )
    server: NotEmpty | None = Field(
        None,
        description="The URL of the API server; an error when the context has another one.",
        examples=["https://10.0.0.1:6443"],
    )
    namespace: Name | None = Field(
        None, description="The namespace; that of the context when absent.", examples=["shop"]
    )
    workloads: dict[WorkloadName, WorkloadConfig] = Field(
        default_factory=dict, description="Workloads by name.", examples=[{"web": {"port": 3000}}]
    )
    manifests: tuple[str, ...] = Field(
        (),
        description="YAML files and folders to apply; images of this file are pinned to their digests.",
        examples=[["k8s/"]],
    )
    also_known: ClassVar[frozenset[str]] = _WORKLOAD_KEYS
    reverts: ClassVar[bool] = True
    repository_for: ClassVar[str] = "for the cluster to pull from"
    inline = WorkloadConfig
    rules = (
        *_PORT_RULES,
        *(
            forbid(key, "can't be combined with workloads: move it into one of the workloads", beside="workloads")
            for key in sorted(_WORKLOAD_KEYS)
        ),
    )

    pending: Duration = Field(
        120.0,
        description="How long to wait without progress, beyond what probes and running init containers take.",
        examples=["5m"],
    )
    take_over: Flag = Field(
        False,
        description="Set fields that another tool applies with another value, such as Argo CD; default: an error.",
    )
    prune: Flag = Field(
        True,
        description="Remove what shipit applied and the file no longer has; with false it stays and the plan lists it.",
        examples=[False],
    )
    pull_secret: Flag = Field(False, description="Create a pull secret with the registry credentials that shipit uses.")

    @model_validator(mode="before")
    @classmethod
    def _one_workload(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        inline = {key: item for key, item in value.items() if key in _WORKLOAD_KEYS}
        if not inline:
            bare = "workloads" not in value and "manifests" not in value
            if not bare and not value.get("workloads") and not value.get("manifests"):
                raise Misplaced("should not be empty", "workloads" if "workloads" in value else "manifests")
            return {**value, "workloads": {ONLY: {}}} if bare else value
        if "workloads" in value:
            raise Misplaced(
                "can't be combined with workloads:", next(iter(inline)), hint="move it into one of the workloads"
            )
        rest = {key: item for key, item in value.items() if key not in inline}
        return {**rest, "workloads": {ONLY: inline}}

    @model_validator(mode="after")
    def _services(self) -> KubernetesConfig:
        """The name of a Service begins with a letter (RFC 1035)."""
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
                    f"is the host of {owners[workload.host]} too: {workload.host}", "workloads", name, "host"
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
        from shipit.targets.kubernetes.images import image_for, image_names
        from shipit.targets.kubernetes.manifests import read_manifests

        repositories = {name: image.repository or "" for name, image in images.items()}
        texts = [text for manifest in read_manifests(folder, self.manifests) for text in image_names(manifest)]
        return {name for text in texts if (name := image_for(text, repositories))}
