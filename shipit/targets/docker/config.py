"""The configuration of a Docker target in deploy.yml."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, field_validator, model_validator

from shipit.config.folder import ProjectFolder
from shipit.config.image import ImageConfig
from shipit.config.part import forbid, need
from shipit.config.position import Keys
from shipit.config.units import Flag, Misplaced, UrlPath, VariableName, Whole
from shipit.errors import ConfigError
from shipit.targets.docker.proxy.config import HostNames, ProxyConfig
from shipit.targets.engine.container_config import (
    EngineServiceConfig,
    Host,
    ServiceName,
    ServicesConfig,
    named_services,
)
from shipit.targets.engine.healthcheck import HealthcheckConfig
from shipit.targets.engine.kernel_config import SecurityOption, SharedMemory
from shipit.targets.engine.kernel_values import parse_device

_HOST_PORT = "needs the port that the proxy leads to: add port:"
_HEALTH_PORT = "needs the port that it asks: add port:"
_SEVERAL = "can't be combined with services: move it into one of the services"


class ServiceConfig(EngineServiceConfig):
    """One service: containers of one image, with one command."""

    takes_relative: ClassVar[bool] = True
    rules = (
        need("port", f"health: {_HEALTH_PORT}", beside="health"),
        need("port", f"host: {_HOST_PORT}", beside="host"),
    )

    host: HostNames = Field(
        (),
        description="The host names that the proxy of each host serves by it, without an outage while it is replaced.",
        examples=["shop.example.com"],
    )
    health: UrlPath | None = Field(
        None,
        description="A path that answers 200 when the container is ready; healthcheck, or the image's HEALTHCHECK, counts as well.",
        examples=["/healthz"],
    )
    healthcheck: HealthcheckConfig | None = Field(
        None,
        description="A health check that the engine runs in the container, instead of the image's HEALTHCHECK.",
        examples=[{"test": "wget -qO- http://localhost:3000/healthz", "interval": "5s"}],
    )
    replace: Literal["start-first", "stop-first"] = Field(
        "start-first",
        description="start-first starts the new containers beside the old ones; a published port needs stop-first and gets it.",
        examples=["stop-first"],
    )

    secret_files: tuple[VariableName, ...] = Field(
        (),
        description="Secrets of this file that are files of /run/secrets instead of variables.",
        examples=[["DB_PASSWORD"]],
    )
    shm_size: SharedMemory | None = Field(
        None, description="The size of /dev/shm; 64Mi when absent.", examples=["256Mi"]
    )
    devices: tuple[str, ...] = Field(
        (), description="Devices of the host: /DEVICE[:/PATH][:rwm].", examples=[["/dev/dri:/dev/dri"]]
    )
    security_opt: tuple[SecurityOption, ...] = Field(
        (), description="Security options of the engine.", examples=[["no-new-privileges:true"]]
    )
    privileged: Flag = Field(
        False, description="Give it all capabilities and all devices of the host.", examples=[True]
    )

    @field_validator("devices")
    @classmethod
    def _valid_devices(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for text in value:
            parse_device(text)
        return value

    @model_validator(mode="after")
    def _together(self) -> Self:
        if self.host and self.port is None:
            raise Misplaced(_HOST_PORT, "host")
        if self.health and self.port is None:
            raise Misplaced(_HEALTH_PORT, "health")
        if self.is_fixed and (self.replicas or 1) > 1:
            what = "can be published by one container only, and replicas: is more than 1"
            raise Misplaced(what, "publish", hint="leave out the port of the host, or set replicas: 1")
        return self

    @property
    def order(self) -> Literal["start-first", "stop-first"]:
        """The order of a replacement: two containers can't publish the same port of the host."""
        return "stop-first" if self.is_fixed else self.replace


_SERVICE_KEYS = frozenset(ServiceConfig.model_fields)


class DockerConfig(ServicesConfig):
    """Containers on Docker hosts. Service keys right under it are one service named after the app."""

    also_known: ClassVar[frozenset[str]] = _SERVICE_KEYS
    reverts: ClassVar[bool] = True
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
    load: Flag = Field(
        False,
        description="Send images to the hosts over the connection to their engines, not through their repository; images without one are sent anyway.",
        examples=[True],
    )
    proxy: ProxyConfig = Field(
        default_factory=ProxyConfig,
        description="Caddy, which serves the services that have a host.",
        examples=[{"tls": "off"}],
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
        return named_services(value, _SERVICE_KEYS)

    @property
    def containers(self) -> Mapping[str, EngineServiceConfig]:
        return self.services

    @model_validator(mode="after")
    def _hosts_differ(self) -> Self:
        for index, host in enumerate(self.hosts):
            if host in self.hosts[:index]:
                raise Misplaced("is in the list twice", "hosts", index, hint="remove one")
        return self

    @model_validator(mode="after")
    def _host_names_differ(self) -> Self:
        owners: dict[str, str] = {}
        for name, service in self.services.items():
            for index, host in enumerate(service.host):
                if host in owners:
                    what = f"is a host of {owners[host] or 'the same service'}, too"
                    raise Misplaced(what, "services", name, "host", *([index] if len(service.host) > 1 else []))
                owners[host] = name
        return self

    def problems_in(
        self, folder: ProjectFolder, images: Mapping[str, ImageConfig], here: Callable[[Keys, str, str], ConfigError]
    ) -> Sequence[ConfigError]:
        remote = [host for host in self.hosts if host.startswith(("ssh://", "tcp://"))]
        folders = [
            here(("services", name, *keys), what, hint)
            for name, service in self.services.items()
            for keys, what, hint in _folders(service, remote)
        ]
        return folders + [
            here(("services", name, "health"), what, "write healthcheck: {test: COMMAND}, or publish: the port")
            for name, service in self.services.items()
            for host in self.hosts
            if service.health and host.startswith("tcp://") and not _is_published(service)
            for what in (f"can't be asked on {host}, where no port of the service is published",)
        ]

    def place_keys(self, app: str) -> tuple[str, ...]:
        hosts = self.hosts or ("the engine of the docker command",)
        return tuple(f"containers of {name or app} on {host}" for name in self.services for host in hosts)


def problems_of(
    service: ServiceConfig, hosts: Collection[str], secrets: Collection[str]
) -> Iterator[tuple[Keys, str, str]]:
    """Keys within a service, what is wrong there, and a hint. `hosts` are addresses of engines, `secrets` names."""
    yield from _folders(service, [host for host in hosts if not host.startswith("unix://")])
    for index, name in enumerate(service.secret_files):
        if name not in secrets:
            yield ("secret_files", index), f"{name} is no secret of this target", "add it to secrets: at the top"
        elif name in service.env:
            yield ("secret_files", index), f"{name} is a variable of this service, too", "remove it from env:"


def _folders(service: ServiceConfig, remote: Collection[str]) -> Iterator[tuple[Keys, str, str]]:
    """The volumes that are folders of this machine, where a host is another one."""
    for index, volume in enumerate(service.mounts):
        if volume.is_relative and remote:
            what = f"{volume.source} is a folder of this machine, which the host {next(iter(remote))} does not have"
            yield ("volumes", index), what, "write a folder of the host, or the name of a volume"


def _is_published(service: ServiceConfig) -> bool:
    return any(port.port == service.port and port.protocol == "tcp" for port in service.published)
