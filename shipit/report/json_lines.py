"""Every event as one line of JSON on stdout: `event` is its name, the rest its fields."""

from __future__ import annotations

import json
import re
import sys
import threading
from typing import Any

from shipit.events import Event
from shipit.printable import inert_quoted
from shipit.record import to_json as record
from shipit.report.stream import Writes, as_is, write_lines

_SURROGATE = re.compile("[\ud800-\udfff]")


def to_json(data: Any, *, indent: int | None = None) -> str:
    """JSON in ASCII that every parser takes: what is no character is U+FFFD; no control character and no command of CI is in it."""
    text = json.dumps(data, indent=indent)
    if "\\ud" in text:
        whole = json.dumps(data, indent=indent, ensure_ascii=False)
        text = json.dumps(json.loads(_SURROGATE.sub("\ufffd", whole)), indent=indent)
    return inert_quoted(text.replace("\x7f", "\\u007f"))


class JsonReporter:
    """One line per event, flushed at once."""

    def __init__(self, out: Writes | None = None) -> None:
        self._out = as_is(out or sys.stdout)
        self._lock = threading.Lock()

    def __call__(self, event: Event) -> None:
        name = re.sub(r"(?<!^)(?=[A-Z])", "_", type(event).__name__).lower()
        with self._lock:
            write_lines(self._out, [to_json({"event": name, **record(event)})])

    def close(self) -> None:
        """Nothing is held back."""
