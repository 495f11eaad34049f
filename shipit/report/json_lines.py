"""Every event as one line of JSON on stdout: `event` is its name, the rest its fields."""

from __future__ import annotations

import json
import re
import sys
import threading
from typing import TextIO

from shipit.events import Event


class JsonReporter:
    """One line per event, flushed at once."""

    def __init__(self, out: TextIO | None = None) -> None:
        self._out = out or sys.stdout
        self._lock = threading.Lock()

    def __call__(self, event: Event) -> None:
        name = re.sub(r"(?<!^)(?=[A-Z])", "_", type(event).__name__).lower()
        with self._lock:
            print(json.dumps({"event": name, **event._asdict()}), file=self._out, flush=True)

    def close(self) -> None:
        """Nothing is held back."""
