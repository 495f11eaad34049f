"""The configuration of a Swarm target in deploy.yml."""

from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, field_validator, model_validator

from shipit.config.folder import ProjectFolder
from shipit.config.image import ImageConfig
from shipit.config.part import Model, forbid
from shipit.config.position import Keys
from shipit.config.units import Duration, Flag, Misplaced, Whole, matching
from shipit.errors import ConfigError
from shipit.targets.engine.container_config import (
    MOST_REPLICAS,
    EngineServiceConfig,
    Host,
    NotEmpty,
    ServiceName,
    ServicesConfig,
    named_services,
)
from shipit.targets.engine.container_values import parse_tmpfs, tmpfs_options
from shipit.targets.engine.healthcheck import Healthcheck, HealthcheckConfig, healthcheck_of, undecided_s

_FILE = "should be the path of a file"
FilePath = Annotated[str, matching(r"^[^-\s][^\x00-\x1f]*$", _FILE)]
_STACK = "should be letters, digits, '-', '_' and '.', beginning with a letter or a digit"
StackName = Annotated[str, matching(r"^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,40}$", _STACK)]
_SEVERAL = "can't be combined with services: move it into one of the services"
_CONSTRAINT = "should be NAME==VALUE or NAME!=VALUE, such as node.role==worker"
Constraint = Annotated[str, matching(r"^\s*[A-Za-z0-9._-]+\s*(==|!=)\s*\S.*$", _CONSTRAINT)]
_SPREAD = "should be node.labels.NAME or engine.labels.NAME"
Spread = Annotated[str, matching(r"^(node|engine)\.labels\.\S+$", _SPREAD)]
_IN_CONTAINER = "should be the path of a file within the container, such as /etc/nginx/nginx.conf"
ContainerPath = Annotated[str, matching(r"^/[^\s:]*[^\s:/]$", _IN_CONTAINER)]

_RELATIVE = "paths are relative to deploy.yml"


class BatchesConfig(Model):
    """The way in which Swarm replaces the tasks of a service, some of them at a time."""

    order: Literal["start-first", "stop-first"] | None = Field(
        None,
        description="start-first when absent; stop-first for a port that is published on the nodes themselves.",
        examples=["stop-first"],
    )
    parallelism: Whole = Field(
        1, ge=0, le=MOST_REPLICAS, description="Tasks replaced at the same time; 0 for all.", examples=[2]
    )
    delay: Duration = Field(0.0, description="The time between two batches.", examples=["10s"])
    monitor: Duration = Field(
        5.0,
        description="How long a new task is watched for failure before Swarm goes on; with 0s Swarm watches none.",
        examples=["20s"],
    )
    max_failure_ratio: float = Field(
        0.0, ge=0, le=1, description="The share of new tasks that may fail.", examples=[0.1]
    )


class UpdateConfig(BatchesConfig):
    """An update of a service."""

    failure_action: Literal["rollback", "pause", "continue"] = Field(
        "rollback",
        description="What Swarm does when a new task fails. With monitor: 0s it rolls nothing back.",
        examples=["pause"],
    )


class RollbackConfig(BatchesConfig):
    """Swarm's own return to the earlier version, when an update failed."""

    failure_action: Literal["pause", "continue"] = Field(
        "pause", description="What Swarm does when a task of the earlier version fails.", examples=["continue"]
    )


class PlacementConfig(Model):
    """The nodes that may run the tasks of a service."""

    constraints: tuple[Constraint, ...] = Field(
        (), description="All of them have to hold for a node.", examples=[["node.role==worker"]]
    )
    spread: tuple[Spread, ...] = Field(
        (), description="Labels over whose values tasks are spread evenly.", examples=[["node.labels.zone"]]
    )
    max_per_node: Whole = Field(0, ge=0, description="The most replicas on one node; 0 for no limit.", examples=[1])


class SwarmServiceConfig(EngineServiceConfig):
    """One service: tasks of one image, with one command."""

    replicas: Whole | None = Field(
        None,
        ge=1,
        le=MOST_REPLICAS,
        description="The number of tasks; unchanged when absent, and 1 for a new service.",
        examples=[2],
    )
    publish: tuple[str, ...] = Field((), description="Published ports: [PUBLISHED:]PORT[/udp].", examples=[["80:3000"]])
    networks: tuple[NotEmpty, ...] = Field(
        (), description="Existing overlay networks that it joins beside that of the app.", examples=[["proxy"]]
    )
    mode: Literal["replicated", "global"] = Field(
        "replicated", description="global runs one task on every node.", examples=["global"]
    )
    endpoint_mode: Literal["vip", "dnsrr"] = Field(
        "vip",
        description="How its name resolves: to one virtual address, or to those of the tasks.",
        examples=["dnsrr"],
    )
    publish_mode: Literal["ingress", "host"] | None = Field(
        None,
        description="ingress publishes ports on every node, host only where a task runs; ingress when absent, and host with endpoint_mode dnsrr.",
        examples=["host"],
    )
    healthcheck: HealthcheckConfig | None = Field(
        None,
        description="A health check instead of the image's HEALTHCHECK.",
        examples=[{"test": "wget -qO- http://localhost:3000/healthz", "interval": "5s"}],
    )
    update: UpdateConfig = Field(
        default_factory=UpdateConfig,
        description="How its tasks are replaced.",
        examples=[{"parallelism": 2, "monitor": "20s"}],
    )
    rollback: RollbackConfig | None = Field(
        None,
        description="How Swarm replaces its tasks back when an update failed; as update says when absent.",
        examples=[{"parallelism": 0, "monitor": "20s"}],
    )
    placement: PlacementConfig = Field(
        default_factory=PlacementConfig,
        description="Which nodes run it.",
        examples=[{"constraints": ["node.role==worker"]}],
    )
    secret_files: tuple[NotEmpty, ...] = Field(
        (),
        description="Secrets of this file that are files of /run/secrets instead of variables.",
        examples=[["TOKEN"]],
    )
    configs: dict[ContainerPath, NotEmpty] = Field(
        default_factory=dict,
        description="Files of the project in the container: path there -> path here.",
        examples=[{"/etc/nginx/nginx.conf": "nginx.conf"}],
    )

    @field_validator("tmpfs")
    @classmethod
    def _tmpfs_in_a_swarm(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for text in value:
            tmpfs_options(parse_tmpfs(text))
        return value

    @model_validator(mode="after")
    def _together_in_a_swarm(self) -> Self:
        for index, port in enumerate(self.published):
            if port.ip:
                raise Misplaced("can't have an address: Swarm publishes a port on every address", "publish", index)
        if self.endpoint_mode == "dnsrr" and self.publish_mode == "ingress" and self.publish:
            raise Misplaced("can't be ingress with endpoint_mode: dnsrr", "publish_mode", hint="write host")
        if self.mode == "global":
            for key in ("replicas", "placement"):
                is_set = self.replicas is not None if key == "replicas" else bool(self.placement.max_per_node)
                if is_set:
                    raise Misplaced("can't be set with mode: global", key)
        return self

    @property
    def is_on_nodes(self) -> bool:
        """True when it publishes ports of the nodes on which its tasks run."""
        return bool(self.publish) and (self.publish_mode == "host" or self.endpoint_mode == "dnsrr")

    @property
    def longest_wait_s(self) -> float:
        """Seconds that Swarm may wait between two changes: for the next batch, or for a failure."""
        return max(one.delay + one.monitor for one in (self.update, self.rollback or self.update))

    @property
    def undecided_s(self) -> float:
        """Seconds that the health check of a task may take until it decides."""
        return undecided_s(healthcheck_of(self.healthcheck) or Healthcheck())

    @property
    def usual_order(self) -> Literal["start-first", "stop-first"]:
        """The order where deploy.yml has none: two tasks on one node can't publish the same port of it."""
        return "stop-first" if self.is_on_nodes and self.is_fixed else "start-first"


_SERVICE_KEYS = frozenset(SwarmServiceConfig.model_fields)


class SwarmConfig(ServicesConfig):
    """Services of a Docker swarm. Service keys right under it are one service named after the app."""

    also_known: ClassVar[frozenset[str]] = _SERVICE_KEYS
    reverts: ClassVar[bool] = True
    repository_for: ClassVar[str] = "for the nodes to pull from"
    inline = SwarmServiceConfig
    rules = tuple(forbid(key, _SEVERAL, beside="services") for key in sorted(_SERVICE_KEYS))

    host: Host | None = Field(
        None,
        description="A manager of the swarm; the engine that the docker command uses when absent.",
        examples=["ssh://deploy@manager1"],
    )
    nodes: dict[NotEmpty, Host] = Field(
        default_factory=dict,
        description="Name of a node -> its engine, for shipit exec in tasks that do not run on the manager's node.",
        examples=[{"worker1": "ssh://deploy@worker1"}],
    )
    services: dict[ServiceName, SwarmServiceConfig] = Field(
        default_factory=dict, description="Services by name.", examples=[{"web": {"port": 3000}}]
    )
    file: FilePath | None = Field(
        None,
        description="A stack file, as docker stack deploy takes it, relative to deploy.yml; instead of services.",
        examples=["stack.yml"],
    )
    stack: StackName | None = Field(
        None,
        description="The beginning of the names of the volumes and networks that a stack file makes; app and environment when absent.",
        examples=["shop"],
    )
    take_over: Flag = Field(
        False,
        description="Update the services of a stack that `docker stack deploy` made under the same name, in place; default: an error.",
    )
    images: dict[NotEmpty, str] = Field(
        default_factory=dict,
        description="Service of the stack file -> the image of deploy.yml that it runs; without it, its `image`, `build` or name says which.",
        examples=[{"web": "app"}],
    )
    keep: Whole = Field(
        3,
        ge=1,
        le=20,
        description="How many earlier releases keep their settings, secrets and configs, for rollback.",
        examples=[5],
    )

    @property
    def containers(self) -> Mapping[str, EngineServiceConfig]:
        return self.services

    @model_validator(mode="before")
    @classmethod
    def _one_service(cls, value: Any) -> Any:
        if isinstance(value, dict) and value.get("file") is not None:
            for key in ("services", *sorted(_SERVICE_KEYS)):
                if key in value:
                    raise Misplaced("can't be combined with file: the services are those of the stack file", key)
            return {**value, "services": {}}
        for key in ("stack", "take_over", "images") if isinstance(value, dict) else ():
            if key in value:
                raise Misplaced("is for a stack file", key, hint="add file:, or leave it out")
        return named_services(value, _SERVICE_KEYS)

    def problems_in(
        self, folder: ProjectFolder, images: Mapping[str, ImageConfig], here: Callable[[Keys, str, str], ConfigError]
    ) -> Sequence[ConfigError]:
        unknown = [
            here(("images", service), f"no image {image!r}", f"the images of this file: {', '.join(images)}")
            for service, image in self.images.items()
            if image not in images
        ]
        return [*unknown, *self._missing(folder, here)]

    def _missing(self, folder: ProjectFolder, here: Callable[[Keys, str, str], ConfigError]) -> Iterator[ConfigError]:
        """A mistake for the stack file, and for each file of a config, that is not there."""
        if self.file and not folder.file(self.file).is_file():
            yield here(("file",), f"there is no file {self.file}", _RELATIVE)
        for name, service in self.services.items():
            for path, file in service.configs.items():
                if not folder.file(file).is_file():
                    yield here(("services", name, "configs", path), f"there is no file {file}", _RELATIVE)

    def images_in_manifests(self, folder: ProjectFolder, images: Mapping[str, ImageConfig]) -> Set[str]:
        from shipit.targets.engine.named_images import named_images

        return named_images(folder, (self.file,), self.images, images) if self.file else frozenset()

    def place_keys(self, app: str) -> tuple[str, ...]:
        host = self.host or "the swarm of the docker command"
        if self.file:
            return (f"stack {self.stack or app} of {self.file} on {host}",)
        return tuple(f"swarm service {name or app} on {host}" for name in self.services)
