"""The key of saved plans in a state that machines share: made once, by whichever machine needs it first."""

from __future__ import annotations

import re
import secrets

from shipit.history.kept_key import KEY_BYTES
from shipit.history.state_store import StateError, StateStore

NAME = "keys/plans"
_KEY = re.compile(rb"[0-9a-f]{%d}" % (2 * KEY_BYTES))


def state_key(store: StateStore) -> str:
    """The key, in hexadecimal digits. It is created where there is none: of two machines that do, both take the first one.

    Raises: StateError where it can't be read or created, or is no key.
    """
    found = read_state_key(store)
    if found is None:
        store.swap(NAME, secrets.token_hex(KEY_BYTES).encode(), "")
        # Read back, also where it was written: a store may ignore the condition, and then the last one stays.
        found = read_state_key(store)
    if found is None:
        raise _no_key(store)
    return found


def read_state_key(store: StateStore) -> str | None:
    """The key, in hexadecimal digits; None where no machine has made one. Raises: StateError where it can't be read, or is no key."""
    found = store.read(NAME)
    if found is None:
        return None
    if not _KEY.fullmatch(found.data):
        raise _no_key(store)
    return found.data.decode()


def _no_key(store: StateStore) -> StateError:
    hint = "delete it, and make new plans: those that it signed are refused then"
    return StateError("it is no key of saved plans", where=f"{store.title}: {NAME}", hint=hint)
