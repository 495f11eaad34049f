"""Recognizes files that are not Dockerfiles, without quoting their content in a message. Pure."""

from __future__ import annotations

import difflib
import re

from shipit.errors import BuildError
from shipit.image.dockerfile.syntax import INSTRUCTIONS

_MARK = b"\xef\xbb\xbf"
_SYNTAX = re.compile(rb"#\s*syntax\s*=", re.IGNORECASE)
# Possibly a mistyped instruction: a short word in capitals, or one that is similar to an instruction.
_WORD = re.compile(r"[A-Z]{1,12}")


def check_is_dockerfile(data: bytes, name: str) -> None:
    """Check that a file begins like a Dockerfile. Raises: BuildError, whose message quotes nothing of the file."""
    for number, line in enumerate(data.removeprefix(_MARK).split(b"\n"), 1):
        stripped = line.strip()
        if _SYNTAX.match(stripped):
            # A frontend image defines the language of the rest.
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
