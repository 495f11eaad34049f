"""`logs -f` of a workload whose program numbers its lines: none is lost or doubled, whatever happens to the program."""

from __future__ import annotations

import json
import threading
from types import TracebackType
from typing import Self

from tests.shipit import Shipit
from tests.waits import wait_until

# The beginning of a Python program with a VERSION.
TICKS = """import threading, time
def tick():
    for number in range(1_000_000):
        print("tick", VERSION, number, flush=True)
        time.sleep(0.05)
threading.Thread(target=tick, daemon=True).start()
"""


class Followed:
    """The lines of a workload by what wrote them, from its log of before until the end of the block."""

    def __init__(self, app: Shipit, workload: str) -> None:
        self.lines: dict[str, list[str]] = {}
        self._process = app.start("logs", "-f", "--tail", "1000000", workload, "--output", "json")
        self._reader = threading.Thread(target=self._read)

    def __enter__(self) -> Self:
        self._reader.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        self._reader.join()
        self._process.communicate()

    def await_ticks(self, version: str, count: int = 1) -> None:
        """Wait until as many instances have written a line of a version."""
        wait_until(f"{count} of {version} are followed", lambda: len(self.of(version)), lambda found: found >= count)

    def of(self, version: str) -> dict[str, list[int]]:
        """Instance -> the numbers of its lines of a version."""
        found = {name: numbers_in("\n".join(lines), version) for name, lines in list(self.lines.items())}
        return {name: numbers for name, numbers in found.items() if numbers}

    def _read(self) -> None:
        assert self._process.stdout
        for text in self._process.stdout:
            event = json.loads(text)
            if event["event"] == "log_line":
                self.lines.setdefault(event["instance"], []).append(event["line"])


def numbers_in(log: str, version: str) -> list[int]:
    """The numbers of the lines of a version in a log."""
    rows = (line.split() for line in log.splitlines())
    return [int(row[2]) for row in rows if row[:2] == ["tick", version] and len(row) == 3]
