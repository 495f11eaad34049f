"""The probes of a workload.

Source: Kubernetes API reference, v1 Probe; Kubernetes documentation, "Configure Liveness, Readiness and Startup Probes".
"""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from shipit.config.part import Model
from shipit.config.units import Command, Duration, Flag, Limit, Misplaced, Port, UrlPath, Whole

ProbeKind = Literal["startup", "readiness", "liveness"]
PROBES: tuple[ProbeKind, ...] = ("startup", "readiness", "liveness")
HANDLERS = ("path", "command", "tcp", "grpc")
_PATH = {
    "type": "string",
    "pattern": r"^/[!-~]*$|\$\{",
    "patternErrorMessage": "should be a path that begins with /, without spaces",
}
Times = Annotated[Whole, Field(ge=1, le=100_000)]


class Handler(Model):
    """How a container is asked whether it works: one of `path`, `command`, `tcp` and `grpc`."""

    path: UrlPath | None = Field(None, description="A path that answers 200 to 399 over HTTP.", examples=["/healthz"])
    port: Port | None = Field(None, description="The port of path; that of the workload when absent.", examples=[9090])
    command: Command | None = Field(
        None, description="A command that exits with 0, run in the container.", examples=[["pg_isready"]]
    )
    tcp: Port | None = Field(None, description="A port that accepts connections.", examples=[5432])
    grpc: Port | None = Field(None, description="A port with the gRPC health checking protocol.", examples=[50051])

    @property
    def handlers(self) -> tuple[str, ...]:
        return tuple(name for name in HANDLERS if getattr(self, name) is not None)

    @model_validator(mode="after")
    def _one_handler(self) -> Self:
        if len(self.handlers) > 1:
            raise Misplaced(f"can't be combined with {self.handlers[0]}:", self.handlers[1], hint="keep one of them")
        if self.port is not None and self.path is None:
            raise Misplaced("is the port of path:, which is not there", "port", hint="write tcp: PORT, or add path:")
        return self


class ProbeConfig(Handler):
    """One probe of a container. What it does not say is that of `health`."""

    shorthand = (_PATH, {"type": "boolean"})
    expected = "should be a path, false, or a map of keys: path, port, command, tcp, ..."

    delay: Duration | None = Field(None, description="How long after the start it begins.", examples=["5s"])
    every: Limit | None = Field(None, description="How often it is tried.", examples=["10s"])
    timeout: Limit | None = Field(None, description="How long an answer may take.", examples=["2s"])
    failures: Times | None = Field(None, description="How many failures in a row count.", examples=[3])
    enabled: Flag = Field(True, description="With false there is no such probe; liveness: false is the same.")

    @model_validator(mode="before")
    @classmethod
    def _shorthand(cls, value: Any) -> Any:
        if value is False or value == "false":
            return {"enabled": False}
        return {"path": value} if isinstance(value, str) else value


class HealthConfig(Handler):
    """A path that answers 200 when the workload is ready, as text for a readiness probe; a map of keys makes all three probes."""

    shorthand = (_PATH,)
    expected = "should be a path, or a map of keys: path, port, command, tcp, ..."

    timeout: Limit | None = Field(None, description="How long an answer may take; 1s when absent.", examples=["2s"])
    start: Limit = Field(120.0, description="How long the start may take, before the container is restarted.")
    probes: tuple[ProbeKind, ...] = Field(
        PROBES, description="The probes that it makes; readiness where health is text.", examples=[["readiness"]]
    )

    @model_validator(mode="before")
    @classmethod
    def _shorthand(cls, value: Any) -> Any:
        return {"path": value, "probes": ["readiness"]} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _asks(self) -> Self:
        if not self.handlers:
            raise Misplaced("should have one of path:, command:, tcp: and grpc:", hint="health: /PATH")
        return self
