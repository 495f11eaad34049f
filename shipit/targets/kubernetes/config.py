"""The configuration of a Kubernetes target in deploy.yml."""

from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from pathlib import Path
from typing import Any, ClassVar, Self

from pydantic import Field, model_validator

from shipit.config.folder import ProjectFolder, expand_home
from shipit.config.image import BuildConfig, ImageConfig
from shipit.config.model import EnvKeys, PortKeys, TargetConfig
from shipit.config.part import forbid
from shipit.config.position import Keys
from shipit.config.units import Duration, Flag, Misplaced
from shipit.errors import ConfigError
from shipit.files import Unreadable
from shipit.targets.kubernetes.concise.file_contents import file_problems
from shipit.targets.kubernetes.concise.names import NotEmpty, WorkloadName
from shipit.targets.kubernetes.concise.security import SecurityConfig
from shipit.targets.kubernetes.concise.workload import PORT_RULES, WorkloadConfig
from shipit.targets.kubernetes.images import ImageField
from shipit.targets.kubernetes.manifest_sources import HelmConfig, ImageRule, ManifestConfig
from shipit.targets.kubernetes.place_config import ImpersonateConfig, NamespaceConfig
from shipit.targets.kubernetes.workload_rules import check_workloads

_WORKLOAD_KEYS = frozenset(WorkloadConfig.model_fields) - {"kind"}
# Keys that bring objects of their own.
_OBJECT_KEYS = ("workloads", "manifests", "kustomize", "helm")
# The workload of keys right under the target; it is named after the app.
ONLY = ""


class KubernetesConfig(TargetConfig):
    """A namespace of a cluster. Workload keys right under it are one workload named after the app."""

    context: NotEmpty | None = Field(
        None, description="The kubeconfig context; the current one when absent.", examples=["prod-eu"]
    )
    contexts: tuple[NotEmpty | tuple[NotEmpty, ...], ...] | None = Field(
        None,
        description="Several contexts, each a target NAME-CONTEXT that starts when the one before is healthy; a list in it starts side by side.",
        examples=[["staging-eu", ["prod-eu", "prod-us"]]],
    )
    server: NotEmpty | None = Field(
        None,
        description="The URL of the API server; an error when the context has another one.",
        examples=["https://10.0.0.1:6443"],
    )
    namespace: NamespaceConfig = Field(
        default_factory=NamespaceConfig,
        description="The namespace; that of the context when absent.",
        examples=["shop"],
    )
    impersonate: ImpersonateConfig | None = Field(
        None,
        description="Act as this user, as kubectl --as does; replaces what the kubeconfig says.",
        examples=["system:serviceaccount:shop:deployer"],
    )
    workloads: dict[WorkloadName, WorkloadConfig] = Field(
        default_factory=dict, description="Workloads by name.", examples=[{"web": {"port": 3000}}]
    )
    manifests: tuple[ManifestConfig, ...] = Field(
        (),
        description="YAML files, folders, patterns and URLs to apply; images of this file are pinned to their digests.",
        examples=[["k8s/"]],
    )
    kustomize: NotEmpty | None = Field(
        None, description="A kustomization to render and apply: its folder.", examples=["overlays/prod"]
    )
    helm: HelmConfig | None = Field(
        None,
        description="A Helm chart to render and apply. Text is its folder.",
        examples=[{"chart": "charts/web", "values": ["values.yaml"]}],
    )
    images: tuple[ImageRule, ...] = Field(
        (),
        description="Fields of custom resources that name images, to be pinned like those of containers.",
        examples=[[{"kind": "Function", "path": "spec.image"}]],
    )
    also_known: ClassVar[frozenset[str]] = _WORKLOAD_KEYS
    reverts: ClassVar[bool] = True
    several: ClassVar[tuple[str, str]] = ("contexts", "context")
    repository_for: ClassVar[str] = "for the cluster to pull from"
    inline = WorkloadConfig
    rules = (
        *PORT_RULES,
        *(
            forbid(key, "can't be combined with workloads: move it into one of the workloads", beside="workloads")
            for key in sorted(_WORKLOAD_KEYS)
        ),
    )

    pending: Duration = Field(
        120.0,
        description="How long to wait without progress, beyond what probes, init containers, Jobs, pulls and volumes take.",
        examples=["5m"],
    )
    take_over: Flag = Field(
        False,
        description="Set fields that another tool applies with another value, such as Argo CD; default: an error. What Helm set and no manifest has is removed.",
    )
    prune: Flag = Field(
        True,
        description="Remove what shipit applied and the file no longer has; with false it stays and the plan lists it.",
        examples=[False],
    )
    pull_secret: Flag = Field(False, description="Create a pull secret with the registry credentials that shipit uses.")

    def acting_as(self, user: str, groups: tuple[str, ...]) -> Self:
        return self.model_copy(update={"impersonate": ImpersonateConfig(user=user, groups=groups)})

    @property
    def files(self) -> dict[int, str]:
        """The files, folders and patterns among the manifests, by their index."""
        return {index: item.path for index, item in enumerate(self.manifests) if item.path is not None}

    @property
    def has_manifests(self) -> bool:
        """Whether it has objects beside its workloads."""
        return bool(self.manifests or self.kustomize or self.helm)

    @property
    def image_fields(self) -> tuple[ImageField, ...]:
        return tuple(ImageField(rule.kind, rule.path) for rule in self.images)

    @model_validator(mode="before")
    @classmethod
    def _one_workload(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        inline = {key: item for key, item in value.items() if key in _WORKLOAD_KEYS}
        if not inline:
            named = [key for key in _OBJECT_KEYS if key in value]
            bare = not named
            if named and not any(value[key] for key in named):
                raise Misplaced("should not be empty", named[0])
            return {**value, "workloads": {ONLY: {}}} if bare else value
        if "workloads" in value:
            raise Misplaced(
                "can't be combined with workloads:", next(iter(inline)), hint="move it into one of the workloads"
            )
        rest = {key: item for key, item in value.items() if key not in inline}
        return {**rest, "workloads": {ONLY: inline}}

    @model_validator(mode="after")
    def _one_context(self) -> Self:
        """Contexts became targets of one context each when the file was read: these did not."""
        if self.contexts is None:
            return self
        if self.context is not None:
            raise Misplaced("can't be combined with contexts:", "context", hint="keep one of them")
        if not self.contexts:
            raise Misplaced("should not be empty", "contexts", hint="such as contexts: [eu, us]")
        what = "should give each context another name than those of the other targets"
        raise Misplaced(what, "contexts", hint="write a target with context: for each")

    @model_validator(mode="after")
    def _workloads(self) -> Self:
        check_workloads(self.workloads, self.timeout)
        return self

    def problems_in(
        self, folder: ProjectFolder, images: Mapping[str, ImageConfig], here: Callable[[Keys, str, str], ConfigError]
    ) -> Sequence[ConfigError]:
        wrong = [
            here(("workloads", name, "files", path), what, hint)
            for name, workload in self.workloads.items()
            for path, what, hint in file_problems(folder, workload.files)
        ]
        wrong += [
            here(("workloads", name, "security"), what, hint)
            for name, workload in self.workloads.items()
            for what, hint in _user_problems(folder, images, workload.image, workload.security)
        ]
        if not self.has_manifests:
            return wrong
        from shipit.targets.kubernetes.manifests import doubled_problems, manifest_problems, read_written
        from shipit.targets.kubernetes.source_problems import source_problems

        problems = manifest_problems(
            folder, self.files, lambda index, what, hint: here(("manifests", index), what, hint)
        )
        # Without a namespace in deploy.yml, that of the context decides of more: the plan tells.
        problems = problems or doubled_problems(
            folder, read_written(folder, self.files.values()), self.namespace.name or ""
        )
        return [*wrong, *problems, *(here(*found) for found in source_problems(self.kustomize, self.helm, folder))]

    def doubts_in(self, folder: ProjectFolder, here: Callable[[Keys, str, str], ConfigError]) -> Sequence[ConfigError]:
        doubts = [
            here(("workloads", name, *keys), what, hint)
            for name, workload in self.workloads.items()
            for keys, what, hint in workload.doubts()
        ]
        if not self.files:
            return doubts
        from shipit.targets.kubernetes.manifests import owned_warnings, server_field_warnings

        names = self.files.values()
        return [*doubts, *server_field_warnings(folder, names), *owned_warnings(folder, names)]

    def port_keys(self) -> Iterator[PortKeys]:
        for name, workload in self.workloads.items():
            above = ("workloads", name)
            if workload.port is not None:
                yield PortKeys((*above, "port"), workload.port, (*above, "env"), workload.env)
            elif [port.protocol for port in workload.ports] == ["tcp"]:
                at, is_own = (*above, "ports", 0, "port"), len(self.workloads) > 1
                yield PortKeys(at, workload.ports[0].port, (*above, "env"), workload.env, is_set=False, is_own=is_own)

    def env_keys(self) -> Iterator[EnvKeys]:
        for name, workload in self.workloads.items():
            yield EnvKeys(("workloads", name, "env"), workload.env)
            for first, container in workload.init.items():
                yield EnvKeys(("workloads", name, "init", first, "env"), container.env)
            for side, beside in workload.sidecars.items():
                yield EnvKeys(("workloads", name, "sidecars", side, "env"), beside.env, gets_all=False)

    def place_keys(self, app: str) -> tuple[str, ...]:
        where = f"context {self.context or 'in use'}, namespace {self.namespace.name or 'of the context'}"
        return tuple(f"{name or app} in {where}" for name in self.workloads)

    def image_keys(self) -> Iterator[tuple[Keys, str | None]]:
        for name, workload in self.workloads.items():
            yield ("workloads", name, "image"), workload.image
            for key in ("init", "sidecars"):
                for other, container in getattr(workload, key).items():
                    # Without one it has the image of the workload.
                    if container.image is not None:
                        yield ("workloads", name, key, other, "image"), container.image

    def images_in_manifests(self, folder: ProjectFolder, images: Mapping[str, ImageConfig]) -> Set[str]:
        if self.kustomize or self.helm or len(self.files) < len(self.manifests):
            # Which images they use is known when they are rendered.
            return frozenset(images)
        if not self.files:
            return frozenset()
        from shipit.targets.kubernetes.images import image_for, image_names
        from shipit.targets.kubernetes.manifests import read_manifests

        repositories = {name: image.repository or "" for name, image in images.items()}
        texts = [
            text
            for manifest in read_manifests(folder, self.files.values())
            for text in image_names(manifest, self.image_fields)
        ]
        return {name for text in texts if (name := image_for(text, repositories))}


def _user_problems(
    folder: ProjectFolder, images: Mapping[str, ImageConfig], name: str | None, security: SecurityConfig
) -> Iterator[tuple[str, str]]:
    """What the kubelet will refuse of an image that is built here: its user is root, or has no number."""
    image = images.get(name) if name else next(iter(images.values()), None) if len(images) == 1 else None
    if image is None or image.use:
        return
    from shipit.targets.kubernetes.concise.image_user import check_user

    build = image.build or BuildConfig()
    try:
        dockerfile = folder.read(Path(build.context) / expand_home(build.dockerfile, folder.home))
    except Unreadable:
        # The build tells what is wrong with it.
        return
    what, hint = check_user(security, dockerfile, build.stage)
    if what:
        yield what, hint
