"""The exit code of a one-off command, which Heroku tells nowhere: the command prints it, behind a marker. Pure.

The marker has a random token: output that has the marker of another command, or one that somebody wrote into it, ends nothing.
Source: the Heroku CLI's `run --exit-code` (packages/cli/src/lib/run/dyno.ts), whose marker is always the same.
"""

from __future__ import annotations

import re


def _marker(token: str) -> str:
    return f"\uffff heroku-command-exit-status-{token}: "


def with_marker(command: str, token: str) -> str:
    """A command for a shell that prints its exit code behind the marker. With a space before `;`, as Heroku needs it."""
    return f'{command} ; echo "{_marker(token)}$?"'


class ExitMarker:
    """Finds the marker of a token in output that arrives in pieces. `code` is None until then."""

    def __init__(self, token: str) -> None:
        self._marker = _marker(token).encode()
        self._whole = re.compile(re.escape(self._marker) + rb"([0-9]{1,3})[\r\n]")
        self.code: int | None = None
        self._kept = b""

    def output(self, data: bytes) -> bytes:
        """What of the output can be passed on: all before the marker, without the beginning of what may be one."""
        if self.code is not None:
            return b""
        data, self._kept = self._kept + data, b""
        if match := self._whole.search(data):
            self.code = int(match[1])
            return data[: match.start()]
        at = _begins_at(data, self._marker)
        self._kept = data[at:]
        return data[:at]

    def rest(self) -> bytes:
        """What was kept and is no marker after all."""
        rest, self._kept = self._kept, b""
        return rest


def _begins_at(data: bytes, marker: bytes) -> int:
    """Where the marker may begin that the data does not hold whole; the end when nowhere."""
    at = data.rfind(marker[:1], max(0, len(data) - len(marker) - 4))
    if at < 0:
        return len(data)
    begun = data[at:]
    digits = begun[len(marker) :]
    is_begun = marker.startswith(begun) or (begun.startswith(marker) and (digits.isdigit() and len(digits) < 4))
    return at if is_begun else len(data)
