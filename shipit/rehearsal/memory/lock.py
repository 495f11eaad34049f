"""The lock of a place in memory or in a file: compared and swapped while nobody else looks."""

from __future__ import annotations

import fcntl
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from shipit.record import from_json, to_json
from shipit.targets.locks import Holder, LockState

_swapping = threading.Lock()


def read_row(row: dict[str, Any], now_s: float) -> LockState:
    """A lock from its row: `holder`, `version` and `renewed_s`; an empty row is a lock that nobody has."""
    holder = from_json(Holder, row["holder"]) if row.get("holder") else None
    return LockState(holder, str(row.get("version", "")), max(0.0, now_s - row.get("renewed_s", now_s)))


def swap_row(row: dict[str, Any], before: LockState, holder: Holder | None, now_s: float) -> LockState | None:
    """Change a row in place if its version is that of `before`."""
    with _swapping:
        version = str(row.get("version", ""))
        if version != before.version:
            return None
        row.update(holder=to_json(holder) if holder else None, version=str(int(version or 0) + 1), renewed_s=now_s)
        return read_row(row, now_s)


@contextmanager
def row_in(file: Path) -> Iterator[dict[str, Any]]:
    """The row that a file holds, which no other process reads or writes meanwhile; a change is written at the end."""
    with file.open("a+") as opened:
        fcntl.flock(opened, fcntl.LOCK_EX)
        opened.seek(0)
        text = opened.read()
        row: dict[str, Any] = json.loads(text) if text else {}
        yield row
        opened.seek(0)
        opened.truncate()
        opened.write(json.dumps(row))
