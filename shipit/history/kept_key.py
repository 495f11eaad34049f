"""Secret keys of this machine, each in a file that only its owner reads."""

from __future__ import annotations

import secrets
from contextlib import suppress
from pathlib import Path

from shipit.files import Unreadable, read_file, write_file

KEY_BYTES = 32


def kept_key(file: Path) -> bytes | None:
    """The key in a file, which is created where it is missing or cut off; None where neither can be done."""
    found = _read(file)
    if _is_key(found):
        return found
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Of two runs that begin at once, both take the key that was there first. Anything else in the file is replaced.
        with suppress(FileExistsError):
            write_file(file, secrets.token_bytes(KEY_BYTES), mode=0o600, replaces=found is not None)
    except OSError:
        return None
    made = _read(file)
    return made if _is_key(made) else None


def _is_key(data: bytes | None) -> bool:
    return data is not None and len(data) == KEY_BYTES


def _read(file: Path) -> bytes | None:
    """The bytes of a file; None where it can't be read."""
    try:
        return read_file(file)
    except (Unreadable, OSError):
        return None
