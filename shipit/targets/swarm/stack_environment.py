"""The variables of a service of a stack file: of `environment`, and of `env_file` below it. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from shipit.config.secret_names import is_secret_name
from shipit.targets.swarm.stack_node import Fields, Node
from shipit.targets.swarm.stack_variables import SecretInText, UnnamedSecret, Variables

_NAME = re.compile(r"[^\s=,]+")
# A name of an env_file that a message shows: a longer one, or one of other characters, may be a part of a key.
_SHOWN = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,39}")
# A name that programs have in one line, such as spring.datasource.password.
_IN_ONE_LINE = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,39}")
_WOULD_SHOW = "is named like a secret, and would be shown in plans"
_ONE_LINE = "write NAME=value in one line; a value over several lines can only be one of secrets: in deploy.yml"


class Environment(NamedTuple):
    """`values` are those of the file, `sources`: variable -> the secret of deploy.yml whose value it has."""

    values: Mapping[str, str]
    sources: Mapping[str, str]


class _Line(NamedTuple):
    """A variable of an env_file. `is_inside` is True where it may be a part of a value over several lines."""

    number: int
    name: str
    value: str | None
    is_inside: bool

    @property
    def has_shown_name(self) -> bool:
        return not self.is_inside and bool(_SHOWN.fullmatch(self.name))

    @property
    def is_in_one_line(self) -> bool:
        return not self.is_inside and (self.value is not None or bool(_IN_ONE_LINE.fullmatch(self.name)))


def read_environment(keys: Fields, variables: Variables, read: Callable[[Node, str], str]) -> Environment:
    """`read` gives the text of an env_file, and reports one that it can't read."""
    values: dict[str, str] = {}
    sources: dict[str, str] = {}
    rows = [keys["env_file"]] if keys["env_file"].is_scalar else keys["env_file"].rows()
    for row in rows:
        path = row.fields(("path",))["path"] if row.is_map else row
        _read_file(read(path, path.text()), path, variables, values, sources)
    for name, node, has_value in keys["environment"].pairs():
        if not _NAME.fullmatch(name):
            node.wrong("should be NAME=value")
        elif node.secret:
            values.pop(name, None)
            sources[name] = node.secret
        else:
            sources.pop(name, None)
            _put(name, node.text() if has_value else None, node, variables, values, sources)
    return Environment(values, sources)


def _read_file(text: str, node: Node, variables: Variables, values: dict[str, str], sources: dict[str, str]) -> None:
    """The variables of an env_file. A line that may be a part of a secret is told by its number, and ends the reading."""
    for line in _lines(text):
        if line.name in variables.secrets:
            sources[line.name] = line.name
            continue
        try:
            if not line.name or any(character.isspace() for character in line.name):
                raise _Refused("should be NAME=value", _ONE_LINE)
            if line.value is not None and is_secret_name(line.name):
                raise _Refused(_WOULD_SHOW, "add to deploy.yml: dotenv: FILE, and secrets: {NAME: {env: NAME}}")
            values[line.name] = _looked_up(line.name, variables) if line.value is None else line.value
        except _Refused as error:
            if line.has_shown_name:
                node.wrong(f"{line.name} in line {line.number} of {node.text()} {error}", error.hint_for(line.name))
                continue
            hint = error.hint if line.is_in_one_line else _ONE_LINE
            node.wrong(f"the variable in line {line.number} of {node.text()} {error}", hint)
            return


def _put(
    name: str, value: str | None, node: Node, variables: Variables, values: dict[str, str], sources: dict[str, str]
) -> None:
    if name in variables.secrets and value is None:
        sources[name] = name
        return
    try:
        values[name] = _looked_up(name, variables) if value is None else value
    except _Refused as error:
        node.wrong(f"{name} {error}", error.hint_for(name))


def _looked_up(name: str, variables: Variables) -> str:
    """Raises: _Refused."""
    try:
        found = variables.lookup(name)
    except (SecretInText, UnnamedSecret):
        raise _Refused(_WOULD_SHOW, "add it to deploy.yml: secrets: {NAME: {env: NAME}}") from None
    if found is None:
        raise _Refused("is not set", "set it, or add it to env: or secrets: of deploy.yml: NAME")
    return found


class _Refused(ValueError):
    """Why a variable can't be used, as a phrase behind its name; `NAME` stands for it in the hint."""

    def __init__(self, what: str, hint: str) -> None:
        super().__init__(what)
        self.hint = hint

    def hint_for(self, name: str) -> str:
        return self.hint.replace("NAME", name)


def _lines(text: str) -> Iterator[_Line]:
    """Docker's reading of env files: NAME=value as it stands, NAME for the variable of this machine, and # for comments.

    Only a line feed ends a line: other characters that end lines elsewhere are a part of the value.
    """
    is_open = False
    for number, whole in enumerate(text.split("\n"), 1):
        line = whole.removesuffix("\r").lstrip()
        if not line or line.startswith("#"):
            continue
        name, sign, value = line.partition("=")
        yield _Line(number, name, value if sign else None, is_open)
        # Docker knows no quotes: what stands behind one that is never closed may be the rest of a value.
        is_quoted = value[:1] in ("'", '"') and value[:1] not in value[1:]
        is_open = is_open or is_quoted or value.startswith("-----BEGIN")
