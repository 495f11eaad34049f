"""JSON values one after the other, as kubectl reads a file that begins with a brace. Pure."""

from __future__ import annotations

import json
import math
import re
from bisect import bisect_right
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import yaml

from shipit.targets.kubernetes.go_scalar import json_number

_BREAK = re.compile(r"\r\n|[\n\r\x85\u2028\u2029]")
_SPACE = re.compile(r"[ \t\r\n]*")
_TOKEN = re.compile(r'[ \t\r\n,:]*(?P<token>[{}\[\]]|"(?:[^"\\]|\\.)*"|[^\s,:{}\[\]"]+)')
_FLOAT = "tag:yaml.org,2002:float"


class Place(NamedTuple):
    """Line and column, from 0, as the marks of PyYAML have them."""

    line: int
    column: int


def load_json(text: str, deepest: int, most: int) -> list[tuple[Any, Place]] | None:
    """The values of a text that is only JSON objects, and where each begins.

    None where it is something else, where a List needs the positions of its items, and for what only a reader of events can report.
    """
    found = _decoded(text, _DECODER)
    if found is None or sum(text.count(sign) for sign in ",{[:") > most:
        return None
    values = [value for value, _, _ in found]
    if _is_deep(values, deepest) or any(isinstance(value, dict) and "items" in value for value in values):
        return None
    mark = _marks(text)
    return [(value, mark(start)) for value, start, _ in found]


def _decoded(text: str, decoder: json.JSONDecoder) -> list[tuple[Any, int, int]] | None:
    """The values of a text of JSON, each with the offsets of its beginning and end; None where it is something else."""
    found = []
    index = _behind_space(text, 0)
    try:
        while index < len(text):
            value, end = decoder.raw_decode(text, index)
            found.append((value, index, end))
            index = _behind_space(text, end)
    except (ValueError, RecursionError, OverflowError):
        return None
    return found


def _behind_space(text: str, index: int) -> int:
    return _SPACE.match(text, index).end()  # type: ignore[union-attr]


def _marks(text: str) -> Callable[[int], Place]:
    """Gives the position of an offset."""
    breaks = [0, *(found.end() for found in _BREAK.finditer(text))]

    def mark(offset: int) -> Place:
        line = bisect_right(breaks, offset) - 1
        return Place(line, offset - breaks[line])

    return mark


def json_events(text: str) -> list[Any] | None:
    """The YAML events of the same values; None where the text is not only JSON. Keys may be doubled."""
    found = _decoded(text, json.JSONDecoder())
    if found is None:
        return None
    mark = _marks(text)
    return [event for _, start, end in found for event in _events(text, start, end, mark)]


def _events(text: str, start: int, end: int, mark: Callable[[int], Any]) -> Iterator[Any]:
    yield yaml.DocumentStartEvent(mark(start), mark(start), explicit=True)
    for found in _TOKEN.finditer(text, start, end):
        token, marks = found["token"], (mark(found.start("token")), mark(found.end()))
        if kind := _BRACKETS.get(token):
            yield kind(*_arguments(token), *marks)
        elif token[0] == '"':
            yield yaml.ScalarEvent(None, None, (False, True), json.loads(token), *marks)
        else:
            tag = _FLOAT if token[-1].isdigit() and not token.lstrip("-").isdigit() else None
            yield yaml.ScalarEvent(None, tag, (True, False), token, *marks)
    yield yaml.DocumentEndEvent(mark(end), mark(end), explicit=False)


def _arguments(token: str) -> tuple[Any, ...]:
    return (None, None, True) if token in "{[" else ()


_BRACKETS: dict[str, Any] = {
    "{": yaml.MappingStartEvent,
    "}": yaml.MappingEndEvent,
    "[": yaml.SequenceStartEvent,
    "]": yaml.SequenceEndEvent,
}


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    out = dict(pairs)
    if len(out) < len(pairs):
        raise ValueError("a key is there twice")
    return out


def _refuse(text: str) -> Any:
    raise ValueError(text)


def _number(text: str) -> int | float:
    value = float(text)
    return json_number(value) if math.isfinite(value) else _refuse(text)


def _whole(text: str) -> int | float:
    return int(text) if len(text) < 19 else json_number(int(text) if len(text) < 30 else float(text))


def _is_deep(values: list[Any], deepest: int) -> bool:
    layer = values
    for _ in range(deepest):
        maps_and_lists = [value for value in layer if isinstance(value, dict | list)]
        layer = [part for value in maps_and_lists for part in (value.values() if isinstance(value, dict) else value)]
    return any(isinstance(value, dict | list) for value in layer)


_DECODER = json.JSONDecoder(object_pairs_hook=_pairs, parse_constant=_refuse, parse_float=_number, parse_int=_whole)
