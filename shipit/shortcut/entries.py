"""The entries of the cache: one file for a command line in a folder, which only this user can read or write."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from shipit.config.process_environment import ProcessEnvironment
from shipit.files import write_file
from shipit.json_text import parse_json
from shipit.shortcut.inputs import Inputs, digest_of

# The most entries that are kept, the newest.
MOST = 100
# Of one of them.
_MOST_BYTES = 1024 * 1024


class Entry(NamedTuple):
    """`kind` is the name of a kind of target, `pinned` what it gave for this command. `digest` is that of the inputs.

    `held` are the names of the variables that hold secrets, whose values must not be shown. `options` are those of the
    command line, as the command has read them.
    """

    inputs: Inputs
    digest: str
    kind: str
    pinned: Mapping[str, Any]
    held: Sequence[str] = ()
    options: Mapping[str, Any] = {}


def read_entry(words: Sequence[str], environment: ProcessEnvironment) -> Entry | None:
    """The entry of a command line, if nothing that it depends on has changed; None otherwise."""
    file = _file(words, environment)
    try:
        if not _is_own_folder(file.parent):
            return None
        entry = _parsed(parse_json(_read_own(file)))
    except (OSError, ValueError, TypeError):
        return None
    return entry if entry.digest and entry.digest == digest_of(words, entry.inputs, environment) else None


def write_entry(words: Sequence[str], entry: Entry, environment: ProcessEnvironment) -> None:
    """Keep an entry, and the newest of the others; nothing in a folder that is not this user's alone. Raises: OSError."""
    file = _file(words, environment)
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # Nothing is changed or removed behind a link, or in a folder that somebody else may change.
    if not _is_own_folder(file.parent):
        return
    write_file(file, json.dumps(entry).encode(), mode=0o600)
    files = sorted(file.parent.glob("*.json"), key=lambda own: own.stat().st_mtime_ns)
    for old in files[:-MOST]:
        old.unlink(missing_ok=True)


def _file(words: Sequence[str], environment: ProcessEnvironment) -> Path:
    name = hashlib.sha256(json.dumps([str(environment.cwd), list(words)]).encode()).hexdigest()[:32]
    return environment.cache_dir / "shortcuts" / f"{name}.json"


def _is_own_folder(folder: Path) -> bool:
    info = folder.lstat()
    return stat.S_ISDIR(info.st_mode) and info.st_uid == os.geteuid() and not info.st_mode & 0o077


def _read_own(file: Path) -> bytes:
    """The bytes of a file of this user that nobody else may read or write, and that is no link. Raises: OSError."""
    handle = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(handle, "rb") as opened:
        # Asked of what is open: another file may have the name by now.
        info = os.fstat(handle)
        if not stat.S_ISREG(info.st_mode) or info.st_uid != os.geteuid() or info.st_mode & 0o077:
            raise PermissionError(errno.EPERM, "not this user's alone")
        return opened.read(_MOST_BYTES)


def _parsed(data: Any) -> Entry:
    """Raises: TypeError, ValueError for anything that `write_entry` does not write."""
    (files, variables), digest, kind, pinned, held, options = data
    is_known = isinstance(pinned, dict) and isinstance(options, dict)
    if not is_known or not all(isinstance(text, str) for text in (digest, kind)):
        raise TypeError("an entry of another form")
    for texts in (files, variables, held):
        if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
            raise TypeError("an entry of another form")
    return Entry(Inputs(files, variables), digest, kind, pinned, held, options)
