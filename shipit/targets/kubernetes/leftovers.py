"""Fields that the server fills in by itself and then refuses beside a new value, such as `rollingUpdate` beside `type: Recreate`. Pure.

Server-side apply removes the fields that a manager owned, and leaves the defaults beside them: the port of `httpGet` goes, its
`scheme` stays, and a probe has two handlers. A null in the manifest removes the field as a whole.
Source: kubernetes/kubernetes#24198; Kubernetes, "Server-Side Apply", merge strategy.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from shipit.targets.kubernetes.fields import FieldPath
from shipit.targets.kubernetes.live import Live, applied_part, taken_over
from shipit.targets.kubernetes.render import Manifest

_PART = re.compile(r"\.?(?P<key>[^.\[\]]+)|\[(?P<index>\d+)\]")


def leftovers(manifest: Manifest, live: Live, fields: Iterable[str]) -> tuple[FieldPath, ...]:
    """The paths, in the manifest, of maps that it does not have, at or beside the fields that the server names in a refusal.

    A map that another field manager owns as well, or a part of it, is none.
    """
    found: dict[FieldPath, None] = {}
    for field in fields:
        found.update(dict.fromkeys(_beside(manifest, live, _keys(field))))
    return tuple(found)


def with_nulls(manifest: Manifest, paths: Iterable[FieldPath]) -> Manifest:
    """The manifest with null at these paths."""
    for path in paths:
        manifest = _with_null(manifest, path)
    return manifest


def _beside(manifest: Manifest, live: Live, keys: Sequence[str | int]) -> Iterator[FieldPath]:
    wanted: Any = manifest
    found: Any = live.manifest
    places: list[str | int] = []
    there: list[str | int] = []
    for key in keys[:-1]:
        place = _place(wanted, found, key)
        if place is None:
            return
        wanted, found = wanted[place], found[key]
        places.append(place)
        there.append(key)
    if not isinstance(wanted, dict) or not isinstance(found, dict) or not keys:
        return
    for name, value in found.items():
        path = (*there, name)
        is_named = name == keys[-1]
        if isinstance(value, dict) and name not in wanted and _is_left(live, path, may_be_default=is_named):
            yield (*places, name)


def _place(wanted: Any, found: Any, key: str | int) -> Any:
    """The key or index in the manifest of a part of the live object; list items are matched by name. None where there is none."""
    if isinstance(key, str):
        return key if isinstance(wanted, dict) and isinstance(found, dict) and key in wanted and key in found else None
    if not isinstance(wanted, list) or not isinstance(found, list) or key >= len(found):
        return None
    name = found[key].get("name") if isinstance(found[key], dict) else None
    if name is None:
        return key if key < len(wanted) else None
    return next((at for at, row in enumerate(wanted) if isinstance(row, dict) and row.get("name") == name), None)


def _is_left(live: Live, path: FieldPath, *, may_be_default: bool) -> bool:
    """Whether a field is shipit's, or may be nobody's: a default of the server."""
    managers = live.meta.managers
    ours = applied_part(managers)
    theirs = taken_over(managers)
    others = [one for one in managers if not (one.is_ours or one in theirs or one.subresource)]
    if any(one.owned.has(path, live.manifest) for one in others):
        return False
    return may_be_default or (ours is not None and ours.has(path, live.manifest))


def _keys(field: str) -> tuple[str | int, ...]:
    """`spec.containers[0].env` as its keys; nothing where it is written in another way."""
    parts = list(_PART.finditer(field))
    if "".join(part[0] for part in parts) != field:
        return ()
    return tuple(part["key"] if part["key"] is not None else int(part["index"]) for part in parts)


def _with_null(value: Any, path: FieldPath) -> Any:
    key, *rest = path
    inner = _with_null(value[key], rest) if rest else None
    if isinstance(value, list):
        return [inner if at == key else item for at, item in enumerate(value)]
    return {**value, key: inner}
