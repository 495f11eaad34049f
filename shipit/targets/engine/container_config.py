"""The keys of a service that every kind on Docker engines takes: those of docker run."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import partial
from typing import Annotated, Any, ClassVar, Self

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PlainSerializer,
    WithJsonSchema,
    field_validator,
    model_validator,
)

from shipit.config.folder import ProjectFolder
from shipit.config.model import EnvKeys, PortKeys, TargetConfig
from shipit.config.part import Model
from shipit.config.position import Keys
from shipit.config.units import Command, Duration, EnvMap, Flag, Misplaced, Port, Whole, matching
from shipit.errors import ConfigError
from shipit.targets.engine.container_values import (
    Publish,
    Volume,
    check_address,
    check_tmpfs,
    doubt_cpus,
    doubt_size,
    parse_cpus,
    parse_publish,
    parse_size,
    parse_volume,
    render_size,
)
from shipit.targets.engine.kernel_config import MOST, Signal, Sysctl, UlimitConfig, UlimitName
from shipit.targets.engine.kernel_values import Ulimit
from shipit.targets.engine.owner import LABEL

_NAME = "should be at most 40 lower-case letters, digits and '-', not beginning or ending with '-'"
# The empty name is the service of keys right under the target.
ServiceName = Annotated[str, matching(r"^([a-z0-9]([-a-z0-9]{0,38}[a-z0-9])?)?$", _NAME)]
_CAPABILITY = "should be a Linux capability such as NET_ADMIN"
Capability = Annotated[str, matching(r"^[A-Z_]{2,40}$", _CAPABILITY)]
Alias = Annotated[
    str, matching(r"^[A-Za-z0-9]([-_.A-Za-z0-9]{0,61}[A-Za-z0-9])?$", "should be a host name of at most 63 characters")
]
NotEmpty = Annotated[str, matching(r"^\S+$", "should be text without spaces")]
_EXTRA_HOST = "should be NAME:ADDRESS, such as db:10.0.0.5"
ExtraHost = Annotated[
    str,
    matching(r"^[^\s:=]{1,253}:(host-gateway|[0-9a-fA-F:.]+)$", _EXTRA_HOST),
    AfterValidator(partial(check_address, is_of_host=True, what=_EXTRA_HOST)),
]
_DNS = "should be the address of a DNS server, such as 10.0.0.2"
DnsServer = Annotated[str, matching(r"^[0-9a-fA-F:.]+$", _DNS), AfterValidator(partial(check_address, what=_DNS))]
Size = Annotated[
    int,
    BeforeValidator(parse_size),
    PlainSerializer(render_size),
    WithJsonSchema({"type": ["string", "integer"], "pattern": r"^\d{1,9}([kKmMgG]i?)?[bB]?$"}),
]
Cpus = Annotated[float, Field(gt=0, le=512), BeforeValidator(parse_cpus)]
_RESTART = "should be no, always, unless-stopped, on-failure or on-failure:N"
Restart = Annotated[str, matching(r"^(no|always|unless-stopped|on-failure(:[1-9][0-9]{0,5})?)$", _RESTART)]
_HOST = "should be unix://SOCKET, tcp://HOST:PORT, ssh://USER@HOST or context:NAME"
Host = Annotated[str, matching(r"^((unix|tcp|ssh)://\S+|context:\S+)$", _HOST)]
MOST_REPLICAS = 100
# The service of keys right under the target; it is named after the app.
ONLY = ""


class LoggingConfig(Model):
    """Where the engine writes the output of containers."""

    shorthand = ({"type": "string"},)

    driver: NotEmpty = Field(description="The log driver; `logging: local` sets the driver alone.", examples=["local"])
    options: dict[NotEmpty, str] = Field(
        default_factory=dict, description="Options of the driver.", examples=[{"max-size": "10m", "max-file": "3"}]
    )

    @model_validator(mode="before")
    @classmethod
    def _shorthand(cls, value: Any) -> Any:
        return {"driver": value} if isinstance(value, str) else value


class EngineServiceConfig(Model):
    """One service: containers of one image, with one command. Each kind on Docker engines adds its keys."""

    shorthand = ({"type": "null"},)
    # True where `volumes` may have folders of this machine, relative to deploy.yml.
    takes_relative: ClassVar[bool] = False

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
    replicas: Whole | None = Field(
        None,
        ge=1,
        le=MOST_REPLICAS,
        description="The number of containers on each host; unchanged when absent.",
        examples=[2],
    )
    volumes: tuple[str, ...] = Field(
        (), description="NAME:/PATH for a volume, /FOLDER:/PATH for a folder of the host; :ro for read-only.",
        examples=[["uploads:/app/uploads"]],
    )  # fmt: skip
    networks: tuple[NotEmpty, ...] = Field(
        (), description="Existing networks that it joins beside that of the app.", examples=[["proxy"]]
    )
    aliases: tuple[Alias, ...] = Field(
        (),
        description="Other names by which containers in its networks find it, beside that of the service.",
        examples=[["postgres"]],
    )
    memory: Size | None = Field(None, description="The memory limit.", examples=["512Mi"])
    cpu: Cpus | None = Field(None, description="The limit in CPUs.", examples=[0.5])
    restart: Restart = Field(
        "unless-stopped",
        description="When a container that ends is started again: no, unless-stopped, always, on-failure, or on-failure:N for at most N times. always is the same as unless-stopped: what shipit stopped, such as a container kept for rollback, stays stopped.",
        examples=["on-failure:3"],
    )
    grace: Duration = Field(10.0, description="How long it may take to end after SIGTERM.", examples=["30s"])
    user: NotEmpty | None = Field(None, description="The user, instead of the image's.", examples=["1000:1000"])
    workdir: NotEmpty | None = Field(None, description="The working directory.", examples=["/var/www"])
    hostname: NotEmpty | None = Field(None, description="The host name within the container.", examples=["web"])
    read_only: Flag = Field(False, description="Mount the image read-only.", examples=[True])
    init: Flag = Field(
        False, description="Run an init process that forwards signals and reaps children.", examples=[True]
    )
    tmpfs: tuple[NotEmpty, ...] = Field(
        (), description="Folders in memory: /PATH[:OPTIONS].", examples=[["/tmp", "/run:size=64m"]]
    )
    labels: dict[NotEmpty, str] = Field(
        default_factory=dict, description="Labels of the containers.", examples=[{"traefik.enable": "true"}]
    )
    cap_add: tuple[Capability, ...] = Field((), description="Linux capabilities to add.", examples=[["NET_ADMIN"]])
    cap_drop: tuple[Capability, ...] = Field((), description="Linux capabilities to drop.", examples=[["ALL"]])
    extra_hosts: tuple[ExtraHost, ...] = Field(
        (), description="Lines of /etc/hosts: NAME:ADDRESS.", examples=[["db:10.0.0.5"]]
    )
    dns: tuple[DnsServer, ...] = Field((), description="DNS servers.", examples=[["10.0.0.2"]])
    dns_search: tuple[NotEmpty, ...] = Field(
        (), description="Domains in which short host names are looked up.", examples=[["example.com"]]
    )
    group_add: tuple[NotEmpty, ...] = Field(
        (), description="More groups of the user, by name or number.", examples=[["video", "1001"]]
    )
    stop_signal: Signal | None = Field(
        None, description="The signal that ends it, instead of the image's STOPSIGNAL.", examples=["SIGINT"]
    )
    pids_limit: Whole | None = Field(None, ge=1, le=MOST, description="The most processes and threads.", examples=[200])
    ulimits: dict[UlimitName, UlimitConfig] = Field(
        default_factory=dict, description="Limits of its processes.", examples=[{"nofile": 65536}]
    )
    sysctls: dict[Sysctl, str] = Field(
        default_factory=dict,
        description="Kernel settings of its own network and IPC.",
        examples=[{"net.core.somaxconn": "1024"}],
    )
    logging: LoggingConfig | None = Field(
        None,
        description="Where the engine writes the output; its own setting when absent.",
        examples=[{"driver": "json-file", "options": {"max-size": "10m"}}],
    )

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

    @field_validator("tmpfs")
    @classmethod
    def _valid_tmpfs(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for text in value:
            check_tmpfs(text)
        return value

    @field_validator("volumes")
    @classmethod
    def _valid_volumes(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for text in value:
            if parse_volume(text).is_relative and not cls.takes_relative:
                raise ValueError(
                    "should be NAME:/PATH or /FOLDER:/PATH: a folder beside deploy.yml is on no other machine"
                )
        return value

    @model_validator(mode="after")
    def _own_labels(self) -> Self:
        if reserved := next((name for name in self.labels if name.startswith(f"{LABEL}.")), ""):
            raise Misplaced("is a label that shipit keeps for itself", "labels", reserved, hint="choose another name")
        return self

    @property
    def published(self) -> tuple[Publish, ...]:
        return tuple(parse_publish(text) for text in self.publish)

    @property
    def mounts(self) -> tuple[Volume, ...]:
        return tuple(parse_volume(text) for text in self.volumes)

    @property
    def limits(self) -> dict[str, Ulimit]:
        return {name: Ulimit(limit.soft, limit.hard) for name, limit in self.ulimits.items()}

    @property
    def is_fixed(self) -> bool:
        """True when it publishes a certain port of the host, which only one container can have."""
        return any(port.host for port in self.published)


class ServicesConfig(TargetConfig):
    """A target with services: `containers` has them by name."""

    @property
    def containers(self) -> Mapping[str, EngineServiceConfig]:
        raise NotImplementedError

    @model_validator(mode="after")
    def _ports_differ(self) -> Self:
        owners: dict[tuple[int, str], str] = {}
        for name, service in self.containers.items():
            for index, port in enumerate(service.published):
                if port.host and owners.setdefault((port.host, port.protocol), name) != name:
                    what = f"is a port that {owners[port.host, port.protocol]} publishes, too"
                    raise Misplaced(what, "services", name, "publish", index, hint="choose another port of the host")
        return self

    def doubts_in(self, folder: ProjectFolder, here: Callable[[Keys, str, str], ConfigError]) -> Sequence[ConfigError]:
        return [
            here(("services", name, key), what, "")
            for name, service in self.containers.items()
            for key, what in (("cpu", doubt_cpus(service.cpu)), ("memory", doubt_size(service.memory)))
            if what
        ]

    def port_keys(self) -> Iterator[PortKeys]:
        for name, service in self.containers.items():
            if service.port is not None:
                above = ("services", name)
                yield PortKeys((*above, "port"), service.port, (*above, "env"), service.env)

    def env_keys(self) -> Iterator[EnvKeys]:
        for name, service in self.containers.items():
            yield EnvKeys(("services", name, "env"), service.env)

    def image_keys(self) -> Iterator[tuple[Keys, str | None]]:
        for name, service in self.containers.items():
            yield ("services", name, "image"), service.image


def named_services(value: Any, keys: Collection[str]) -> Any:
    """The keys of a target with `services` by name: keys of a service right under the target are one without a name."""
    value = {} if value is None else value
    if not isinstance(value, dict):
        return value
    inline = {key: item for key, item in value.items() if key in keys}
    if "services" in value:
        if inline:
            what = "can't be combined with services:"
            raise Misplaced(what, next(iter(inline)), hint="move it into one of the services")
        if not value["services"]:
            raise Misplaced("should not be empty", "services")
        return value
    rest = {key: item for key, item in value.items() if key not in inline}
    return {**rest, "services": {ONLY: inline}}
