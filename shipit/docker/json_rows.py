"""Streams of JSON objects of the Docker Engine API, one object in each line. Pure.

Source: Docker Engine API, POST /build and POST /images/create.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from shipit.json_text import parse_json

# In bytes. A row holds one piece of output or one state; engines send no longer ones, and those are skipped.
LONGEST_ROW = 16 * 1024 * 1024


def json_rows(pieces: Iterable[bytes]) -> Iterator[Mapping[str, Any]]:
    """Parse lines of JSON that arrive in chunks; lines that are not JSON objects are skipped."""
    rest, is_too_long = b"", False
    for piece in pieces:
        *lines, rest = (rest + piece).split(b"\n")
        for line in lines:
            if not is_too_long and (row := _row(line)) is not None:
                yield row
            is_too_long = False
        if len(rest) > LONGEST_ROW:
            rest, is_too_long = b"", True
    if not is_too_long and (row := _row(rest)) is not None:
        yield row


def _row(line: bytes) -> Mapping[str, Any] | None:
    try:
        row = parse_json(line) if line.strip() else None
    except ValueError:
        return None
    return row if isinstance(row, dict) else None
