"""The Docker Engine API's streams of JSON objects, one in each line. Pure.

Source: Docker Engine API, POST /build and POST /images/create.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

# A row holds at most one piece of output, or one state; a longer one is not from an engine and is skipped.
LONGEST_ROW = 16 * 1024 * 1024


def json_rows(pieces: Iterable[bytes]) -> Iterator[Mapping[str, Any]]:
    """The objects in lines of JSON that arrive in pieces; lines that hold anything else are passed over."""
    held, is_too_long = b"", False
    for piece in pieces:
        *lines, held = (held + piece).split(b"\n")
        for line in lines:
            if not is_too_long and (row := _row(line)) is not None:
                yield row
            is_too_long = False
        if len(held) > LONGEST_ROW:
            held, is_too_long = b"", True
    if not is_too_long and (row := _row(held)) is not None:
        yield row


def _row(line: bytes) -> Mapping[str, Any] | None:
    try:
        row = json.loads(line) if line.strip() else None
    except (ValueError, RecursionError):
        return None
    return row if isinstance(row, dict) else None
