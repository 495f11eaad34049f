"""Values of a draft as YAML text that reads back as the same value. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from shipit.config.yaml_text import is_other_word, quoted
from shipit.drafts.files import Command, Process


def yaml_text(value: str) -> str:
    """Text in a flow: bare when it can only be text, and with every `${` escaped, so that it stays literal."""
    return interpolated_text(value.replace("${", "$${"))


def interpolated_text(value: str) -> str:
    """Text in a flow whose `${...}` deploy.yml replaces."""
    if re.fullmatch(r"[A-Za-z][A-Za-z0-9 ./_-]*[A-Za-z0-9/]|[A-Za-z]", value, re.ASCII) and not is_other_word(value):
        return value
    return quoted(value)


def yaml_command(value: Command) -> str:
    """A command: text for a shell, or a list of words."""
    return yaml_text(value) if isinstance(value, str) else f"[{', '.join(yaml_text(word) for word in value)}]"


def yaml_name(value: str) -> str:
    """A name of letters, digits and `-`."""
    return quoted(value) if is_other_word(value) else value


def yaml_key(name: str) -> str:
    """The name of a variable as a key."""
    return name if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name) and not is_other_word(name) else quoted(name)


def yaml_env(values: Mapping[str, str]) -> str:
    """Variables as a flow map."""
    return "{" + ", ".join(f"{yaml_key(name)}: {interpolated_text(value)}" for name, value in values.items()) + "}"


def process_keys(process: Process, *, fewest: int = 0) -> Iterator[str]:
    """The keys of a process, for the kinds that call them `command`, `port`, `health`, `host`, `replicas` and `env`.

    `fewest` is the lowest number of instances that the kind takes.
    """
    if process.command:
        yield f"command: {yaml_command(process.command)}"
    if process.port:
        yield f"port: {process.port}"
        if process.health.startswith("/"):
            yield f"health: {yaml_text(process.health)}"
        if re.fullmatch(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?", process.host):
            yield f"host: {process.host}"
    if process.quantity is not None and process.quantity != 1 and process.quantity >= fewest:
        yield f"replicas: {process.quantity}"
    if process.env:
        yield f"env: {yaml_env(dict(process.env))}"
