"""Keys that are still read but have a better name here: told with their place, and mended by `validate --fix`. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from shipit.config.document import Mapping_, Scalar, Sequence_, Value
from shipit.config.position import Position
from shipit.config.source import Source
from shipit.errors import ConfigError

ANY = "*"


class Deprecated(NamedTuple):
    """A key under `path` whose name was `old`; `as_list` puts its value into a list."""

    path: tuple[str, ...]
    old: str
    new: str
    as_list: bool = False


# What Compose calls these: read, so that parts of a compose file can be pasted, and told.
DEPRECATED = (
    *(
        entry
        for above in (("images", ANY, "build"), ("image", "build"))
        for entry in (
            Deprecated(above, "target", "stage"),
            Deprecated(above, "platform", "platforms", as_list=True),
        )
    ),
    Deprecated(("secrets", ANY), "environment", "env"),
)


class Edit(NamedTuple):
    """A change of a file's text: what stands at a position becomes `text`; with `width` 0 something is put before it."""

    at: Position
    width: int
    text: str


def modernise(tree: Mapping_, source: Source) -> tuple[Mapping_, tuple[ConfigError, ...], tuple[Edit, ...]]:
    """The tree under today's names, a warning for each key of another name, and the edits that mend them."""
    warnings: list[ConfigError] = []
    edits: set[Edit] = set()

    def walk(value: Value, path: tuple[str, ...]) -> Value:
        if not isinstance(value, Mapping_):
            return value
        items: dict[str, tuple[Position, Value]] = {}
        own = _below_environment(path)
        for key, (at, item) in value.items.items():
            entry = next((e for e in DEPRECATED if e.old == key and _matches(e.path, own)), None)
            if entry is None or entry.new in value.items:
                items[key] = (at, walk(item, (*path, key)))
                continue
            what = f"{entry.old}: is called {entry.new}: here, and will not be read for ever"
            warnings.append(source.problem_at(at, what, "shipit validate --fix mends it", path=".".join((*path, key))))
            edits.add(Edit(at, len(key), entry.new))
            if entry.as_list and isinstance(item, Scalar):
                end = item.at._replace(column=item.at.column + item.at.width)
                edits.update((Edit(item.at, 0, "["), Edit(end, 0, "]")))
                item = Sequence_((item,), item.at)
            items[entry.new] = (at, item)
        return Mapping_(items, value.at)

    walked = walk(tree, ())
    assert isinstance(walked, Mapping_)
    return walked, tuple(warnings), tuple(edits)


def _below_environment(path: tuple[str, ...]) -> tuple[str, ...]:
    """A path without the overlay that it may stand in."""
    return path[2:] if path[:1] == ("environments",) else path


def _matches(pattern: tuple[str, ...], path: tuple[str, ...]) -> bool:
    return len(pattern) == len(path) and all(p in (ANY, k) for p, k in zip(pattern, path, strict=True))


def apply_edits(text: str, edits: Iterable[Edit]) -> str:
    """The text with every edit made; what the edits do not touch stays as it is, comments and line ends included."""
    lines = text.splitlines(keepends=True)
    for edit in sorted(edits, key=lambda edit: (edit.at.line, edit.at.column, edit.width), reverse=True):
        index, start = edit.at.line - 1, edit.at.column - 1
        line = lines[index]
        lines[index] = line[:start] + edit.text + line[start + edit.width :]
    return "".join(lines)
