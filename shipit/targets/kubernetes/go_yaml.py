"""The documents of a manifest file as kubectl reads them, with the positions of its objects. Pure.

Source: k8s.io/apimachinery/pkg/util/yaml, YAMLOrJSONDecoder: JSON values one after the other, or YAML documents that are
each read by go.yaml.in/yaml v2. Unlike kubectl this reader refuses a key that a map has twice, and text that kubectl ignores.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import yaml

from shipit.targets.kubernetes.go_scalar import json_number, key_text, resolve_plain, resolve_tagged
from shipit.targets.kubernetes.json_events import Place, json_events, load_json

# The same limits as for other YAML files; aliases count with all that they stand for.
DEEPEST, MOST_NODES = 200, 1_000_000
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_BAD_SEPARATOR = re.compile(r"^---[^\S\n]*(?P<rest>[^\s#])", re.MULTILINE)
_COMMENT_BEHIND = re.compile(r"^---(?=#)", re.MULTILINE)
_MARK_BEHIND = re.compile(r"^(---[^\n]*\n)\ufeff", re.MULTILINE)
_MERGE = "tag:yaml.org,2002:merge"
_OPEN = object()


class Document(NamedTuple):
    """A value, where it begins, and where each item of its `items` begins."""

    value: Any
    at: Place
    items: tuple[Place, ...] = ()


class Misread(Exception):
    """Text that is not what it should be, and where. `key` is one that a map has twice."""

    def __init__(self, what: str, mark: Any, hint: str = "", *, key: str | None = None) -> None:
        super().__init__(what)
        self.what, self.at, self.hint, self.key = what, Place(mark.line, mark.column), hint, key


def read_documents(text: str) -> list[Document]:
    """The documents of a file, without those that are empty.

    Raises: yaml.MarkedYAMLError for what is not YAML; Misread for what Kubernetes can't take.
    """
    if text.lstrip()[:1] == "{" and (found := load_json(text, DEEPEST, MOST_NODES)) is not None:
        return [Document(value, at) for value, at in found]
    try:
        return [document for document in _Reader(events_of(text)).documents() if document.value is not None]
    except Misread as error:
        if error.key is not None and (first := _first_of(text, error)) is not None:
            error.what += f", first on line {first + 1}"
        raise


def events_of(text: str) -> Iterator[Any]:
    """The YAML events of a file, also where it is JSON values one after the other."""
    if text.lstrip()[:1] == "{" and (events := json_events(text)) is not None:
        return iter(events)
    return _yaml_events(text)


def _yaml_events(text: str) -> Iterator[Any]:
    if bad := _BAD_SEPARATOR.search(text):
        line = text.count("\n", 0, bad.start())
        column = bad.start("rest") - bad.start()
        what = "kubectl takes only spaces and comments behind ---"
        raise Misread(what, Place(line, column), "begin the document on a line of its own")
    text = _MARK_BEHIND.sub(r"\1", _COMMENT_BEHIND.sub("--- ", text))
    # kubectl reads lines, and ends also the last one with a newline: it counts in a block scalar.
    text = text if text.endswith("\n") else f"{text}\n"
    parser = _LOADER(text)
    try:
        while (event := parser.get_event()) is not None:
            yield event
    finally:
        parser.dispose()


class _Reader:
    """Builds values from events."""

    def __init__(self, events: Iterator[Any]) -> None:
        self._next = events.__next__
        self._events = events
        self._count = self._depth = 0
        # Anchor -> its value and the number of its nodes.
        self._anchors: dict[str, tuple[Any, int]] = {}
        self._items: list[Place] = []

    def documents(self) -> Iterator[Document]:
        for event in self._events:
            if not isinstance(event, yaml.DocumentStartEvent):
                continue
            start = self._next()
            self._anchors, self._items = {}, []
            value = self._node(start)
            yield Document(value, _place(start), tuple(self._items))

    def _node(self, event: Any) -> Any:
        kind = type(event)
        if kind is yaml.ScalarEvent:
            self._count += 1
            value = self._scalar(event)
            if type(value) is float or type(value) is int:
                value = _finite(value, event)
            if event.anchor is not None:
                self._anchors[event.anchor] = value, 1
            return value
        if kind is yaml.AliasEvent:
            return self._alias(event)
        before = self._count
        self._count += 1
        self._depth += 1
        if self._depth > DEEPEST:
            raise Misread(f"values nest deeper than {DEEPEST}", event.start_mark)
        if event.anchor is not None:
            opened = self._anchors[event.anchor] = _OPEN, 0
        value = self._map() if kind is yaml.MappingStartEvent else self._list()
        self._depth -= 1
        if self._count > MOST_NODES:
            raise Misread(f"holds more than {MOST_NODES:,} values, aliases counted", event.start_mark)
        # An anchor of the same name inside of the value replaces this one.
        if event.anchor is not None and self._anchors[event.anchor] is opened:
            self._anchors[event.anchor] = value, self._count - before
        return value

    def _map(self) -> dict[str, Any]:
        out: dict[str, Any] = {}
        own: set[str] | None = None
        while type(event := self._next()) is not yaml.MappingEndEvent:
            if type(event) is yaml.ScalarEvent and event.tag is None and not event.implicit[0] and event.anchor is None:
                key = event.value
            elif _is_merge(event):
                own = set(out) if own is None else own
                self._merge(out)
                continue
            else:
                key = self._key(event)
            if key in out and (own is None or key in own):
                what = f"the key {key!r} is defined twice"
                raise Misread(what, event.start_mark, "remove one of them", key=key)
            if own is not None:
                own.add(key)
            value = self._next()
            if self._depth == 1 and key == "items" and type(value) is yaml.SequenceStartEvent:
                out[key] = self._node_of_items(value)
            else:
                out[key] = self._node(value)
        return out

    def _list(self) -> list[Any]:
        out = []
        while type(event := self._next()) is not yaml.SequenceEndEvent:
            if self._depth == 2 and self._is_items:
                self._items.append(_place(event))
            out.append(self._node(event))
        return out

    _is_items = False

    def _node_of_items(self, event: Any) -> Any:
        self._is_items, self._items = True, []
        try:
            return self._node(event)
        finally:
            self._is_items = False

    def _scalar(self, event: Any) -> Any:
        if event.tag is None:
            return resolve_plain(event.value) if event.implicit[0] else event.value
        try:
            return resolve_tagged(event.tag, event.value)
        except ValueError as error:
            raise Misread(str(error), event.start_mark) from None

    def _key(self, event: Any) -> str:
        if type(event) is yaml.ScalarEvent:
            self._count += 1
            key = self._scalar(event)
            if event.anchor is not None:
                self._anchors[event.anchor] = key, 1
        else:
            key = self._node(event)
        text = key_text(key)
        if text is None:
            raise Misread("a key should be text", event.start_mark, "put quotes around it")
        return text

    def _merge(self, out: dict[str, Any]) -> None:
        """Set the keys of the map, or maps, that follow; as in kubectl they replace keys that stand above."""
        event = self._next()
        value = self._node(event)
        maps = [value] if isinstance(value, dict) else value
        is_alias = type(event) is yaml.AliasEvent
        if not isinstance(maps, list) or not all(isinstance(one, dict) for one in maps) or (is_alias and maps is value):
            raise Misread("<< should have a map, or a list of maps", event.start_mark)
        for one in reversed(maps):
            out.update(one)

    def _alias(self, event: Any) -> Any:
        if event.anchor not in self._anchors:
            raise Misread(f"there is no anchor &{event.anchor} above", event.start_mark)
        value, count = self._anchors[event.anchor]
        if value is _OPEN:
            raise Misread(f"the value of &{event.anchor} holds itself", event.start_mark)
        self._count += max(1, count)
        if self._count > MOST_NODES:
            raise Misread(f"holds more than {MOST_NODES:,} values, aliases counted", event.start_mark)
        return value


def _first_of(text: str, error: Misread) -> int | None:
    """The line, from 0, of the first key that a key of the same map repeats."""
    # For each open map or list: whether a key comes next, None in a list; and the line of its key of that name.
    opened: list[tuple[bool | None, int | None]] = []
    for event in events_of(text):
        if isinstance(event, yaml.MappingEndEvent | yaml.SequenceEndEvent):
            opened.pop()
        elif not isinstance(event, yaml.NodeEvent):
            continue
        is_key, line = opened[-1] if opened else (None, None)
        if isinstance(event, yaml.NodeEvent):
            if _place(event) == error.at and is_key:
                return line
            if is_key and isinstance(event, yaml.ScalarEvent) and event.value == error.key:
                line = _place(event).line
        # The end of a map or list completes a key or a value, as a scalar does.
        is_complete = not isinstance(event, yaml.CollectionStartEvent)
        if opened and is_complete:
            opened[-1] = (None if is_key is None else not is_key, line)
        elif opened:
            opened[-1] = (is_key, line)
        if not is_complete:
            opened.append((True if isinstance(event, yaml.MappingStartEvent) else None, None))
    return None


def _is_merge(event: Any) -> bool:
    return type(event) is yaml.ScalarEvent and event.value == "<<" and (event.implicit[0] or event.tag == _MERGE)


def _finite(value: int | float, event: Any) -> int | float:
    if not math.isfinite(value):
        raise Misread("JSON has no such number", event.start_mark, "put quotes around it")
    return json_number(value)


def _place(event: Any) -> Place:
    return Place(event.start_mark.line, event.start_mark.column)
