"""The exit code of a one-off command, which Heroku tells nowhere: the command prints it, behind a marker. Pure.

Source: the Heroku CLI's `run --exit-code` (packages/cli/src/lib/run/dyno.ts).
"""

from __future__ import annotations

import re

_MARKER = "\uffff heroku-command-exit-status: "
_WHOLE = re.compile(re.escape(_MARKER.encode()) + rb"([0-9]{1,3})[\r\n]")


def with_marker(command: str) -> str:
    """A command for a shell that prints its exit code behind the marker. With a space before `;`, as Heroku needs it."""
    return f'{command} ; echo "{_MARKER}$?"'


class ExitMarker:
    """Finds the marker in output that arrives in pieces. `code` is None until then."""

    def __init__(self) -> None:
        self.code: int | None = None
        self._kept = b""

    def output(self, data: bytes) -> bytes:
        """What of the output can be passed on: all before the marker, without the beginning of what may be one."""
        if self.code is not None:
            return b""
        data, self._kept = self._kept + data, b""
        if match := _WHOLE.search(data):
            self.code = int(match[1])
            return data[: match.start()]
        at = _begins_at(data)
        self._kept = data[at:]
        return data[:at]

    def rest(self) -> bytes:
        """What was kept and is no marker after all."""
        rest, self._kept = self._kept, b""
        return rest


def _begins_at(data: bytes) -> int:
    """Where the marker may begin that the data does not hold whole; the end when nowhere."""
    marker = _MARKER.encode()
    at = data.rfind(marker[:1], max(0, len(data) - len(marker) - 4))
    if at < 0:
        return len(data)
    begun = data[at:]
    digits = begun[len(marker) :]
    is_begun = marker.startswith(begun) or (begun.startswith(marker) and (digits.isdigit() and len(digits) < 4))
    return at if is_begun else len(data)
