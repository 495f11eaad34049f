"""Deprecated keys, which are still read: a warning for each, and the edits of `validate --fix`. Pure."""

import re
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


# The names of these keys in Compose, so that parts of a compose file can be pasted.
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
    """A change of a file: `width` characters at a position are replaced by `text`; with 0 it is inserted."""

    at: Position
    width: int
    text: str


def modernise(tree: Mapping_, source: Source) -> tuple[Mapping_, tuple[ConfigError, ...], tuple[Edit, ...]]:
    """The tree with current names, a warning for each deprecated key, and the edits that rename them."""
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
            mending = _mending(entry, at, item, source)
            hint = "shipit validate --fix mends it" if mending else f"write {entry.new}: instead, by hand"
            warnings.append(source.problem_at(at, what, hint, path=".".join((*path, key))))
            edits.update(mending)
            if entry.as_list and isinstance(item, Scalar):
                item = Sequence_((item,), item.at)
            items[entry.new] = (at, item)
        return Mapping_(items, value.at)

    walked = walk(tree, ())
    assert isinstance(walked, Mapping_)
    return walked, tuple(warnings), tuple(edits)


def _mending(entry: Deprecated, at: Position, item: Value, source: Source) -> tuple[Edit, ...]:
    """The edits that give a key its new name; none where its value is not simply text behind it, and has to be a list."""
    edits = (Edit(at, at.width, entry.new),)
    if not (entry.as_list and isinstance(item, Scalar)):
        return edits
    lines = source.texts.lines(at.file)
    line = lines[at.line - 1] if at.line <= len(lines) else ""
    start = item.at.column - 1
    between, token = line[at.column - 1 + at.width : start], line[start : start + item.at.width]
    is_behind = item.at.line == at.line and re.fullmatch(r"\s*:\s+", between) and token.strip("'\"") == item.text
    end = item.at._replace(column=item.at.column + item.at.width)
    return (*edits, Edit(item.at, 0, "["), Edit(end, 0, "]")) if is_behind else ()


def _below_environment(path: tuple[str, ...]) -> tuple[str, ...]:
    """A path without the overlay that it may stand in."""
    return path[2:] if path[:1] == ("environments",) else path


def _matches(pattern: tuple[str, ...], path: tuple[str, ...]) -> bool:
    return len(pattern) == len(path) and all(p in (ANY, k) for p, k in zip(pattern, path, strict=True))


def apply_edits(text: str, edits: Iterable[Edit]) -> str:
    """The text after all edits; the rest of it stays unchanged, comments and line ends included."""
    lines = text.splitlines(keepends=True)
    for edit in sorted(edits, key=lambda edit: (edit.at.line, edit.at.column, edit.width), reverse=True):
        index, start = edit.at.line - 1, edit.at.column - 1
        line = lines[index]
        lines[index] = line[:start] + edit.text + line[start + edit.width :]
    return "".join(lines)
