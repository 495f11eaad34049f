"""What leaves an object when shipit takes over the fields of `kubectl apply`. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from typing import Any

from shipit.targets.kubernetes.drift import find_removed
from shipit.targets.kubernetes.fields import NOTHING_MORE, FieldPath, Owned, joined
from shipit.targets.kubernetes.live import Live, Manager, taken_over
from shipit.targets.kubernetes.render import Manifest

NOTHING: Manifest = {}


def after_adoption(
    wanted: Manifest, live: Live | None, result: Live, unserved: Collection[str] = (), new: Manifest = NOTHING
) -> Live:
    """The result of a dry run, without what leaves because shipit takes over the fields of `kubectl apply`.

    A field that another manager owns as well stays, and so does one of an `unserved` version: see `adoption.as_served`. `new` is what
    the server makes of the manifest where there is no object: a field that it sets by default gets its value there.
    """
    theirs = taken_over(live.meta.managers) if live else []
    if live is None or not theirs:
        return result
    owned = joined([_served_part(manager, unserved) for manager in theirs])
    others = [manager.owned for manager in live.meta.managers if not (manager.is_ours or manager in theirs)]
    removed = [tuple(found.keys) for found in find_removed(wanted, result.manifest, owned)]
    leaving = [
        part
        for keys in removed
        for part in _leaving(keys, *_part_at(keys, result.manifest, owned), others, result.manifest)
    ]
    if not leaving:
        return result
    manifest = deepcopy(dict(result.manifest))
    # The last items of a list first: the places of those before them stay.
    for keys in reversed(leaving):
        default = _counterpart(keys, result.manifest, new, owned)
        if default is None:
            _remove(manifest, keys)
        else:
            _set(manifest, keys, default)
    return result._replace(manifest=manifest)


def _part_at(keys: FieldPath, value: Any, owned: Owned) -> tuple[Any, Owned]:
    """The value at a path, and the owned part of it."""
    for key in keys:
        found = owned.fields.get(key) if isinstance(key, str) else owned.item(value[key])
        value, owned = value[key], found or NOTHING_MORE
    return value, owned


def _leaving(
    keys: tuple[str | int, ...], value: Any, owned: Owned, others: Sequence[Owned], manifest: Manifest
) -> Iterator[FieldPath]:
    """The parts of an owned value, at a path, that nobody else owns."""
    if not any(other.has(keys, manifest) for other in others):
        yield keys
        return
    parts: Iterable[tuple[str | int, Owned | None]] = ()
    if isinstance(value, dict):
        parts = ((key, part) for key, part in owned.fields.items() if key in value)
    elif isinstance(value, list):
        parts = ((index, owned.item(row)) for index, row in enumerate(value))
    for key, part in () if owned.is_whole else parts:
        if part is not None:
            yield from _leaving((*keys, key), value[key], part, others, manifest)


def _counterpart(keys: FieldPath, value: Any, other: Any, owned: Owned) -> Any:
    """What another object has at a path within `value`; None where it has nothing. List items are the same by their keys."""
    for key in keys:
        if isinstance(key, str):
            value, other = value[key], other.get(key) if isinstance(other, dict) else None
            owned = owned.fields.get(key, NOTHING_MORE)
        else:
            row = value[key]
            names = next((names for names, _ in owned.items if _has(row, names)), None)
            rows = other if isinstance(other, list) and names is not None else []
            value, other = row, next((item for item in rows if _has(item, names or {})), None)
            owned = owned.item(row) or NOTHING_MORE
        if other is None:
            return None
    return other


def _has(row: Any, names: Mapping[str, Any]) -> bool:
    return isinstance(row, dict) and all(row.get(name) == value for name, value in names.items())


def _set(value: Any, keys: FieldPath, new: Any) -> None:
    for key in keys[:-1]:
        value = value[key]
    value[keys[-1]] = deepcopy(new)


def _remove(value: Any, keys: FieldPath) -> None:
    for key in keys[:-1]:
        value = value[key]
    del value[keys[-1]]


def _served_part(manager: Manager, unserved: Collection[str]) -> Owned:
    if manager.api_version not in unserved:
        return manager.owned
    return manager.owned._replace(fields={k: v for k, v in manager.owned.fields.items() if k == "metadata"})
