"""Further ports of a workload.

Source: Kubernetes API reference, v1 ContainerPort and ServicePort; RFC 6335, section 5.1, service names.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from shipit.config.part import Model
from shipit.config.position import Keys
from shipit.config.source import dotted
from shipit.config.units import Misplaced, Port, matching

_TEXT = re.compile(r"([0-9]{1,5})(?:/(tcp|udp|sctp))?", re.ASCII)
_NAME = r"^[a-z]([-a-z0-9]{0,13}[a-z0-9])?$"
PortName = Annotated[
    str, matching(_NAME, "should be at most 15 lower-case letters, digits and '-', beginning with a letter")
]
MAIN = "http"


class PortConfig(Model):
    """A port beside `port:`, in the pods and in the Service."""

    shorthand = (
        {"type": "integer", "minimum": 1, "maximum": 65535},
        {
            "type": "string",
            "pattern": r"^[0-9]{1,5}(/(tcp|udp|sctp))?$|\$\{",
            "patternErrorMessage": "should be a port, such as 9090 or 53/udp",
        },
    )
    expected = "should be a port such as 9090 or 53/udp, or a map of keys: port, name, protocol, service_port"

    port: Port = Field(description="The port that the container listens on.", examples=[9090])
    name: PortName | None = Field(None, description="Its name; tcp-PORT or udp-PORT when absent.", examples=["metrics"])
    protocol: Literal["tcp", "udp", "sctp"] = Field("tcp", description="The protocol.", examples=["udp"])
    service_port: Port | None = Field(
        None, description="The port of the Service; the same number when absent.", examples=[80]
    )

    @model_validator(mode="before")
    @classmethod
    def _shorthand(cls, value: Any) -> Any:
        if isinstance(value, bool) or not isinstance(value, int | str):
            return value
        match = _TEXT.fullmatch(str(value))
        if match is None:
            raise ValueError("should be a port, such as 9090 or 53/udp")
        return {"port": int(match[1]), **({"protocol": match[2]} if match[2] else {})}

    @property
    def title(self) -> str:
        return self.name or f"{self.protocol}-{self.port}"


def check_ports(main: int | None, ports: Iterable[tuple[Keys, PortConfig]]) -> Iterator[Misplaced]:
    """Ports and names that occur twice, in the pod or in the Service. `ports` are those of all containers, by their place."""
    own: dict[Any, str] = {MAIN: "port"} if main is not None else {}
    seen = own | dict.fromkeys(((kind, "tcp", main) for kind in ("pod", "service") if main is not None), "port")
    for where, port in ports:
        pod, service = ("pod", port.protocol, port.port), ("service", port.protocol, port.service_port or port.port)
        if other := seen.get(pod):
            yield Misplaced(f"is the same port as {other}", *where, hint="keep one of them")
        elif other := seen.get(service):
            what = f"is the port {service[2]} of the Service, as {other} is"
            yield Misplaced(what, *where, hint="give it a service_port:")
        elif other := seen.get(port.title):
            yield Misplaced(f"has the name {port.title}, as {other} has", *where, hint="give it another name:")
        seen |= dict.fromkeys((pod, service, port.title), dotted(where))
