"""Whether a live object still is what was applied. Pure.

The server adds defaults and rewrites quantities, so only what was asked for is compared, and quantities by value.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from typing import Any, NamedTuple

from shipit.targets.kubernetes.fields import FieldPath
from shipit.targets.kubernetes.quantity import parse_quantity
from shipit.targets.kubernetes.render import Manifest

APPLIED_ANNOTATION = "shipit.dev/applied"
OWN_ANNOTATIONS = ".annotations.shipit.dev/"
# Written by us only, or by the server only: never a difference that a user means.
_IGNORED = frozenset({"stringData", "creationTimestamp", "status"})


class Difference(NamedTuple):
    """What is wanted and not so. `path` is for people, `keys` leads there in the live object; a missing value is None."""

    path: str
    keys: FieldPath
    live: Any
    wanted: Any

    @property
    def is_own_mark(self) -> bool:
        return OWN_ANNOTATIONS in self.path


def stamp(manifest: Manifest) -> Manifest:
    """The manifest with the hash of itself as an annotation."""
    metadata = dict(manifest.get("metadata") or {})
    annotations = {**(metadata.get("annotations") or {}), APPLIED_ANNOTATION: fingerprint(manifest)}
    return {**manifest, "metadata": {**metadata, "annotations": annotations}}


def fingerprint(manifest: Manifest) -> str:
    return hashlib.sha256(json.dumps(manifest, sort_keys=True, default=str).encode()).hexdigest()[:16]


def differences(wanted: Any, live: Any) -> Iterator[tuple[str, Any, Any]]:
    """(path, live, wanted) for everything wanted that is not so; a missing live value is None.

    List items that have names are matched by name, others by place.
    """
    for found in find_differences(wanted, live):
        yield found.path, found.live, found.wanted


def find_differences(wanted: Any, live: Any, path: str = "", keys: tuple[str | int, ...] = ()) -> Iterator[Difference]:
    """The same, with the way there."""
    if isinstance(wanted, dict):
        found = live if isinstance(live, dict) else {}
        for key, value in wanted.items():
            if key not in _IGNORED:
                inner = f"{path}.{key}".lstrip(".")
                yield from find_differences(value, found.get(key), inner, (*keys, str(key)))
    elif isinstance(wanted, list):
        rows = live if isinstance(live, list) else []
        named = _by_name(rows)
        for index, item in enumerate(wanted):
            name = _name(item)
            place = index if name is None or named is None else named.get(name, len(rows))
            other = rows[place] if place < len(rows) else None
            yield from find_differences(item, other, f"{path}[{name if name is not None else index}]", (*keys, place))
        if len(rows) > len(wanted):
            yield Difference(f"{path}[{len(wanted)}]", (*keys, len(wanted)), "more", None)
    elif not _same(wanted, live):
        yield Difference(path, keys, live, wanted)


def _name(row: Any) -> str | None:
    name = row.get("name") if isinstance(row, dict) else None
    return name if isinstance(name, str) else None


def _by_name(rows: list[Any]) -> dict[str, int] | None:
    """The places of the items that have names; None where a name stands twice, so that only the place tells them apart."""
    found = [(name, index) for index, row in enumerate(rows) if (name := _name(row)) is not None]
    return dict(found) if len(dict(found)) == len(found) else None


def _same(wanted: Any, live: Any) -> bool:
    if wanted == live or (wanted in (None, "", 0, False) and live is None):
        return True
    if live is None or isinstance(wanted, bool) or isinstance(live, bool):
        return False
    one, other = parse_quantity(str(wanted)), parse_quantity(str(live))
    return one == other if one is not None and other is not None else str(wanted) == str(live)
