"""Relays the standard streams of this process and of a remote command, bytes as they are."""

from __future__ import annotations

import contextlib
import os
import select
from collections.abc import Callable
from typing import Any, NamedTuple

from shipit.clock import SLICE_S, Clock
from shipit.targets.remote import Output, Remote, Size

_PIECE = 64 * 1024


class Local(NamedTuple):
    """This side: the descriptor of its input or None, what takes output, the descriptor that tells of resizes or None."""

    stdin: int | None
    write: Callable[[Output], None]
    resized: int | None = None
    size: Callable[[], Size] = lambda: Size(80, 24)


def relay(remote: Remote, local: Local, clock: Clock) -> None:
    """Pass input and output on until the output ends. Raises: RemoteError, OSError, Interrupted."""
    stdin = local.stdin
    while not remote.is_over:
        clock.check()
        remote.flush()
        reading: list[Any] = [fd for fd in (local.resized, None if remote.is_full else stdin) if fd is not None]
        writing = [remote] if remote.has_unsent else []
        ready, _, _ = select.select([remote, *reading], writing, [], 0 if remote.has_more else SLICE_S)
        for output in remote.receive():
            local.write(output)
        if local.resized in ready and local.resized is not None:
            with contextlib.suppress(BlockingIOError):
                os.read(local.resized, _PIECE)
            remote.resize(local.size())
        if stdin in ready and stdin is not None and not remote.is_over:
            if data := _read(stdin):
                remote.give(data)
            else:
                remote.end_input()
                stdin = None


def write_output(output: Output) -> None:
    """Write to stdout or stderr of this process. Raises: OSError."""
    data = memoryview(output.data)
    while data:
        try:
            data = data[os.write(output.stream, data) :]
        except BlockingIOError:
            # Somebody made it one that does not block.
            select.select([], [output.stream], [])


def _read(stdin: int) -> bytes:
    """What can be read now; empty at the end, which is also a terminal that was closed."""
    try:
        return os.read(stdin, _PIECE)
    except OSError:
        return b""
