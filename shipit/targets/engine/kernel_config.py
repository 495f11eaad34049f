"""Settings of the kernel for the containers of a service, as deploy.yml has them."""

from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema, model_validator

from shipit.config.part import Model
from shipit.config.units import Misplaced, Whole, matching
from shipit.targets.engine.container_values import parse_shared_memory, render_size
from shipit.targets.engine.kernel_values import ULIMITS

# An engine keeps these numbers in 64 bits.
MOST = 2**63 - 1
_SIGNAL = "should be a signal such as SIGINT"
Signal = Annotated[str, matching(r"^SIG([A-Z]{2,6}|USR[12])([+-][0-9]{1,2})?$", _SIGNAL)]
_ULIMIT = f"should be one of {', '.join(ULIMITS)}"
UlimitName = Annotated[str, matching(f"^({'|'.join(ULIMITS)})$", _ULIMIT)]
_SYSCTL = "should be the name of a kernel setting such as net.core.somaxconn"
Sysctl = Annotated[str, matching(r"^[a-z0-9_-]+([./][A-Za-z0-9_-]+)+$", _SYSCTL)]
SharedMemory = Annotated[
    int,
    BeforeValidator(parse_shared_memory),
    PlainSerializer(render_size),
    WithJsonSchema({"type": ["string", "integer"], "pattern": r"^\d{1,9}([kKmMgG]i?)?[bB]?$"}),
]
_SECURITY = "should be an option such as no-new-privileges:true, apparmor=unconfined or seccomp=unconfined"
SecurityOption = Annotated[
    str,
    matching(
        r"^(no-new-privileges([:=](true|false))?|seccomp[:=](unconfined|builtin)|(apparmor|label)[:=]\S{1,200})$",
        _SECURITY,
    ),
]


class UlimitConfig(Model):
    """A limit of the processes of a container."""

    shorthand = ({"type": "integer", "minimum": -1},)

    soft: Whole = Field(
        ge=-1, le=MOST, description="The limit; `nofile: 65536` sets both alike, -1 is none.", examples=[65536]
    )
    hard: Whole = Field(ge=-1, le=MOST, description="What a process may raise it to.", examples=[65536])

    @model_validator(mode="before")
    @classmethod
    def _shorthand(cls, value: Any) -> Any:
        return value if isinstance(value, dict) else {"soft": value, "hard": value}

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.hard != -1 and not 0 <= self.soft <= self.hard:
            raise Misplaced("should be at most as high as hard", "soft")
        return self
