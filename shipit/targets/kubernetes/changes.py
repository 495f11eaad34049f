"""The changes between a live object and what a dry run made of it. Pure.

Lists are compared item by item, by their merge keys. The server's schema has these keys; here they are read from the
managed fields, which name each item by them.
Source: Kubernetes, "Server-Side Apply", merge strategy; fieldsV1 of structured-merge-diff.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from shipit.targets.kubernetes.drift import Difference
from shipit.targets.kubernetes.fields import FieldPath, Owned
from shipit.targets.kubernetes.live import Live
from shipit.targets.kubernetes.observed import Preview
from shipit.targets.kubernetes.render import Manifest

# What the server writes for every request, or on its own.
_OF_SERVER = frozenset(
    {"managedFields", "resourceVersion", "generation", "creationTimestamp", "deletionTimestamp", "uid", "selfLink"}
)
Owners = Sequence[Owned]


def is_unchanged(live: Live, result: Live) -> bool:
    """Whether applying changes no field of an object."""
    return _text(_written(live.manifest)) == _text(_written(result.manifest))


def is_up_to_date(live: Live | None, preview: Preview) -> bool:
    """Whether a dry run said that applying changes no field of an object."""
    return live is not None and preview.result is not None and is_unchanged(live, preview.result)


def find_changes(live: Live, result: Live) -> tuple[Difference, ...]:
    """The fields that applying changes, in the order of the live object, added ones last.

    What the server adds by itself is left out: defaults, and what a webhook injects.
    """
    owners = [manager.owned for item in (live, result) for manager in item.meta.managers]
    ours = next((manager.owned for manager in result.meta.managers if manager.is_ours), None)
    return tuple(_changes(_written(live.manifest), _written(result.manifest), owners, ours, "", ()))


def _written(manifest: Manifest) -> Manifest:
    """The fields that can be applied."""
    metadata = {key: value for key, value in manifest["metadata"].items() if key not in _OF_SERVER}
    return {**{key: value for key, value in manifest.items() if key != "status"}, "metadata": metadata}


def _changes(
    live: Any, result: Any, owners: Owners, ours: Owned | None, path: str, keys: FieldPath
) -> Iterator[Difference]:
    if isinstance(live, dict) and isinstance(result, dict):
        for key in (*live, *(key for key in result if key not in live)):
            inner = [owned.fields[key] for owned in owners if key in owned.fields]
            own = _inner(ours, key)
            yield from _pair(live.get(key), result.get(key), inner, own, f"{path}.{key}".lstrip("."), (*keys, key))
    elif isinstance(live, list) and isinstance(result, list):
        yield from _list(live, result, owners, ours, path, keys)
    elif live != result or type(live) is not type(result):
        yield Difference(path, tuple(keys), live, result)


def _pair(
    live: Any, result: Any, owners: Owners, ours: Owned | None, path: str, keys: FieldPath
) -> Iterator[Difference]:
    """The changes of a value; None where one of the two lacks it."""
    if live is None and result is not None:
        yield from _added(result, ours, path, keys)
    elif result is None and live is not None:
        yield Difference(path, tuple(keys), live, None, is_removed=True)
    else:
        yield from _changes(live, result, owners, ours, path, keys)


def _added(value: Any, ours: Owned | None, path: str, keys: FieldPath) -> Iterator[Difference]:
    """The parts of a new value that the manifest has."""
    if ours is None:
        return
    if isinstance(value, dict) and not ours.is_whole:
        for key, inner in value.items():
            yield from _added(inner, _inner(ours, key), f"{path}.{key}", (*keys, key))
    elif isinstance(value, list) and not ours.is_whole:
        for index, row in enumerate(value):
            names = tuple(ours.items[0][0]) if ours.items else ()
            yield from _added_item(row, ours, f"{path}[{label(row, value, names)}]", (*keys, index))
    else:
        yield Difference(path, tuple(keys), None, value)


def _added_item(row: Any, ours: Owned | None, path: str, keys: FieldPath) -> Iterator[Difference]:
    """The parts of a new list item; its key is in the path already."""
    own = ours.item(row) if ours else None
    if not isinstance(row, dict) or own is None or own.is_whole:
        yield from _added(row, own, path, keys)
        return
    named = [found for found in _added(row, own, path, keys) if found.path != f"{path}.name"]
    yield from named or [Difference(path, tuple(keys), None, "")]


def _list(
    live: list[Any], result: list[Any], owners: Owners, ours: Owned | None, path: str, keys: FieldPath
) -> Iterator[Difference]:
    names = next((tuple(items[0][0]) for items in (owned.items for owned in owners) if items), None)
    if any(owned.values for owned in owners):
        before, after = ({_text(row): row for row in rows} for rows in (live, result))
    elif names or _have_names(live, result):
        before, after = ({_identity(row, names or ("name",)): row for row in rows} for rows in (live, result))
    elif all(isinstance(row, dict) for row in (*live, *result)):
        before, after = ({str(index): row for index, row in enumerate(rows)} for rows in (live, result))
    else:
        if live != result:
            yield Difference(path, tuple(keys), live, result)
        return
    if len(before) < len(live) or len(after) < len(result):
        if live != result:
            yield Difference(path, tuple(keys), live, result)
        return
    yield from _items(before, after, owners, ours, path, keys, names or ())


def _items(
    before: Mapping[str, Any],
    after: Mapping[str, Any],
    owners: Owners,
    ours: Owned | None,
    path: str,
    keys: FieldPath,
    names: Sequence[str],
) -> Iterator[Difference]:
    rows, others = list(before.values()), list(after.values())
    places = {identity: index for index, identity in enumerate(before)}
    for identity, row in before.items():
        where, there = f"{path}[{label(row, rows, names)}]", (*keys, places[identity])
        if identity not in after:
            yield Difference(where, there, row, None, is_removed=True)
            continue
        inner = [found for owned in owners if (found := owned.item(row)) is not None]
        own = ours if ours is None or ours.is_whole else ours.item(after[identity])
        yield from _changes(row, after[identity], inner, own, where, there)
    new = [identity for identity in after if identity not in before]
    for identity in new:
        row = after[identity]
        where, there = f"{path}[{label(row, others, names)}]", (*keys, len(rows) + new.index(identity))
        if ours is not None and ours.is_whole:
            yield Difference(where, there, None, row)
        else:
            yield from _added_item(row, ours, where, there)
    kept = [identity for identity in after if identity in before]
    if kept != [identity for identity in before if identity in after]:
        yield Difference(
            f"{path} order", tuple(keys), [label(row, rows) for row in rows], [label(row, others) for row in others]
        )


def label(row: Any, rows: Sequence[Any], names: Sequence[str] = ()) -> str:
    """A list item in a path: its name, its port or key, its value where it is text, all of its merge keys `names`, or its place."""
    if isinstance(row, dict):
        for key in ("name", "key", "containerPort", "port", "mountPath", "ip", "type"):
            if isinstance(row.get(key), str | int):
                same = sum(isinstance(other, dict) and other.get(key) == row[key] for other in rows)
                if same == 1:
                    return str(row[key])
    if isinstance(row, str):
        return row
    if isinstance(row, dict) and len(names) > 1 and all(isinstance(row.get(name), str | int) for name in names):
        return ",".join(str(row[name]) for name in names)
    return str(next((index for index, other in enumerate(rows) if other is row), 0))


def _inner(ours: Owned | None, key: str) -> Owned | None:
    """What shipit owns of a field of a map: all of it where it owns the map as a whole."""
    return ours if ours is None or ours.is_whole else ours.fields.get(key)


def _have_names(live: list[Any], result: list[Any]) -> bool:
    rows = (*live, *result)
    return bool(rows) and all(isinstance(row, dict) and isinstance(row.get("name"), str) for row in rows)


def _identity(row: Any, names: Sequence[str]) -> str:
    return _text([row.get(name) for name in names] if isinstance(row, dict) else row)


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=str)
