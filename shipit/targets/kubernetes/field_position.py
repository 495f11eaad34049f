"""The position of a field in a manifest file, by the path that the API server names it with. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

from shipit.config.position import Position
from shipit.targets.kubernetes.go_yaml import events_of

# `spec.containers[0].image`, `data[a.b]`, `spec.containers[name="web"].env`.
_PART = re.compile(r'\.?(?P<key>[^.\[\]]+)|\[(?P<item>(?:"[^"]*"|[^\]"])*)\]')
_PAIR = re.compile(r'(?P<name>\w+)=(?P<value>"[^"]*"|[^,]+)')


@dataclass
class _Node:
    """A value with its marks: text, or the keys and values of a map, or the items of a list."""

    start: Any
    end: Any
    text: str = ""
    pairs: list[tuple[_Node, _Node]] | None = None
    items: list[_Node] = field(default_factory=list)


def field_position(text: str, at: Position, path: str) -> Position:
    """The key or list item of a field in the object at a position; the deepest one that the file has of its path.

    `text` is a file that was read as a manifest before.
    """
    node = next((node for node in _objects(text) if _is_at(node, at)), None)
    found = at
    for part in _PART.finditer(path):
        step = _key(node, part["key"]) if part["key"] is not None else _item(node, part["item"])
        if step is None:
            break
        mark, node = step
        found = Position(mark.start.line + 1, mark.start.column + 1, _width(mark), at.file)
    return found


def _objects(text: str) -> Iterator[_Node]:
    """The nodes of the objects of a file: documents, and the items of Lists."""
    events = events_of(text)
    for event in events:
        if isinstance(event, yaml.DocumentStartEvent):
            node = _node(next(events), events, {})
            yield node
            yield from items.items if (items := _value(node, "items")) else ()


def _node(event: Any, events: Iterator[Any], anchors: dict[str, _Node]) -> _Node:
    anchor = event.anchor or ""
    if isinstance(event, yaml.AliasEvent):
        return anchors[anchor]
    node = _Node(event.start_mark, event.end_mark)
    if anchor:
        anchors[anchor] = node
    if isinstance(event, yaml.ScalarEvent):
        node.text = event.value
        return node
    if isinstance(event, yaml.MappingStartEvent):
        node.pairs = []
        while not isinstance(event := next(events), yaml.MappingEndEvent):
            key = _node(event, events, anchors)
            node.pairs.append((key, _node(next(events), events, anchors)))
    else:
        while not isinstance(event := next(events), yaml.SequenceEndEvent):
            node.items.append(_node(event, events, anchors))
    node.end = event.end_mark
    return node


def _is_at(node: _Node, at: Position) -> bool:
    return (node.start.line + 1, node.start.column + 1) == (at.line, at.column)


def _key(node: _Node | None, name: str) -> tuple[_Node, _Node] | None:
    """The node to point at, and the value, of a key of a map, also of one that it merges."""
    pairs = (node.pairs if node else None) or []
    found = next(((key, value) for key, value in pairs if key.text == name), None)
    merged = (one for key, value in pairs if key.text == "<<" for one in (value.items or [value]))
    return found or next((step for one in merged if (step := _key(one, name))), None)


def _item(node: _Node | None, name: str) -> tuple[_Node, _Node] | None:
    """The node to point at, and the value, of a list item by its index or keys, or of a key of a map."""
    if node is None or node.pairs is not None:
        return _key(node, name)
    wanted = {match["name"]: _text(match["value"]) for match in _PAIR.finditer(name)}
    rows = node.items
    if name.isdecimal():
        row = rows[int(name)] if int(name) < len(rows) else None
    else:
        row = next((row for row in rows if wanted and _has(row, wanted)), None)
    return None if row is None else (row, row)


def _has(row: _Node, wanted: dict[str, str]) -> bool:
    return all((found := _value(row, name)) is not None and found.text == value for name, value in wanted.items())


def _value(node: _Node | None, name: str) -> _Node | None:
    found = _key(node, name)
    return found[1] if found else None


def _text(value: str) -> str:
    try:
        return str(json.loads(value))
    except ValueError:
        return value


def _width(mark: _Node) -> int:
    one_line = mark.start.line == mark.end.line
    return max(1, mark.end.column - mark.start.column) if one_line else 1
