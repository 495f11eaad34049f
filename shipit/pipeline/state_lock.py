"""The lock of a target whose place has none, in the state that machines share. Its age is measured by the clock of the state."""

from __future__ import annotations

import json
import secrets

from shipit.history.state_store import StateError, StateStore
from shipit.json_text import parse_json
from shipit.pipeline.marks import file_name
from shipit.record import InvalidRecord, from_json, to_json
from shipit.targets.base import Target
from shipit.targets.locks import Holder, LockState, NoLock
from shipit.targets.session import Session


class StateLock:
    """One object for each place."""

    def __init__(self, target: Target, store: StateStore) -> None:
        self.name = target.name
        self._store, self._object = store, f"locks/{file_name(target.place)}.json"

    def lock_name(self) -> str:
        return f"state in {self._store.title}"

    def read_lock(self, session: Session) -> LockState:
        found = self._store.read(self._object)
        if found is None:
            return LockState()
        if (holder := _holder(found.data)) is None:
            return LockState(None, found.version)
        return LockState(holder, found.version, max(0.0, self._now_s(found.modified_s) - found.modified_s))

    def swap_lock(self, before: LockState, holder: Holder | None, session: Session) -> LockState | None:
        """Give the lock to a holder. Raises: NoLock for a store that writes whatever the condition says."""
        version = self._store.swap(self._object, _data(holder), before.version)
        if version is None:
            return None
        is_taken = holder is not None and (before.holder is None or before.holder.run != holder.run)
        if is_taken and self._store.swap(self._object, _data(holder), before.version) is not None:
            what = f"{self._store.title} overwrites an object although its version is another one, and can keep no lock"
            raise NoLock(what, hint="name an object store with conditional writes for `state:`")
        return LockState(holder, version)

    def _now_s(self, otherwise_s: float) -> float:
        """The time of the state; another one for who may read it only."""
        try:
            return self._store.now_s()
        except StateError:
            return otherwise_s


def _data(holder: Holder | None) -> bytes:
    """Different each time: a version may be a hash of the data."""
    return json.dumps({"holder": to_json(holder) if holder else None, "nonce": secrets.token_hex(16)}).encode()


def _holder(data: bytes) -> Holder | None:
    try:
        found = parse_json(data)["holder"]
        return from_json(Holder, found) if found is not None else None
    except (InvalidRecord, ValueError, KeyError, TypeError):
        return Holder("unknown")
