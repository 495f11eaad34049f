"""What a test gives to a command or to a port, and what comes back."""

from __future__ import annotations

import select

from shipit.clock import Clock
from shipit.targets.remote import Connection, Remote

# How long a command, or an answer, may take.
_WITHIN_S = 60.0


def output_of(remote: Remote, clock: Clock) -> bytes:
    """All that a command writes until it ends."""
    output, until_s = b"", clock.now() + _WITHIN_S
    while not remote.is_over:
        assert clock.now() < until_s, "the command does not end"
        _wait(remote)
        output += b"".join(part.data for part in remote.receive())
    return output


def first_line_of(connection: Connection, request: bytes, clock: Clock) -> bytes:
    """The first line that a port answers to a request."""
    connection.give(request)
    answer, until_s = b"", clock.now() + _WITHIN_S
    while b"\n" not in answer:
        assert clock.now() < until_s and not connection.is_over, f"no line, but {answer!r}"
        _wait(connection)
        answer += b"".join(connection.receive())
    return answer.partition(b"\n")[0]


def _wait(side: Remote | Connection) -> None:
    side.flush()
    select.select([side], [side] if side.has_unsent else [], [], 0.0 if side.has_more else 0.1)
