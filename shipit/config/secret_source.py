"""The keys of secrets in deploy.yml: where each value is kept. Keys are documented here only."""

import re
from itertools import combinations
from typing import Any, ClassVar, Self

from pydantic import Field, model_validator

from shipit.config.part import Model, forbid
from shipit.config.units import Command, Flag, Limit, Misplaced, VariableName


class KeyringConfig(Model):
    """An entry of the operating system's keyring."""

    service: str = Field(description="The service of the entry.", examples=["shop"])
    username: str = Field(description="The user name of the entry.", examples=["deploy"])


# Letters alone, or what begins, goes on or ends as paths do.
_PATH = re.compile(
    r"[A-Za-z_-]+|(~/|\.{0,2}/|\.)?[\w .@-]+(/[\w .@-]+)+/?|(~/|\.{0,2}/|\.)[\w .@-]+|[\w -]+\.[a-z]{1,5}"
)
SOURCES = ("env", "file", "command", "keyring")
_ONE = "should have exactly one of env, file, command and keyring"
_NONE = {"type": "object", "not": {"anyOf": [{"required": [key]} for key in SOURCES]}}
_ONE_SOURCE = (
    {"if": _NONE, "then": {"required": ["env"], "errorMessage": _ONE}},
    *(forbid(second, f"{_ONE}: keep {first} or {second}", beside=first) for first, second in combinations(SOURCES, 2)),
)


class SecretSource(Model):
    """Where a secret's value comes from. Its value is never written in the file."""

    shorthand: ClassVar[tuple[dict[str, Any], ...]] = ({"type": "string"},)
    rules = _ONE_SOURCE

    env: VariableName | None = Field(
        None, description="A variable of the environment in which shipit runs.", examples=["API_TOKEN"]
    )
    file: str | None = Field(
        None,
        description="A file that holds the value, relative to deploy.yml; a newline at its end is dropped.",
        examples=[".secrets/token"],
    )
    command: Command | None = Field(
        None,
        description="A command that prints the value: text for a shell, or a list of words.",
        examples=["op read op://prod/api/token"],
    )
    keyring: KeyringConfig | None = Field(
        None,
        description="An entry of the operating system's keyring.",
        examples=[{"service": "shop", "username": "deploy"}],
    )
    allow_empty: Flag = Field(False, description="Accept an empty value, which is an error otherwise.")
    timeout: Limit = Field(30.0, description="Time limit for the command or the keyring.")

    @model_validator(mode="before")
    @classmethod
    def _shorthand(cls, value: Any) -> Any:
        return {"file": value} if isinstance(value, str) and cls is SecretSource else value

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        named = [key for key in SOURCES if getattr(self, key) is not None]
        if not named:
            raise ValueError(_ONE)
        if len(named) > 1:
            raise Misplaced(_ONE, named[1], hint=f"keep {named[0]} or {named[1]}")
        return self


def shown_path(text: str, otherwise: str = "its file") -> str:
    """The path of a secret's file as messages show it. Text that does not look like a path may be the value, and is not shown."""
    return text if len(text) <= 100 and _PATH.fullmatch(text) else otherwise


class SecretConfig(SecretSource):
    """Where a secret variable's value comes from, and who gets it."""

    shorthand = ()
    expected = "should name where it is kept, such as {env: NAME}, {file: PATH} or {command: [...]}; never write the value here"

    only: tuple[str, ...] | None = Field(
        None, description="The targets that get it; all of them when absent.", examples=[["k8s"]]
    )
