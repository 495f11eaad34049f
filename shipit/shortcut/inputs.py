"""The names of the files and variables that the reading of a deploy.yml depends on, and the digest of their contents."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from shipit import __version__
from shipit.config.process_environment import ProcessEnvironment
from shipit.files import Unreadable, read_file

# Of every command: whether the file is trusted, and what leads to another home folder.
_ALWAYS = ("SHIPIT_UNTRUSTED", "HOME")


class Inputs(NamedTuple):
    """The files that were read, and the names of the variables that they use."""

    files: Sequence[str]
    variables: Sequence[str]


def digest_of(
    words: Sequence[str], inputs: Inputs, environment: ProcessEnvironment, texts: Mapping[str, bytes] | None = None
) -> str:
    """The digest of a command line in this folder, the files and the variables; empty where a file can't be read.

    `texts`: file -> its bytes as they were read before; without it the files are read now.
    """
    names = sorted({*_ALWAYS, *inputs.variables})
    try:
        files = [(file, hashlib.sha256(_text(file, texts)).hexdigest()) for file in inputs.files]
    except Unreadable:
        return ""
    values = [(name, environment.variables.get(name)) for name in names]
    whole = [__version__, str(environment.cwd), list(words), files, values]
    return hashlib.sha256(json.dumps(whole).encode()).hexdigest()


def _text(file: str, texts: Mapping[str, bytes] | None) -> bytes:
    return read_file(file) if texts is None else texts[file]
