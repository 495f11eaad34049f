"""The hooks of deploy.yml: commands of this machine and HTTP requests, before and after a deploy and when it fails."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Discriminator, Field, Tag, model_validator

from shipit.config.part import MAP, TEXT, Model, forbid
from shipit.config.secret_source import SecretSource
from shipit.config.units import HTTP_URL, HTTP_URL_SAID, Limit, Misplaced, matching, parse_command, render_command
from shipit.config.units import Command as Words

_ONE = "should have command or url, and not both"
_OF_REQUEST = "belongs to a request, and this is a command"
_HEADER = r"^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,256}$"
_VALUE = r"^[ -~\t]*$"
# Headers that the transport sets itself.
_OWN_HEADERS = ("content-length", "transfer-encoding", "host", "connection", "expect", "upgrade")
HEADER_VALUE_SAID = "should be text in ASCII without line breaks, or the source of a secret such as {env: NAME}"


Verb = Literal["deploy", "promote", "rollback", "scale", "restart", "stop", "start", "push", "destroy"]
RELEASING: tuple[Verb, ...] = ("deploy", "promote", "rollback")


class HookSecret(SecretSource):
    """Where the value of a header, or a URL, is kept."""

    shorthand = ()
    expected = "should name where it is kept, such as {env: NAME}, {file: PATH} or {command: [...]}"


def _form(value: Any) -> str:
    return MAP if isinstance(value, dict | HookSecret) else TEXT


HeaderName = Annotated[str, matching(_HEADER, "should be the name of a header: letters, digits and -")]
HeaderValue = Annotated[
    Annotated[str, Tag(TEXT), matching(_VALUE, HEADER_VALUE_SAID)] | Annotated[HookSecret, Tag(MAP)],
    Discriminator(_form),
]
Url = Annotated[Annotated[str, Tag(TEXT)] | Annotated[HookSecret, Tag(MAP)], Discriminator(_form)]


class HookConfig(Model):
    """A command or an HTTP request. It gets the plan, or the verdict, as JSON: on its standard input, or as its body."""

    rules = (
        forbid("url", _ONE, beside="command"),
        forbid("method", _OF_REQUEST, beside="command"),
        forbid("headers", _OF_REQUEST, beside="command"),
    )
    expected = "should be a command, or a map of keys: command or url, method, headers, timeout, on"

    command: Words | None = Field(
        None, description="A command that runs on this machine: text for a shell, or a list of words.",
        examples=[["./bin/announce", "shop"]],
    )  # fmt: skip
    url: Url | None = Field(
        None, description="The URL of an HTTP request; where it is secret, a map says where it is kept.",
        examples=["https://ci.example.com/deploys"],
    )  # fmt: skip
    method: Literal["POST", "PUT", "PATCH"] | None = Field(
        None, description="The method of the request; POST when absent.", examples=["PUT"]
    )
    headers: dict[HeaderName, HeaderValue] = Field(
        default_factory=dict, description="Headers of the request; a map says where the value of a secret is kept.",
        examples=[{"X-Token": {"env": "DEPLOYS_TOKEN"}}],
    )  # fmt: skip
    timeout: Limit = Field(120.0, description="Time limit.", validate_default=False, examples=["10m"])
    on: tuple[Verb, ...] = Field(
        RELEASING, min_length=1, validate_default=False, examples=[["deploy", "scale", "destroy"]],
        description="The commands of shipit that it is for: those that release when absent.",
    )  # fmt: skip

    @property
    def request_method(self) -> str:
        return self.method or "POST"

    @model_validator(mode="after")
    def _one_form(self) -> Self:
        if self.command is not None and self.url is not None:
            raise Misplaced(_ONE, "url", hint="write two hooks, in a list")
        if self.command is None and self.url is None:
            raise ValueError(_ONE)
        if self.command is not None and (self.method is not None or self.headers):
            key = "headers" if self.method is None else "method"
            raise Misplaced(_OF_REQUEST, key, hint="remove it, or write url: in place of command:")
        if isinstance(self.url, str) and not re.search(HTTP_URL, self.url):
            raise Misplaced(HTTP_URL_SAID, "url")
        for name in self.headers:
            if name.lower() in _OWN_HEADERS:
                raise Misplaced("is a header that shipit sets itself", "headers", name, hint="remove it")
        return self


def _one_or_many(value: Any) -> Any:
    """A tuple of maps: text and a list of words are a command, a list of maps is several hooks."""
    if isinstance(value, dict):
        return (value,)
    if isinstance(value, list | tuple) and all(isinstance(item, dict | HookConfig) for item in value):
        return tuple(value)
    if isinstance(value, str | list | tuple):
        try:
            return ({"command": render_command(parse_command(value))},)
        except ValueError:
            pass
    raise ValueError("should be a command, a map of keys, or a list of maps")


Several = Annotated[tuple[HookConfig, ...], BeforeValidator(_one_or_many)]


class HooksConfig(Model):
    """Programs and requests of this machine before and after a deploy that changes something: a command (text, or a list of words), a map of keys, or a list of maps."""

    before: Several = Field(
        (),
        description="Before the first change; one that fails stops the deploy.",
        examples=["./bin/check-budget"],
        validate_default=False,
    )
    after: Several = Field(
        (),
        description="When all is healthy; one that fails makes the deploy a failed one, and what was deployed stays.",
        examples=[{"url": "https://ci.example.com/deploys"}],
        validate_default=False,
    )
    on_failure: Several = Field(
        (),
        description="When the deploy has failed, after any rollback; one that fails is a warning.",
        examples=["./bin/page"],
        validate_default=False,
    )
