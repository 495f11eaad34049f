"""A drafted deploy.yml without a key or an item that shipit refuses. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import yaml

from shipit.errors import ConfigError

# What an image can be built without; without another key it is another image.
_OF_AN_IMAGE = frozenset({"args", "platforms"})


class Trimmed(NamedTuple):
    """A file without one of its keys or items, and the TODO that names it."""

    text: str
    todo: str


class _Entry(NamedTuple):
    """A key with its value, or an item of a list. `keys` lead to it, and `parent` holds it."""

    keys: tuple[str, ...]
    start: Any
    end: Any
    parent: Any
    parent_key: Any

    @property
    def can_be_left_out(self) -> bool:
        """False for what the file would be another one without."""
        if self.keys[0] in ("image", "images"):
            return not _OF_AN_IMAGE.isdisjoint(self.keys)
        return self.keys[0] != "app" and (self.keys[0] != "targets" or len(self.keys) > 2)


def without_refused(text: str, problems: Iterable[ConfigError], file: str) -> Trimmed | None:
    """A file without the first key or item that has a mistake and can be left out; None where there is none.

    `file` is its name in the problems, which may also be in a file that it names.
    """
    tree = yaml.compose(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    for problem in problems:
        entries = list(_entries_at(tree, problem.position)) if problem.file == file else []
        if entries and (entry := entries[-1]).can_be_left_out:
            todo = (
                f"{problem.path or '.'.join(entry.keys)} is left out, since deploy.yml does not take it: {problem.what}"
            )
            return Trimmed(_without(text, entry), todo)
    return None


def _entries_at(node: Any, position: tuple[int, int]) -> Iterator[_Entry]:
    """The entries that a position of a file is in, the outermost first."""
    at = (position[0] - 1, position[1] - 1)
    keys: tuple[str, ...] = ()
    parent_key = None
    while isinstance(node, yaml.CollectionNode):
        pairs = node.value if isinstance(node, yaml.MappingNode) else [(item, item) for item in node.value]
        inside = [(key, value) for key, value in pairs if _at(key.start_mark) <= at < _at(_end(key, value))]
        if not inside:
            return
        key, value = inside[-1]
        keys = (*keys, str(key.value) if key is not value else "")
        yield _Entry(keys, key.start_mark, _end(key, value), node, parent_key)
        node, parent_key = value, key


def _end(key: Any, value: Any) -> Any:
    """Where an entry ends: that of a map in lines is behind the comments that follow it."""
    if isinstance(value, yaml.CollectionNode) and not value.flow_style and value.value:
        last = value.value[-1]
        return _end(*last) if isinstance(value, yaml.MappingNode) else _end(last, last)
    is_empty = isinstance(value, yaml.ScalarNode) and value.value == "" and value.style is None
    return key.end_mark if is_empty else value.end_mark


def _at(mark: Any) -> tuple[int, int]:
    return mark.line, mark.column


def _without(text: str, entry: _Entry) -> str:
    if not entry.parent.flow_style:
        return _without_lines(text, entry)
    start, end = entry.start.index, entry.end.index
    after = text[end:]
    if after.startswith(", "):
        return text[:start] + after[2:]
    return text[:start].removesuffix(", ") + after


def _without_lines(text: str, entry: _Entry) -> str:
    """The file without the lines of an entry; an empty map is in place of one that has no other."""
    lines = text.split("\n")
    del lines[entry.start.line : entry.end.line + 1]
    if len(entry.parent.value) == 1 and entry.parent_key is not None:
        line, column = _at(entry.parent_key.end_mark)
        lines[line] = f"{lines[line][: column + 1]} {{}}{lines[line][column + 1 :]}"
    return "\n".join(lines)
