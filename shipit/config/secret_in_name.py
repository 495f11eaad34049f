"""Names that hold the value of a secret. Names are printed and sent as they are, so such a file is refused. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from shipit.config.document import Mapping_, Region, Scalar, Sequence_, Value, is_users, region_below
from shipit.config.held import held_names, used_names
from shipit.config.local_command import is_local_command
from shipit.config.position import Keys, Position
from shipit.config.secret_names import is_secret_name
from shipit.config.source import Source, dotted
from shipit.errors import ConfigError
from shipit.redact import SHORTEST

# Keys whose contents are not names: values for processes, or read from elsewhere, and redacted where they are printed.
_NOT_NAMES = frozenset({"env", "args", "secrets", "command", "release", "dotenv", "include", "environments"})
_HINT = "write the name itself, or take it from a variable that no secret is read from"


class _Name(NamedTuple):
    """A name in the file: the path that messages may show, its text, and where the text comes from if not the file."""

    path: Keys
    text: str
    at: Position
    origin: str = ""


def secrets_in_names(tree: Mapping_, variables: Mapping[str, str], source: Source) -> list[ConfigError]:
    """An error at each name that holds a secret's value. `tree` is the file after interpolation.

    A name that is written in the file counts only when it is the whole value of a variable called like a secret: the
    value of DB_NAME may well be the name of the app.
    """
    held = {name: variables[name] for name in held_names(tree) if len(variables.get(name, "")) >= SHORTEST}
    return [
        source.problem_at(name.at, f"would show the value of {variable}, which a secret is read from", _HINT, path=dotted(name.path), hides=0)
        for name in (_names(tree, (), "keys") if held else ())
        if (variable := _secret_in(name, held))
    ]  # fmt: skip


def _secret_in(name: _Name, held: Mapping[str, str]) -> str:
    """The variable whose value a name holds; empty when it holds none."""
    if name.origin:
        used = used_names(name.origin)
        return next((variable for variable in used if held.get(variable, "\0") in name.text), "")
    return next((variable for variable, value in held.items() if value == name.text and is_secret_name(variable)), "")


def _names(value: Value, keys: Keys, region: Region) -> Iterator[_Name]:
    """Every scalar and every key of a map that is a name. The path of a key is that of its map."""
    if isinstance(value, Mapping_):
        for key, (at, item) in value.items.items():
            if key not in _NOT_NAMES and not is_users(key, region):
                yield _Name(keys, key, at)
                yield from _names(item, (*keys, key), region_below(region, key))
    elif isinstance(value, Sequence_):
        for index, item in enumerate(value.items):
            yield from _names(item, (*keys, index), region)
    elif isinstance(value, Scalar) and not is_local_command(keys):
        yield _Name(keys, value.text, value.at, value.origin)
