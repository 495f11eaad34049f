"""The lock of a target on its engine: an object with labels, whose name has the version of the lock and whose labels its holder.

Of two that create an object of one name, the engine keeps the first, and both see its labels. A holder renews the lock by
creating the object of the next version, and then removes the one before. Its age is measured by the clock of the host.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from shipit.errors import ShipitError
from shipit.json_text import parse_json
from shipit.record import from_json, to_json
from shipit.targets.engine.label_store import Labelled, LabelStore, short_name
from shipit.targets.engine.owner import LABEL, LOCK, Owner
from shipit.targets.locks import LEASE_S, Holder, LockState

_TOKEN, _HOLDER = f"{LABEL}.lock-token", f"{LABEL}.lock-holder"


class _Lock(NamedTuple):
    version: int
    found: Labelled


def read_lock(store: LabelStore, owner: Owner) -> LockState:
    found = _locks(store, owner)
    if not found:
        return LockState()
    newest = max(found)
    return LockState(_holder(newest.found.labels), str(newest.version), newest.found.age_s)


def swap_lock(
    store: LabelStore, owner: Owner, before: LockState, holder: Holder | None, now_s: float
) -> LockState | None:
    """Give the lock to a holder, or give it back with None, if it is as `before`; None where it is not."""
    version = int(before.version or 0)
    if holder is None:
        return LockState() if store.drop(_name(owner, version)) else None
    # A lock that was given back leaves nothing: the next one has a higher version than any before.
    wanted = version + 1 if version else int(now_s * 1000)
    token = secrets.token_hex(16)
    labels = {LOCK: str(wanted), _TOKEN: token, _HOLDER: json.dumps(to_json(holder))}
    name = _name(owner, wanted)
    store.put(name, {**owner.labels, **labels})
    created = store.find_labels(name)
    if created is None or created.get(_TOKEN) != token:
        return None
    others = [found for found in _locks(store, owner) if found.version != wanted]
    is_held = not version or any(found.version == version for found in others)
    if not is_held or any(found.version > version for found in others):
        # Somebody was faster, or the lock that is renewed was broken or given to others meanwhile.
        store.drop(name)
        return None
    for found in others:
        store.drop(found.found.name)
    return LockState(holder, str(wanted))


def changed_now(found: Sequence[Labelled], owner: Owner) -> str:
    """The other target that a run changes now, as APP/ENVIRONMENT/TARGET; empty where none is, or only targets of the run that holds the lock of the owner.

    `found` are the locks of all targets on an engine.
    """
    own, locks = owner.labels, [one for one in found if LOCK in one.labels]
    runs = {_run(one.labels) for one in locks if own.items() <= one.labels.items()}
    for lock in locks:
        if not own.items() <= lock.labels.items() and lock.age_s <= LEASE_S and _run(lock.labels) not in runs:
            return "/".join(lock.labels.get(name, "") for name in own)
    return ""


def _run(labels: Mapping[str, str]) -> str:
    holder = _holder(labels)
    return holder.run if holder else ""


def _locks(store: LabelStore, owner: Owner) -> list[_Lock]:
    found = ((one.labels.get(LOCK, ""), one) for one in store.list_labelled(owner.filters))
    return [_Lock(int(text), one) for text, one in found if text.isascii() and text.isdigit() and len(text) < 19]


def _holder(labels: Mapping[str, str]) -> Holder | None:
    try:
        return from_json(Holder, parse_json(labels.get(_HOLDER, "")))
    except (ShipitError, ValueError):
        return Holder("unknown")


def _name(owner: Owner, version: int) -> str:
    return short_name(f"{owner.prefix}-lock-{owner.target}-{version}")
