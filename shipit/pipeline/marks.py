"""Keyed hashes of values: equal for equal values of one place, and of no use to whoever has no key."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import threading
from contextlib import suppress
from pathlib import Path

from shipit.files import Unreadable, read_file, write_file
from shipit.release import Place

_KEY_BYTES = 32


class Marks:
    """One key for each place, kept in `folder` beside the cache: hashes of two runs on one machine compare.

    Where the folder can't be written, keys last as long as this value. No plan, event or log holds a key.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._keys: dict[Place, bytes] = {}
        self._lock = threading.Lock()

    def mark(self, place: Place, value: str) -> str:
        """Sixteen hexadecimal digits for a value at a place."""
        return hmac.new(self._key(place), value.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()[:16]

    def _key(self, place: Place) -> bytes:
        with self._lock:
            if place not in self._keys:
                self._keys[place] = _kept_key(self._folder / _file_name(place)) or secrets.token_bytes(_KEY_BYTES)
            return self._keys[place]


def _file_name(place: Place) -> str:
    return hashlib.sha256(f"{place.kind}\0{place.identity}".encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _kept_key(file: Path) -> bytes | None:
    """The key in a file, which is made where it is not there or cut off; None where neither can be done."""
    found = _read(file)
    if _is_key(found):
        return found
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Of two runs that begin at once, both take the key that was there first. What is no key is of no use to any run.
        with suppress(FileExistsError):
            write_file(file, secrets.token_bytes(_KEY_BYTES), mode=0o600, replaces=found is not None)
    except OSError:
        return None
    made = _read(file)
    return made if _is_key(made) else None


def _is_key(data: bytes | None) -> bool:
    return data is not None and len(data) == _KEY_BYTES


def _read(file: Path) -> bytes | None:
    """What is in a file; None where it can't be read."""
    try:
        return read_file(file)
    except (Unreadable, OSError):
        return None
