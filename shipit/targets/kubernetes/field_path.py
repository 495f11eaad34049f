"""Paths of fields in deploy.yml, such as `spec.jobs[*].image`: found and replaced in an object. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

_NAME, _ITEM = r"[A-Za-z0-9_$/-]+", r'\[(?:\*|"[^"\]]+")\]'
PATTERN = rf"^{_NAME}({_ITEM})*(\.{_NAME}({_ITEM})*)*$"
_PART = re.compile(rf'\.?({_NAME})|\[(\*)\]|\["([^"\]]+)"\]')


def values_at(value: Any, path: str) -> Iterator[Any]:
    """The values of a field; `[*]` stands for each item of a list or map. Nothing where a part is missing."""
    yield from _values(value, parts_of(path))


def replaced_at(value: Any, path: str, change: Callable[[Any], Any]) -> Any:
    """The same value with `change` applied to each value of a field."""
    return _replaced(value, parts_of(path), change)


def parts_of(path: str) -> tuple[str | None, ...]:
    """The keys of a path; None for `[*]`."""
    return tuple(None if star else name or quoted for name, star, quoted in _PART.findall(path))


def _values(value: Any, parts: tuple[str | None, ...]) -> Iterator[Any]:
    if not parts:
        yield value
        return
    for key in _keys(value, parts[0]):
        yield from _values(value[key], parts[1:])


def _replaced(value: Any, parts: tuple[str | None, ...], change: Callable[[Any], Any]) -> Any:
    if not parts:
        return change(value)
    copied: Any = value.copy() if isinstance(value, dict | list) else value
    for key in _keys(value, parts[0]):
        copied[key] = _replaced(value[key], parts[1:], change)
    return copied


def _keys(value: Any, part: str | None) -> list[Any]:
    if part is None:
        return list(value) if isinstance(value, dict) else list(range(len(value))) if isinstance(value, list) else []
    return [part] if isinstance(value, dict) and part in value else []
