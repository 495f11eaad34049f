"""The configuration of a Docker target in deploy.yml."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema, field_validator, model_validator

from shipit.config.folder import ProjectFolder
from shipit.config.image import ImageConfig
from shipit.config.model import PortKeys, TargetConfig
from shipit.config.part import Model, forbid, need
from shipit.config.position import Keys
from shipit.config.units import Command, Duration, EnvMap, Flag, Misplaced, Port, UrlPath, Whole, matching
from shipit.errors import ConfigError
from shipit.targets.docker.values import Publish, Volume, parse_publish, parse_size, parse_volume, render_size

_NAME = "should be at most 40 lower-case letters, digits and '-', not beginning or ending with '-'"
# The empty name is the service of keys right under the target.
ServiceName = Annotated[str, matching(r"^([a-z0-9]([-a-z0-9]{0,38}[a-z0-9])?)?$", _NAME)]
_HOST = "should be unix://SOCKET, tcp://HOST:PORT, ssh://USER@HOST or context:NAME"
Host = Annotated[str, matching(r"^((unix|tcp|ssh)://\S+|context:\S+)$", _HOST)]
_CAPABILITY = "should be a Linux capability such as NET_ADMIN"
Capability = Annotated[str, matching(r"^[A-Z_]{2,40}$", _CAPABILITY)]
NotEmpty = Annotated[str, matching(r"^\S+$", "should be text without spaces")]
Size = Annotated[
    int,
    BeforeValidator(parse_size),
    PlainSerializer(render_size),
    WithJsonSchema({"type": ["string", "integer"], "pattern": r"^\d{1,9}([kKmMgG]i?)?[bB]?$"}),
]
Cpus = Annotated[float, Field(gt=0, le=512)]
_MOST_REPLICAS = 100
_HEALTH_PORT = "needs the port that it asks: add port:"
_SEVERAL = "can't be combined with services: move it into one of the services"
# The service of keys right under the target; it is named after the app.
ONLY = ""


class ServiceConfig(Model):
    """One service: containers of one image, with one command."""

    shorthand = ({"type": "null"},)
    rules = (need("port", f"health: {_HEALTH_PORT}", beside="health"),)

    image: str | None = Field(
        None, description="The image of this file that it runs; the only one when absent.", examples=["web"]
    )
    command: Command | None = Field(
        None,
        description="The command, instead of the image's CMD: text for a shell, or a list of words.",
        examples=["node worker.js"],
    )
    entrypoint: Command | None = Field(
        None, description="Replaces the image's ENTRYPOINT.", examples=[["/docker-entrypoint.sh"]]
    )
    env: EnvMap = Field(
        default_factory=dict,
        description="Variables of this service, above those of the file.",
        examples=[{"WORKERS": "4"}],
    )
    port: Port | None = Field(
        None, description="The port that the container listens on; it gets it as PORT.", examples=[3000]
    )
    publish: tuple[str, ...] = Field(
        (), description="Ports of the host: [[IP:]HOST:]PORT[/udp].", examples=[["80:3000", "127.0.0.1:5432:5432"]]
    )
    health: UrlPath | None = Field(
        None,
        description="A path that answers 200 when the container is ready; the image's HEALTHCHECK counts as well.",
        examples=["/healthz"],
    )
    replicas: Whole | None = Field(
        None,
        ge=1,
        le=_MOST_REPLICAS,
        description="The number of containers on each host; unchanged when absent.",
        examples=[2],
    )
    replace: Literal["start-first", "stop-first"] = Field(
        "start-first",
        description="start-first starts the new containers beside the old ones; a published port needs stop-first and gets it.",
        examples=["stop-first"],
    )
    volumes: tuple[str, ...] = Field(
        (), description="NAME:/PATH for a volume, /FOLDER:/PATH for a folder of the host; :ro for read-only.",
        examples=[["uploads:/app/uploads"]],
    )  # fmt: skip
    networks: tuple[NotEmpty, ...] = Field(
        (), description="Existing networks that it joins beside that of the app.", examples=[["proxy"]]
    )
    memory: Size | None = Field(None, description="The memory limit.", examples=["512Mi"])
    cpu: Cpus | None = Field(None, description="The limit in CPUs.", examples=[0.5])
    restart: Literal["unless-stopped", "on-failure", "no"] = Field(
        "unless-stopped", description="When the engine restarts a container that ends.", examples=["on-failure"]
    )
    grace: Duration = Field(10.0, description="How long it may take to end after SIGTERM.", examples=["30s"])
    user: NotEmpty | None = Field(None, description="The user, instead of the image's.", examples=["1000:1000"])
    workdir: NotEmpty | None = Field(None, description="The working directory.", examples=["/var/www"])
    hostname: NotEmpty | None = Field(None, description="The host name within the container.", examples=["web"])
    read_only: Flag = Field(False, description="Mount the image read-only.", examples=[True])
    init: Flag = Field(
        False, description="Run an init process that forwards signals and reaps children.", examples=[True]
    )
    tmpfs: tuple[NotEmpty, ...] = Field((), description="Folders in memory.", examples=[["/tmp"]])
    labels: dict[NotEmpty, str] = Field(
        default_factory=dict, description="Labels of the containers.", examples=[{"traefik.enable": "true"}]
    )
    cap_add: tuple[Capability, ...] = Field((), description="Linux capabilities to add.", examples=[["NET_ADMIN"]])
    cap_drop: tuple[Capability, ...] = Field((), description="Linux capabilities to drop.", examples=[["ALL"]])
    extra_hosts: tuple[NotEmpty, ...] = Field(
        (), description="Lines of /etc/hosts: NAME:ADDRESS.", examples=[["db:10.0.0.5"]]
    )
    dns: tuple[NotEmpty, ...] = Field((), description="DNS servers.", examples=[["10.0.0.2"]])

    @model_validator(mode="before")
    @classmethod
    def _empty(cls, value: Any) -> Any:
        return {} if value is None else value

    @field_validator("publish")
    @classmethod
    def _valid_publish(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for text in value:
            parse_publish(text)
        return value

    @field_validator("volumes")
    @classmethod
    def _valid_volumes(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for text in value:
            parse_volume(text)
        return value

    @model_validator(mode="after")
    def _together(self) -> Self:
        if self.health and self.port is None:
            raise Misplaced(_HEALTH_PORT, "health")
        if self.is_fixed and (self.replicas or 1) > 1:
            what = "can be published by one container only, and replicas: is more than 1"
            raise Misplaced(what, "publish", hint="leave out the port of the host, or set replicas: 1")
        if reserved := next((name for name in self.labels if name.startswith("dev.shipit.")), ""):
            raise Misplaced("is a label that shipit keeps for itself", "labels", reserved, hint="choose another name")
        return self

    @property
    def published(self) -> tuple[Publish, ...]:
        return tuple(parse_publish(text) for text in self.publish)

    @property
    def mounts(self) -> tuple[Volume, ...]:
        return tuple(parse_volume(text) for text in self.volumes)

    @property
    def is_fixed(self) -> bool:
        """True when it publishes a certain port of the host, which only one container can have."""
        return any(port.host for port in self.published)

    @property
    def order(self) -> Literal["start-first", "stop-first"]:
        """The order of a replacement: two containers can't publish the same port of the host."""
        return "stop-first" if self.is_fixed else self.replace


_SERVICE_KEYS = frozenset(ServiceConfig.model_fields)


class DockerConfig(TargetConfig):
    """Containers on Docker hosts. Service keys right under it are one service named after the app."""

    also_known: ClassVar[frozenset[str]] = _SERVICE_KEYS
    reverts: ClassVar[bool] = True
    repository_for: ClassVar[str] = "for the hosts to pull from"
    inline = ServiceConfig
    rules = (
        *ServiceConfig.rules,
        *(forbid(key, _SEVERAL, beside="services") for key in sorted(_SERVICE_KEYS)),
    )

    hosts: tuple[Host, ...] = Field(
        (),
        description="The engines, each of which runs every service; the one that the docker command uses when absent.",
        examples=[["ssh://deploy@web1"]],
    )
    services: dict[ServiceName, ServiceConfig] = Field(
        default_factory=dict, description="Services by name.", examples=[{"web": {"port": 3000}}]
    )
    keep: Whole = Field(
        3,
        ge=1,
        le=20,
        description="How many earlier releases keep their stopped containers, for rollback.",
        examples=[5],
    )

    @model_validator(mode="before")
    @classmethod
    def _one_service(cls, value: Any) -> Any:
        value = {} if value is None else value
        if not isinstance(value, dict):
            return value
        inline = {key: item for key, item in value.items() if key in _SERVICE_KEYS}
        if "services" in value:
            if inline:
                what = "can't be combined with services:"
                raise Misplaced(what, next(iter(inline)), hint="move it into one of the services")
            if not value["services"]:
                raise Misplaced("should not be empty", "services")
            return value
        rest = {key: item for key, item in value.items() if key not in inline}
        return {**rest, "services": {ONLY: inline}}

    @model_validator(mode="after")
    def _hosts_differ(self) -> Self:
        for index, host in enumerate(self.hosts):
            if host in self.hosts[:index]:
                raise Misplaced("is in the list twice", "hosts", index, hint="remove one")
        return self

    @model_validator(mode="after")
    def _ports_differ(self) -> Self:
        owners: dict[tuple[int, str], str] = {}
        for name, service in self.services.items():
            for index, port in enumerate(service.published):
                if port.host and owners.setdefault((port.host, port.protocol), name) != name:
                    what = f"is a port that {owners[port.host, port.protocol]} publishes, too"
                    raise Misplaced(what, "services", name, "publish", index, hint="choose another port of the host")
        return self

    def problems_in(
        self, folder: ProjectFolder, images: Mapping[str, ImageConfig], here: Callable[[Keys, str, str], ConfigError]
    ) -> Sequence[ConfigError]:
        return [
            here(("services", name, "health"), what, "use the HEALTHCHECK of the image, or publish: the port")
            for name, service in self.services.items()
            for host in self.hosts
            if service.health and host.startswith("tcp://") and not _is_published(service)
            for what in (f"can't be asked on {host}, where no port of the service is published",)
        ]

    def port_keys(self) -> Iterator[PortKeys]:
        for name, service in self.services.items():
            if service.port is not None:
                above = ("services", name)
                yield PortKeys((*above, "port"), service.port, (*above, "env"), service.env)

    def env_keys(self) -> Iterator[tuple[Keys, Mapping[str, object]]]:
        for name, service in self.services.items():
            yield ("services", name, "env"), service.env

    def place_keys(self, app: str) -> tuple[str, ...]:
        hosts = self.hosts or ("the engine of the docker command",)
        return tuple(f"{name or app} on {host}" for name in self.services for host in hosts)

    def image_keys(self) -> Iterator[tuple[Keys, str | None]]:
        for name, service in self.services.items():
            yield ("services", name, "image"), service.image


def _is_published(service: ServiceConfig) -> bool:
    return any(port.port == service.port and port.protocol == "tcp" for port in service.published)
