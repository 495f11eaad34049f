"""What a test gives to a command or to a port, and what comes back."""

from __future__ import annotations

import select
from contextlib import closing

from shipit.clock import Clock
from shipit.errors import RemoteError
from shipit.targets.remote import Connection, Ports, Remote

# How long a command, or an answer, may take.
_WITHIN_S = 60.0
_PAUSE_S = 0.2


def output_of(remote: Remote, clock: Clock) -> bytes:
    """All that a command writes until it ends."""
    output, until_s = b"", clock.now() + _WITHIN_S
    while not remote.is_over:
        assert clock.now() < until_s, "the command does not end"
        _wait(remote)
        output += b"".join(part.data for part in remote.receive())
    return output


def first_line_of(ports: Ports, port: int, request: bytes, clock: Clock) -> bytes:
    """The first line that a port answers to a request. What runs without a health check may not listen yet: then again."""
    until_s = clock.now() + _WITHIN_S
    while True:
        try:
            with closing(ports.open(port)) as connection:
                return _ask(connection, request, clock, until_s)
        except RemoteError:
            if clock.now() >= until_s:
                raise
        clock.sleep(_PAUSE_S)


def _ask(connection: Connection, request: bytes, clock: Clock, until_s: float) -> bytes:
    connection.give(request)
    answer = b""
    while b"\n" not in answer:
        assert clock.now() < until_s, f"no line, but {answer!r}"
        if connection.is_over:
            raise RemoteError(f"the connection was closed after {answer!r}")
        _wait(connection)
        answer += b"".join(connection.receive())
    return answer.partition(b"\n")[0]


def _wait(side: Remote | Connection) -> None:
    side.flush()
    select.select([side], [side] if side.has_unsent else [], [], 0.0 if side.has_more else 0.1)
