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
    found = store.read(NAME)
    if found is None:
        store.swap(NAME, secrets.token_hex(KEY_BYTES).encode(), "")
        # Read back, also where it was written: a store may ignore the condition, and then the last one stays.
        found = store.read(NAME)
    if found is None or not _KEY.fullmatch(found.data):
        hint = "delete it, and make new plans: those that it signed are refused then"
        raise StateError("it is no key of saved plans", where=f"{store.title}: {NAME}", hint=hint)
    return found.data.decode()
