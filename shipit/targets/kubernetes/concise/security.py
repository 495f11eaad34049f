"""What the containers of a workload may do.

Source: Kubernetes documentation, "Pod Security Standards", level restricted; Kubernetes API reference, v1 SecurityContext.
"""

from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from shipit.config.part import Model
from shipit.config.units import Flag, Misplaced, Whole, matching

Capability = Annotated[str, matching(r"^[A-Z][A-Z_]{1,40}$", "should be a capability such as NET_BIND_SERVICE")]
_UserId = Annotated[Whole, Field(ge=0, le=2**31 - 1)]
_WORDS: dict[str, dict[str, Any]] = {
    "restricted": {"root": False, "writable": False, "capabilities": []},
    "none": {"root": True, "escalation": True, "unconfined": True},
}
_SAID = "should be restricted or none"


class SecurityConfig(Model):
    """As restricted as the image allows. `restricted` is more, `none` is nothing, and a map changes parts of it."""

    shorthand = ({"type": "string", "pattern": r"^(restricted|none)$|\$\{", "patternErrorMessage": _SAID},)
    expected = "should be restricted, none, or a map of what is allowed: root, writable, capabilities, ..."

    root: Flag | None = Field(
        None, description="Allow to run as root, or not; what the user of the image is when absent.", examples=[True]
    )
    writable: Flag | None = Field(
        None, description="Allow to write in the file system of the image; allowed when absent.", examples=[False]
    )
    capabilities: tuple[Capability, ...] | None = Field(
        None,
        description="The capabilities that it keeps; when absent none, and for root those of the container runtime.",
        examples=[["NET_BIND_SERVICE"]],
    )
    escalation: Flag = Field(
        False, description="Allow more rights than its parent process has, as sudo does.", examples=[True]
    )
    unconfined: Flag = Field(False, description="Allow every system call, without a seccomp profile.", examples=[True])
    user: _UserId | None = Field(
        None, description="The user id that it runs as; the user of the image when absent.", examples=[1000]
    )
    group: _UserId | None = Field(
        None, description="The group id that it runs as, and that owns its volumes.", examples=[1000]
    )

    @model_validator(mode="before")
    @classmethod
    def _shorthand(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        if value not in _WORDS:
            raise ValueError(_SAID)
        return _WORDS[value]

    @model_validator(mode="after")
    def _no_root(self) -> Self:
        if self.user == 0 and not self.root:
            raise Misplaced("is root", "user", hint="use another user id, or add root: true")
        return self
