"""The position of a field in a manifest file, by the path that the API server names it with. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import yaml

from shipit.config.position import Position
from shipit.targets.kubernetes.go_yaml import ManifestLoader

# `spec.containers[0].image`, `data[a.b]`, `spec.containers[name="web"].env`.
_PART = re.compile(r'\.?(?P<key>[^.\[\]]+)|\[(?P<item>(?:"[^"]*"|[^\]"])*)\]')
_PAIR = re.compile(r'(?P<name>\w+)=(?P<value>"[^"]*"|[^,]+)')


def field_position(text: str, at: Position, field: str) -> Position:
    """The key or list item of a field in the object at a position; the deepest one that the file has of its path.

    `text` is a file that was read as a manifest before.
    """
    node = next((node for node in _nodes(text) if _is_at(node, at)), None)
    found = at
    for part in _PART.finditer(field):
        step = _key(node, part["key"]) if part["key"] is not None else _item(node, part["item"])
        if step is None:
            break
        mark, node = step
        found = Position(mark.start_mark.line + 1, mark.start_mark.column + 1, _width(mark), at.file)
    return found


def objects_in(node: Any) -> Iterator[Any]:
    """The nodes of the objects in a document: itself, or the items of a List."""
    items = _value(node, "items")
    if isinstance(items, yaml.SequenceNode) and getattr(_value(node, "kind"), "value", "") == "List":
        yield from items.value
    else:
        yield node


def _nodes(text: str) -> Iterator[Any]:
    loader = ManifestLoader(text)
    try:
        while loader.check_node() and (node := loader.get_node()) is not None:
            yield from objects_in(node)
    finally:
        loader.dispose()


def _is_at(node: Any, at: Position) -> bool:
    return (node.start_mark.line + 1, node.start_mark.column + 1) == (at.line, at.column)


def _key(node: Any, name: str) -> tuple[Any, Any] | None:
    """The node to point at, and the value, of a key of a map."""
    for key, value in node.value if isinstance(node, yaml.MappingNode) else ():
        if key.value == name:
            return key, value
    return None


def _item(node: Any, name: str) -> tuple[Any, Any] | None:
    """The node to point at, and the value, of a list item by its index or keys, or of a key of a map."""
    if not isinstance(node, yaml.SequenceNode):
        return _key(node, name)
    wanted = {match["name"]: _text(match["value"]) for match in _PAIR.finditer(name)}
    rows = node.value
    if name.isdecimal():
        row = rows[int(name)] if int(name) < len(rows) else None
    else:
        row = next((row for row in rows if wanted and _has(row, wanted)), None)
    return None if row is None else (row, row)


def _has(row: Any, wanted: dict[str, str]) -> bool:
    return all(getattr(_value(row, name), "value", None) == value for name, value in wanted.items())


def _value(node: Any, name: str) -> Any:
    found = _key(node, name)
    return found[1] if found else None


def _text(value: str) -> str:
    try:
        return str(json.loads(value))
    except ValueError:
        return value


def _width(mark: Any) -> int:
    one_line = mark.start_mark.line == mark.end_mark.line
    return max(1, mark.end_mark.column - mark.start_mark.column) if one_line else 1
