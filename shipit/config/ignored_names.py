"""Warnings of targets, services, workloads and the like that are left out because of their names. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from shipit.config.document import Mapping_, Region, Value, is_users, region_below
from shipit.config.position import Keys, Position
from shipit.config.source import Source, dotted
from shipit.errors import ConfigError

_HINT = "write another name; what is only the template of others may stand at the top of the file"


def ignored_names(source: Source) -> list[ConfigError]:
    """A warning for each of the user's names that begins with `x-`. An unknown key that does is meant to be left out."""
    return [
        source.problem_at(at, "is left out, as all that begins with x-", _HINT, path=dotted(keys))
        for keys, at in _left_out(source.tree, (), "keys")
    ]


def _left_out(value: Value, keys: Keys, region: Region) -> Iterator[tuple[Keys, Position]]:
    if not isinstance(value, Mapping_):
        return
    for key, (at, item) in value.items.items():
        if not is_users(key, region):
            yield from _left_out(item, (*keys, key), region_below(region, key))
        elif region in ("names", "targets") and keys != ("environments",):
            yield (*keys, key), at
