"""The keys of the proxy of Docker hosts in deploy.yml."""

import re
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, WithJsonSchema, model_validator

from shipit.config.host_name import meant_host
from shipit.config.part import Model
from shipit.config.units import Duration, Misplaced, Port
from shipit.targets.docker.proxy.route import DEFAULT_IMAGE, Ports
from shipit.targets.engine.container_config import NotEmpty

_DNS = "should be a host name in lower case, such as shop.example.com, without a port or wildcard"
_LABEL = "[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
_HOST = rf"^{_LABEL}(\.{_LABEL}){{0,7}}$"


def _check_host(text: str) -> str:
    """The name as written. Raises: Misplaced, with the name that was probably meant."""
    if re.fullmatch(_HOST, text, re.ASCII):
        return text
    meant = meant_host(text)
    raise Misplaced(_DNS, hint=f"write {meant}" if re.fullmatch(_HOST, meant) else "")


HostName = Annotated[
    str,
    AfterValidator(_check_host),
    WithJsonSchema({"type": "string", "pattern": _HOST, "errorMessage": _DNS}),
]
# One, or a list.
HostNames = Annotated[
    tuple[HostName, ...],
    BeforeValidator(lambda value: (value,) if isinstance(value, str) else value),
    PlainSerializer(lambda value: value[0] if len(value) == 1 else list(value)),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}),
]


class ProxyConfig(Model):
    """Caddy in front of the services that have a host: one on each host, shared by all apps there."""

    image: NotEmpty = Field(
        DEFAULT_IMAGE, description="An image with caddy (2.8 or later), nc and sh: the official one, or one made from it.",
        examples=["registry.example.com/caddy:2"],
    )  # fmt: skip
    http: Port = Field(80, description="The port of the host for HTTP.", examples=[8080])
    https: Port = Field(443, description="The port of the host for HTTPS.", examples=[8443])
    tls: Literal["automatic", "off"] = Field(
        "automatic",
        description="automatic gets certificates and redirects HTTP to HTTPS, as Caddy does; off serves HTTP only.",
        examples=["off"],
    )
    drain: Duration = Field(
        30.0, description="How long requests to old containers may take before those are stopped.", examples=["2m"]
    )

    @model_validator(mode="after")
    def _ports_differ(self) -> Self:
        if self.http == self.https:
            raise Misplaced("is the port of http, too", "https", hint="choose another port")
        return self

    @property
    def ports(self) -> Ports:
        """`https` is 0 without TLS."""
        return Ports(self.http, 0 if self.tls == "off" else self.https)
