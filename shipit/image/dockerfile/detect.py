"""Telling a Dockerfile from any other file, of which no message may repeat a word. Pure."""

from __future__ import annotations

import difflib
import re

from shipit.errors import BuildError
from shipit.image.dockerfile.syntax import INSTRUCTIONS

_MARK = b"\xef\xbb\xbf"
_SYNTAX = re.compile(rb"#\s*syntax\s*=", re.IGNORECASE)
# What somebody may have mistyped: a short word of capitals, or one that is nearly an instruction.
_WORD = re.compile(r"[A-Z]{1,12}")


def check_dockerfile(data: bytes, name: str) -> None:
    """That a file begins as a Dockerfile does. Raises: BuildError, which says nothing of its content."""
    for number, line in enumerate(data.removeprefix(_MARK).split(b"\n"), 1):
        stripped = line.strip()
        if _SYNTAX.match(stripped):
            # What such a file may hold, its frontend knows.
            return
        if stripped and not stripped.startswith(b"#"):
            word = stripped.split()[0][:100].decode("utf-8", "replace")
            if not _may_begin(word):
                hint = "name the Dockerfile with build: {dockerfile: PATH}"
                raise BuildError("a Dockerfile should begin with FROM or ARG", where=f"{name}:{number}", hint=hint)
            return


def _may_begin(word: str) -> bool:
    upper = word.upper().rstrip("\\`")
    if upper in INSTRUCTIONS or _WORD.fullmatch(word) or not upper:
        return True
    return upper.isalpha() and bool(difflib.get_close_matches(upper, INSTRUCTIONS, n=1, cutoff=0.7))
