"""The variables of a service of a stack file: of `environment`, and of `env_file` below it. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

from shipit.config.secret_names import is_secret_name
from shipit.targets.swarm.stack_node import Fields, Node
from shipit.targets.swarm.stack_variables import SecretInText, UnnamedSecret, Variables

_NAME = re.compile(r"[^\s=,]+")


class Environment(NamedTuple):
    """`values` are those of the file, `sources`: variable -> the secret of deploy.yml whose value it has."""

    values: Mapping[str, str]
    sources: Mapping[str, str]


def read_environment(keys: Fields, variables: Variables, read: Callable[[Node, str], str]) -> Environment:
    """`read` gives the text of an env_file, and reports one that it can't read."""
    values: dict[str, str] = {}
    sources: dict[str, str] = {}
    rows = [keys["env_file"]] if keys["env_file"].is_scalar else keys["env_file"].rows()
    for row in rows:
        path = row.fields(("path",))["path"] if row.is_map else row
        for name, value in _lines(read(path, path.text())):
            _put(name, value, path, variables, values, sources, is_file=True)
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


def _put(
    name: str, value: str | None, node: Node, variables: Variables, values: dict[str, str], sources: dict[str, str],
    *, is_file: bool = False,
) -> None:  # fmt: skip
    if name in variables.secrets and (value is None or is_file):
        sources[name] = name
        return
    if is_file and value is not None and is_secret_name(name):
        what = f"{name} of this file is named like a secret, and would be shown in plans"
        node.wrong(what, f"add to deploy.yml: dotenv: FILE, and secrets: {{{name}: {{env: {name}}}}}")
        return
    try:
        found = variables.lookup(name) if value is None else value
    except (SecretInText, UnnamedSecret):
        what = f"{name} is named like a secret, and would be shown in plans"
        node.wrong(what, f"add it to deploy.yml: secrets: {{{name}: {{env: {name}}}}}")
        return
    if found is None:
        node.wrong(f"{name} is not set", f"set it, or add it to env: or secrets: of deploy.yml: {name}")
        return
    values[name] = found


def _lines(text: str) -> list[tuple[str, str | None]]:
    """Docker's reading of env files: NAME=value as it stands, NAME for the variable of this machine, and # for comments."""
    found: list[tuple[str, str | None]] = []
    for line in text.splitlines():
        line = line.lstrip()
        if not line or line.startswith("#"):
            continue
        name, sign, value = line.partition("=")
        found.append((name.strip(), value if sign else None))
    return found
