"""The ownership of the fields of an object. Pure.

Source: Kubernetes, "Server-Side Apply", field management; structured-merge-diff's fieldsV1: `f:` a key, `k:` a list item
by its keys, `v:` a value of a set, `i:` an item by its place, `.` the thing itself.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from shipit.errors import RemoteError
from shipit.http.fields import Field
from shipit.json_text import parse_json

# A path to a value: keys of maps, and items of lists by their place.
FieldPath = Sequence[str | int]


class Owned(NamedTuple):
    """The owned part of a value: fields of a map, items of a list by their keys, values of a set. Empty means all of it."""

    fields: Mapping[str, Owned]
    items: Sequence[tuple[Mapping[str, Any], Owned]]
    values: Sequence[Any]

    @property
    def is_whole(self) -> bool:
        return not (self.fields or self.items or self.values)

    def part_of(self, value: Any) -> Any:
        """The owned part of a value; the whole value where `is_whole`."""
        if self.is_whole:
            return value
        if isinstance(value, dict):
            return {key: self.fields[key].part_of(item) for key, item in value.items() if key in self.fields}
        if isinstance(value, list):
            return [owned.part_of(item) for item in value if (owned := self.item(item)) is not None]
        return value

    def item(self, item: Any) -> Owned | None:
        """The owned part of a list item; None when the item is not owned."""
        for keys, owned in self.items:
            if isinstance(item, dict) and all(item.get(name) == value for name, value in keys.items()):
                return owned
        return NOTHING_MORE if any(item == value for value in self.values) else None

    def has(self, path: FieldPath, value: Any) -> bool:
        """Whether the value at a path, within `value`, is owned, or something within it."""
        if not path or self.is_whole:
            return True
        key, *rest = path
        if isinstance(key, str):
            inner = self.fields.get(key)
            return inner is not None and inner.has(rest, value.get(key) if isinstance(value, dict) else None)
        if not isinstance(value, list) or key >= len(value):
            return False
        found = self.item(value[key])
        return found is not None and found.has(rest, value[key])


NOTHING_MORE = Owned({}, (), ())


def joined(parts: Sequence[Owned]) -> Owned:
    """The fields that several managers own together. Where one owns a value as a whole and another one parts of it, the parts count."""
    if len(parts) == 1:
        return parts[0]
    names = dict.fromkeys(name for part in parts for name in part.fields)
    fields = {name: joined([part.fields[name] for part in parts if name in part.fields]) for name in names}
    items: list[tuple[Mapping[str, Any], list[Owned]]] = []
    for keys, owned in (item for part in parts for item in part.items):
        same = next((found for known, found in items if known == keys), None)
        if same is None:
            items.append((keys, [owned]))
        else:
            same.append(owned)
    values: list[Any] = []
    for value in (value for part in parts for value in part.values):
        if value not in values:
            values.append(value)
    return Owned(fields, tuple((keys, joined(found)) for keys, found in items), tuple(values))


def parse_owned(part: Field) -> Owned:
    """A fieldsV1 of an answer. Objects of the same shape share one value. Raises: RemoteError."""
    try:
        return _shared(json.dumps(part.map()))
    except RemoteError:
        # Again, for an error that names the place.
        return _parsed(part)


@lru_cache(maxsize=1024)
def _shared(text: str) -> Owned:
    return _parsed(Field(json.loads(text), ""))


def _parsed(part: Field) -> Owned:
    fields: dict[str, Owned] = {}
    items: list[tuple[Mapping[str, Any], Owned]] = []
    values: list[Any] = []
    for key, inner in part.items():
        kind, _, name = key.partition(":")
        if kind == "f":
            fields[name] = _parsed(inner)
        elif kind == "k":
            keys = _json(name, inner)
            if not isinstance(keys, dict):
                raise inner.wrong("should name the keys of an item")
            items.append((keys, _parsed(inner)))
        elif kind == "v":
            values.append(_json(name, inner))
        elif kind not in (".", "i"):
            raise inner.wrong("should be a field, an item or a value")
    return Owned(fields, tuple(items), tuple(values))


def _json(text: str, part: Field) -> Any:
    try:
        return parse_json(text)
    except ValueError:
        raise part.wrong("should be named by JSON") from None
