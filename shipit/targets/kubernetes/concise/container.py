"""What a container runs, and with what."""

from typing import Annotated, Any

from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema

from shipit.config.part import Model
from shipit.config.units import Command, is_shell_text
from shipit.targets.kubernetes.concise.env import SourcedEnv
from shipit.targets.kubernetes.quantity import Cpu, Memory

_SAID = "should be a list of words"


def _words(value: Any) -> tuple[str, ...]:
    if isinstance(value, list | tuple) and value and all(isinstance(item, str) for item in value):
        return tuple(value)
    raise ValueError(_SAID)


# Words are text however they are written: 1.10, false and ~, too.
Words = Annotated[
    tuple[str, ...],
    BeforeValidator(_words),
    PlainSerializer(list),
    WithJsonSchema({"type": "array", "items": {"type": "string"}, "minItems": 1, "errorMessage": _SAID}),
]


class ContainerConfig(Model):
    """What a container runs, and with what."""

    image: str | None = Field(None, description="The image that it runs; the only one when absent.", examples=["web"])
    command: Command | None = Field(
        None,
        description="The command, instead of the image's entrypoint: text for a shell, or a list of words.",
        examples=["node worker.js"],
    )
    args: Words | None = Field(
        None, description="The arguments, instead of the image's command.", examples=[["--port", "8080"]]
    )
    cpu: Cpu | None = Field(None, description="The CPU request.", examples=["250m"])
    memory: Memory | None = Field(None, description="The memory request and limit.", examples=["256Mi"])
    env: SourcedEnv = Field(
        default_factory=dict,
        description="Variables of this container only: text, or a key of a Secret or ConfigMap.",
        examples=[{"LOG_LEVEL": "debug"}],
    )

    @property
    def is_shell(self) -> bool:
        """Whether the command is text, which a shell runs."""
        return self.command is not None and is_shell_text(self.command)
