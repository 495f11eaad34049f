"""The differences between a manifest and a live object. Pure.

The server adds defaults and normalises quantities, so only the fields of the manifest and those that shipit owns are
compared, and quantities by value.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from shipit.targets.kubernetes.applyset import PART_OF_LABEL
from shipit.targets.kubernetes.fields import FieldPath, Owned
from shipit.targets.kubernetes.live import Live, Manager, applied_part
from shipit.targets.kubernetes.quantity import parse_quantity
from shipit.targets.kubernetes.render import MANAGED_BY, Manifest

APPLIED_ANNOTATION = "shipit.dev/applied"
OWN_ANNOTATIONS = ".annotations.shipit.dev/"
# Fields that only the server writes, or only the client.
_IGNORED = frozenset({"stringData", "creationTimestamp", "status"})
MORE = "more"
# Kinds that are replaced, since the server does not change their spec: another value that admission gave it stays.
_REPLACED = ("Pod", "Job")
_PART_OF = ("metadata", "labels", PART_OF_LABEL)


class Difference(NamedTuple):
    """A field whose live value is not the wanted one; a missing value is None.

    `path` is for people; `keys` leads to the field in the live object. `is_removed` is whether shipit applied the field
    before and the manifest no longer has it.
    """

    path: str
    keys: FieldPath
    live: Any
    wanted: Any
    is_removed: bool = False

    @property
    def is_own_mark(self) -> bool:
        """Whether shipit sets the field by itself: one of its annotations, or the label of its ApplySet."""
        return OWN_ANNOTATIONS in self.path or self.keys == _PART_OF

    @property
    def hash(self) -> str:
        """The same for the same live value of the same field."""
        return fingerprint([self.path, self.live])


def stamp(manifest: Mapping[str, Any]) -> Manifest:
    """The manifest with the hash of itself as an annotation."""
    metadata = dict(manifest.get("metadata") or {})
    annotations = {**(metadata.get("annotations") or {}), APPLIED_ANNOTATION: fingerprint(_hashed(manifest))}
    return {**manifest, "metadata": {**metadata, "annotations": annotations}}


def fingerprint(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()[:16]


def hashes(found: Iterable[Difference]) -> tuple[str, ...]:
    return tuple(sorted({item.hash for item in found}))


def object_differences(wanted: Mapping[str, Any], live: Live, *, counts_replicas: bool = False) -> list[Difference]:
    """Every difference of a live object from its manifest, as applied: changed fields, and removed ones.

    A count of replicas that the manifest does not have is a removed field with `counts_replicas` only: else an
    autoscaler sets it. The last result stays with the live object: the plan and every look of a verdict compare the same two.
    """
    last = live.compared[-1] if live.compared else None
    # `1` and `true` are equal, but the stamp of a manifest then differs.
    if last is None or (last[0] is not wanted and last[0] != wanted):
        last = (wanted, _object_differences(wanted, live))
        live.compared[:] = [last]
    return [item for item in last[1] if counts_replicas or not item.is_removed or item.path != "spec.replicas"]


def _object_differences(wanted: Mapping[str, Any], live: Live) -> tuple[Difference, ...]:
    owned = applied_part(live.meta.managers)
    changed = list(find_differences(wanted, live.manifest, owned))
    if live.kind in _REPLACED and not any(item.is_own_mark for item in changed):
        changed = [item for item in changed if not _is_admitted(item, live)]
    removed = find_removed(wanted, live.manifest, owned) if owned else ()
    return (*changed, *(item for item in removed if not _is_within_one(item, changed)))


def _is_within_one(removed: Difference, changed: Iterable[Difference]) -> bool:
    """Whether a list item is told as a changed one already: a port has its number as its key, and is matched by its name."""
    keys = tuple(removed.keys)
    is_named = isinstance(keys[-1], int) and _name(removed.live) is not None
    return is_named and any(tuple(item.keys[: len(keys)]) == keys for item in changed)


def author_of(live: Live, difference: Difference) -> Manager | None:
    """The owner of a field, and the last writer where it has several; None where nobody owns it, as after its removal."""
    owners = [
        m for m in live.meta.managers if m.subresource != "status" and m.owned.has(difference.keys, live.manifest)
    ]
    others = [manager for manager in owners if not manager.is_ours]
    return max(others or owners, key=lambda manager: manager.time, default=None)


def _is_admitted(difference: Difference, live: Live) -> bool:
    """Whether admission set a field as shipit applied the object: another field manager would own it by now.

    Nobody can add list items to the spec later, or remove a field of it.
    """
    if difference.live == MORE:
        return True
    author = author_of(live, difference)
    return difference.keys[:1] == ("spec",) if author is None else author.name == MANAGED_BY


def find_differences(
    wanted: Any, live: Any, owned: Owned | None = None, path: str = "", keys: tuple[str | int, ...] = ()
) -> Iterator[Difference]:
    """The fields of `wanted` that differ. List items that have names are matched by name, others by index.

    `owned` is what shipit owns of the value, None where that is unknown. More items than wanted are a difference, except
    in a list whose items are owned one by one: there they belong to others.
    """
    if type(wanted) is dict or isinstance(wanted, Mapping):
        found = live if isinstance(live, dict) else {}
        for key, value in wanted.items():
            # Most fields are equal: then nothing in them differs.
            if key not in _IGNORED and value != (other := found.get(key)):
                inner = owned.fields.get(key) if owned else None
                where = f"{path}.{key}".lstrip(".")
                yield from find_differences(value, other, inner, where, (*keys, str(key)))
    elif isinstance(wanted, list):
        rows = live if isinstance(live, list) else []
        named = _by_name(rows)
        for index, item in enumerate(wanted):
            name = _name(item)
            place = index if name is None or named is None else named.get(name, len(rows))
            other = rows[place] if place < len(rows) else None
            inner = owned.item(other) if owned and other is not None else None
            where = f"{path}[{name if name is not None else index}]"
            yield from find_differences(item, other, inner, where, (*keys, place))
        if len(rows) > len(wanted) and not (owned and (owned.items or owned.values)):
            yield Difference(f"{path}[{len(wanted)}]", (*keys, len(wanted)), MORE, None)
    elif not _same(wanted, live):
        yield Difference(path, keys, live, wanted)


def find_removed(
    wanted: Any, live: Any, owned: Owned, path: str = "", keys: tuple[str | int, ...] = ()
) -> Iterator[Difference]:
    """The fields and list items that shipit owns and `wanted` lacks: applying `wanted` removes them."""
    if isinstance(live, dict) and isinstance(wanted, Mapping):
        for key, inner in owned.fields.items():
            where, there = f"{path}.{key}".lstrip("."), (*keys, key)
            if key not in live:
                continue
            if key not in wanted:
                yield Difference(where, there, live[key], None, is_removed=True)
            elif not inner.is_whole:
                yield from find_removed(wanted[key], live[key], inner, where, there)
    elif isinstance(wanted, list) and isinstance(live, list):
        for index, row in enumerate(live):
            item = owned.item(row)
            if item is None:
                continue
            name = _name(row)
            where, there = f"{path}[{index if name is None else name}]", (*keys, index)
            match = next((other for other in wanted if _is_same_item(other, row, owned)), None)
            if match is None:
                yield Difference(where, there, row, None, is_removed=True)
            elif not item.is_whole:
                yield from find_removed(match, row, item, where, there)


def _hashed(manifest: Mapping[str, Any]) -> Any:
    """What the stamp is a hash of: of a Secret the keys only, so that no value can be guessed by it."""
    if manifest.get("kind") != "Secret":
        return manifest
    return {
        key: sorted(map(str, value if isinstance(value, Iterable) else ())) if key in ("data", "stringData") else value
        for key, value in manifest.items()
    }


def _is_same_item(wanted: Any, live: Any, owned: Owned) -> bool:
    """Whether a wanted list item is the live one, by the keys of the list; a key that is not written has a default."""
    for keys, _ in owned.items:
        if isinstance(live, dict) and all(live.get(name) == value for name, value in keys.items()):
            return isinstance(wanted, dict) and all(wanted.get(name, value) == value for name, value in keys.items())
    return bool(wanted == live)


def _name(row: Any) -> str | None:
    name = row.get("name") if isinstance(row, dict) else None
    return name if isinstance(name, str) else None


def _by_name(rows: list[Any]) -> dict[str, int] | None:
    """Name -> index of the items that have names; None where a name occurs twice."""
    found = [(name, index) for index, row in enumerate(rows) if (name := _name(row)) is not None]
    return dict(found) if len(dict(found)) == len(found) else None


def _same(wanted: Any, live: Any) -> bool:
    if wanted == live or (wanted in (None, "", 0, False) and live is None):
        return True
    if live is None or isinstance(wanted, bool) or isinstance(live, bool):
        return False
    one, other = parse_quantity(str(wanted)), parse_quantity(str(live))
    return one == other if one is not None and other is not None else str(wanted) == str(live)
