"""What the containers of a workload may do.

Source: Kubernetes documentation, "Pod Security Standards", level restricted; Kubernetes API reference, v1 SecurityContext.
"""

from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from shipit.config.part import Model
from shipit.config.units import Flag, Misplaced, Whole, matching

Capability = Annotated[str, matching(r"^[A-Z][A-Z_]{1,40}$", "should be a capability such as NET_BIND_SERVICE")]
_UserId = Annotated[Whole, Field(ge=0, le=2**31 - 1)]


class SecurityConfig(Model):
    """The level restricted with a read-only root: text is `restricted`, a map turns parts of it off."""

    shorthand = ({"type": "string", "pattern": r"^restricted$|\$\{", "patternErrorMessage": "should be restricted"},)
    expected = "should be restricted, or a map of what is allowed: root, writable, capabilities, ..."

    root: Flag = Field(False, description="Allow to run as root.", examples=[True])
    writable: Flag = Field(False, description="Allow to write in the file system of the image.", examples=[True])
    capabilities: tuple[Capability, ...] = Field(
        (), description="Capabilities that it keeps.", examples=[["NET_BIND_SERVICE"]]
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
        if value != "restricted":
            raise ValueError("should be restricted")
        return {}

    @model_validator(mode="after")
    def _no_root(self) -> Self:
        if self.user == 0 and not self.root:
            raise Misplaced("is root", "user", hint="use another user id, or add root: true")
        return self
