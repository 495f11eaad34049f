"""Variables that hold secrets according to a file, even when other parts of the file are invalid. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from shipit.config.document import Value, scalars
from shipit.config.local_command import is_local_command
from shipit.config.secret_names import is_secret_name

_NAMED = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)")


def held_values(tree: Value, variables: Mapping[str, str]) -> list[str]:
    """The values of the variables that hold secrets."""
    return [variables[name] for name in held_names(tree) if name in variables]


def held_names(tree: Value) -> tuple[str, ...]:
    """The variables that secrets are read from, and those named like secrets that commands of secrets use."""
    return tuple(dict.fromkeys(_names(tree)))


def used_names(text: str) -> list[str]:
    """The variables that a text uses as `${NAME...}`."""
    return _NAMED.findall(text)


def _names(tree: Value) -> Iterator[str]:
    for keys, value in scalars(tree):
        is_secret = len(keys) >= 3 and keys[-1] == "env" and keys[-3] in ("secrets", "headers")
        if is_secret or (keys[-2:] == ("url", "env") and "hooks" in keys):
            yield value.text
        elif is_local_command(keys):
            yield from filter(is_secret_name, used_names(value.text))
