"""The entries of the cache: one file for a command line in a folder, which only this user can read or write."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from shipit.config.process_environment import ProcessEnvironment
from shipit.files import Unreadable, read_file, write_file
from shipit.json_text import parse_json
from shipit.shortcut.inputs import Inputs, digest_of

# The most entries that are kept, the newest.
MOST = 100


class Entry(NamedTuple):
    """`kind` is the name of a kind of target, `pinned` what it gave for this command. `digest` is that of the inputs.

    `held` are the names of the variables that hold secrets, whose values errors must not show. `has_terminal` is whether the
    command gets one; None where that depends on the streams.
    """

    inputs: Inputs
    digest: str
    kind: str
    pinned: Mapping[str, Any]
    held: Sequence[str] = ()
    has_terminal: bool | None = None


def read_entry(words: Sequence[str], environment: ProcessEnvironment) -> Entry | None:
    """The entry of a command line, if nothing that it depends on has changed; None otherwise."""
    file = _file(words, environment)
    try:
        if not _is_own_folder(file.parent) or not _is_own(file):
            return None
        entry = _parsed(parse_json(read_file(file)))
    except (OSError, Unreadable, ValueError, TypeError):
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


def _is_own(file: Path) -> bool:
    """True for a file of this user that nobody else may write."""
    info = file.lstat()
    return stat.S_ISREG(info.st_mode) and info.st_uid == os.geteuid() and not info.st_mode & 0o077


def _parsed(data: Any) -> Entry:
    """Raises: TypeError, ValueError for anything that `write_entry` does not write."""
    (files, variables), digest, kind, pinned, held, has_terminal = data
    if (
        not isinstance(pinned, dict)
        or has_terminal not in (None, True, False)
        or not all(isinstance(text, str) for text in (digest, kind))
    ):
        raise TypeError("an entry of another form")
    for texts in (files, variables, held):
        if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
            raise TypeError("an entry of another form")
    return Entry(Inputs(files, variables), digest, kind, pinned, held, has_terminal)
