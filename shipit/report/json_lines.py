"""Every event as one line of JSON: see `envelope_to_json`. The JSON Schema of a line is docs/output.schema.json."""

from __future__ import annotations

import json
import re
import sys
import threading
from typing import Any

from shipit.envelope import Envelope
from shipit.printable import inert_quoted
from shipit.report.stream import Writes, as_is, write_lines

_SURROGATE = re.compile("[\ud800-\udfff]")


def to_json(data: Any, *, indent: int | None = None) -> str:
    """JSON in ASCII: lone surrogates become U+FFFD, and it holds no control character and no command of a CI system."""
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

    def __call__(self, envelope: Envelope) -> None:
        with self._lock:
            write_lines(self._out, [to_json(envelope.json)])

    def close(self) -> None:
        """Every line is written at once."""
