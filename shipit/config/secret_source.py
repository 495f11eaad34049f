"""What deploy.yml says of secrets: where each is kept. Each key is documented here and nowhere else."""

from __future__ import annotations

import re
from typing import Any, ClassVar

from pydantic import Field, model_validator

from shipit.config.part import Model
from shipit.config.units import Command, Flag, Limit, Misplaced, VariableName


class KeyringConfig(Model):
    """An entry of the operating system's keyring."""

    service: str = Field(description="The service that it is kept under.")
    username: str = Field(description="The user name that it is kept under.")


# Letters alone, or what begins, goes on or ends as paths do.
_PATH = re.compile(
    r"[A-Za-z_-]+|(~/|\.{0,2}/|\.)?[\w .@-]+(/[\w .@-]+)+/?|(~/|\.{0,2}/|\.)[\w .@-]+|[\w -]+\.[a-z]{1,5}"
)
SOURCES = ("env", "file", "command", "keyring")
_ONE_SOURCE = {"oneOf": [{"required": [key]} for key in SOURCES]}


class SecretSource(Model):
    """Where a secret's value comes from. Its value is never written in the file."""

    shorthand: ClassVar[tuple[dict[str, Any], ...]] = ({"type": "string"},)
    rules = _ONE_SOURCE

    env: VariableName | None = Field(None, description="The variable that holds it.")
    file: str | None = Field(
        None, description="The file that holds it, relative to deploy.yml; a last newline is dropped."
    )
    command: Command | None = Field(None, description="A command that prints it: a list of words, or text for a shell.")
    keyring: KeyringConfig | None = Field(None, description="An entry of the operating system's keyring.")
    allow_empty: Flag = Field(False, description="Take an empty value, which is a mistake otherwise.")
    timeout: Limit = Field(30.0, description="How long its command or the keyring may take.")

    @model_validator(mode="before")
    @classmethod
    def _shorthand(cls, value: Any) -> Any:
        return {"file": value} if isinstance(value, str) and cls is SecretSource else value

    @model_validator(mode="after")
    def _one_source(self) -> SecretSource:
        named = [key for key in SOURCES if getattr(self, key) is not None]
        what = "should have exactly one of env, file, command and keyring"
        if not named:
            raise ValueError(what)
        if len(named) > 1:
            raise Misplaced(what, named[1], hint=f"keep {named[0]} or {named[1]}")
        return self


def shown_path(text: str, otherwise: str = "its file") -> str:
    """A secret's path as messages show it; one that does not look like a path may be the value, and is not shown."""
    return text if len(text) <= 100 and _PATH.fullmatch(text) else otherwise


class SecretConfig(SecretSource):
    """Where a secret variable's value comes from, and who gets it."""

    shorthand = ()

    only: tuple[str, ...] | None = Field(None, description="The targets that get it; default: all.")
