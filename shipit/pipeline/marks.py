"""Keyed hashes of values: equal for equal values of one place, and of no use to whoever has no key."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import threading
from pathlib import Path

from shipit.history.kept_key import KEY_BYTES, kept_key
from shipit.release import Place


def file_name(place: Place) -> str:
    """The name of a file about a place: 32 hexadecimal digits, the same in every run."""
    return hashlib.sha256(_named(place)).hexdigest()[:32]


def _named(place: Place) -> bytes:
    return f"{place.kind}\0{place.identity}".encode("utf-8", "surrogatepass")


class Marks:
    """One key for each place, kept in `folder` beside the cache: hashes of two runs on one machine compare.

    With a `shared` key, the keys are derived from it, and hashes of several machines compare. Where the folder can't be
    written, keys last as long as this value. No plan, event or log holds a key.
    """

    def __init__(self, folder: Path, shared: str | None = None) -> None:
        self._folder, self._shared = folder, shared
        self._keys: dict[Place, bytes] = {}
        self._lock = threading.Lock()

    def mark(self, place: Place, value: str) -> str:
        """Sixteen hexadecimal digits for a value at a place."""
        return hmac.new(self._key(place), value.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()[:16]

    def _key(self, place: Place) -> bytes:
        with self._lock:
            if place not in self._keys:
                self._keys[place] = self._found(place)
            return self._keys[place]

    def _found(self, place: Place) -> bytes:
        if self._shared is not None:
            return hmac.new(
                self._shared.encode("utf-8", "surrogatepass"), b"place\0" + _named(place), hashlib.sha256
            ).digest()
        return kept_key(self._folder / file_name(place)) or secrets.token_bytes(KEY_BYTES)
