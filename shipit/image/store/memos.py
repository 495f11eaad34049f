"""Memos: small values that builds remember, as JSON files by kind and key. A damaged memo counts as missing."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from shipit.digest import Digest
from shipit.errors import BuildError
from shipit.image.store.cache_files import cache_errors, make_private, open_regular, temporary_file, touch_used

_SUM_BYTES = 64
# More than the largest memo needs, which is the list of paths that a layer removes.
_MOST_BYTES = 256 * 1024 * 1024
# Positions in `["CHECKSUM",VALUE]`.
_HEAD, _VALUE = 2, 2 + _SUM_BYTES + 2


class Memos:
    """Files `memo/KIND/HEX.json`: an array of a checksum over kind, key and value, and the value."""

    def __init__(self, root: Path, warn: Callable[[str], None]) -> None:
        self.root = root
        self._warn = warn
        self._has_warned = False

    def path(self, kind: str, key: Digest) -> Path:
        return self.root / "memo" / kind / f"{Digest(key).hex}.json"

    def recall(self, kind: str, key: Digest) -> Any:
        """The memo under a key, or None. The caller has to check its form."""
        try:
            with open_regular(self.path(kind, key), buffering=0) as file:
                info = os.fstat(file.fileno())
                touch_used(file.fileno(), info)
                data = file.read() if info.st_size <= _MOST_BYTES else b""
        except OSError:
            return None
        body = data[_VALUE:-1]
        if data[_HEAD : _HEAD + _SUM_BYTES] != _sum(kind, key, body):
            return None
        try:
            return json.loads(body)
        except (ValueError, RecursionError):
            return None

    def remembers(self, kind: str, key: Digest) -> bool:
        return self.path(kind, key).is_file()

    def note(self, kind: str, key: Digest, value: Any) -> int:
        """Store a memo. Returns its size in bytes; 0 with a warning when it cannot be stored."""
        body = json.dumps(value, separators=(",", ":")).encode()
        data = b'["%s",%s]' % (_sum(kind, key, body), body)
        path = self.path(kind, key)
        try:
            with cache_errors(self.root), temporary_file(self.root / "tmp") as (file, written):
                make_private(path.parent)
                file.write(data)
                file.close()
                os.replace(written, path)
        except BuildError as error:
            if not self._has_warned:
                self._has_warned = True
                self._warn(f"{error}; the next run will take longer")
            return 0
        return len(data)


def _sum(kind: str, key: Digest, body: bytes) -> bytes:
    return hashlib.sha256(b"%s %s %s" % (kind.encode(), key.encode(), body)).hexdigest().encode()
