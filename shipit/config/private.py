"""Files of secrets and variables that deploy.yml names in any environment; no image should contain them. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import NamedTuple

from shipit.config.document import Value, scalars
from shipit.config.interpolate import InterpolationError, Lookup, interpolate
from shipit.config.position import Keys


class PrivateFile(NamedTuple):
    """A path as written, and the kind of file. `is_secret`: its whole content is a secret."""

    path: str
    what: str
    is_secret: bool


def private_files(tree: Value, lookup: Lookup) -> tuple[PrivateFile, ...]:
    """The files of secrets and variables that a file names, also in environments that are not selected."""
    return tuple(dict.fromkeys(_found(tree, lookup)))


def _found(tree: Value, lookup: Lookup) -> Iterator[PrivateFile]:
    for keys, value in scalars(tree):
        if what := _what(keys):
            # A variable of another environment may not be set here.
            with suppress(InterpolationError):
                yield PrivateFile(interpolate(value.text, lookup), what, what.startswith("the secret"))


def _what(keys: Keys) -> str:
    """The kind of file whose path stands at some keys; empty where they hold none."""
    path = keys[2:] if keys[:1] == ("environments",) else keys
    if path[:1] == ("dotenv",) and (len(path) < 3 or path[-1] == "path"):
        return "variables of deploy.yml"
    if len(path) >= 3 and path[-1] == "file" and path[-3] == "secrets":
        return f"the secret {path[-2]}"
    if path[-1:] == ("file",) and "hooks" in path[:3]:
        return f"the secret {path[-2]}"
    # In a build, text is a file.
    if len(path) >= 3 and path[-2] == "secrets" and path[-3] == "build":
        return f"the secret {path[-1]}"
    return ""
