"""Variables that hold secrets according to a file, even when other parts of the file are invalid. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from shipit.config.document import Mapping_, Scalar, Sequence_, Value
from shipit.config.local_command import is_local_command
from shipit.config.position import Keys
from shipit.config.secret_names import is_secret_name

_NAMED = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)")


def held_values(tree: Value, variables: Mapping[str, str]) -> list[str]:
    """The values of the variables that hold secrets."""
    return [variables[name] for name in held_names(tree) if name in variables]


def held_names(tree: Value) -> tuple[str, ...]:
    """The variables that secrets are read from, and those named like secrets that commands of secrets use."""
    return tuple(dict.fromkeys(_names(tree, ())))


def _names(value: Value, keys: Keys) -> Iterator[str]:
    if isinstance(value, Mapping_):
        for key, (_, item) in value.items.items():
            yield from _names(item, (*keys, key))
    elif isinstance(value, Sequence_):
        for index, item in enumerate(value.items):
            yield from _names(item, (*keys, index))
    elif len(keys) >= 3 and keys[-1] == "env" and keys[-3] == "secrets":
        yield value.text
    elif isinstance(value, Scalar) and is_local_command(keys):
        yield from (name for name in _NAMED.findall(value.text) if is_secret_name(name))
