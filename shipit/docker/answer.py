"""The answers of an engine, read within bounds of size and time, and the errors of a connection as BuildErrors."""

from __future__ import annotations

import http.client
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from shipit.clock import Clock, Deadline
from shipit.docker.error_message import error_message
from shipit.errors import BuildError

_PIECE = 64 * 1024
# A list of 10,000 images has about 10 MiB.
LARGEST_ANSWER = 64 * 1024 * 1024
# Seconds for an answer that is no stream, and bytes a second for a large one.
_WHOLE_S, _LEAST_RATE = 60.0, 1024
_IS_RUNNING, _IS_BUSY = "check that the engine is still running", "look in its log whether it is busy or hangs"


def bounded_chunks(answer: Any, most_bytes: int) -> Iterator[bytes]:
    """The chunks of a streamed answer. Raises: BuildError for one that is longer."""
    left = most_bytes
    for chunk in answer.iter_content(_PIECE):
        left -= len(chunk)
        if left < 0:
            raise BuildError(f"the engine's answer is longer than {most_bytes} bytes")
        yield chunk


def whole_answer(answer: Any, most_bytes: int, within_s: float | None = _WHOLE_S) -> bytes:
    """An answer that is no stream. From its first byte on it may take `within_s`, and longer by a second for each KiB; None for no limit.

    Raises: BuildError.
    """
    pieces, size, clock = [], 0, Clock()
    began_s = None
    for piece in bounded_chunks(answer, most_bytes):
        began_s = clock.now() if began_s is None else began_s
        pieces.append(piece)
        size += len(piece)
        if within_s is not None and clock.now() - began_s > within_s + size / _LEAST_RATE:
            what = f"the engine's answer is not over {within_s:g} s after it began"
            raise BuildError(what, hint=_IS_BUSY, retryable=True)
    return b"".join(pieces)


def limit_until(deadline: Deadline, most_s: float) -> float:
    """The time limit of a read that begins now."""
    return min(most_s, max(0.1, deadline.remaining_s()))


def chunks_until(
    deadline: Deadline, chunks: Iterable[bytes], answer: Any, most_s: float, waiting_for: str
) -> Iterator[bytes]:
    """The chunks of an answer, each of which is waited for `most_s` at most, and not longer than until the deadline."""
    for chunk in chunks:
        deadline.check(waiting_for)
        answer.limit_reads(limit_until(deadline, most_s))
        yield chunk


def message_of(answer: Any) -> str:
    return error_message(whole_answer(answer, _PIECE), answer.status_code)


@contextmanager
def translated_errors(where: str, limit_s: float | None) -> Iterator[None]:
    """Raises BuildErrors for those of a connection. `limit_s` is the limit of each read in the block."""
    try:
        yield
    except (OSError, http.client.HTTPException) as error:
        reason = "its answer ended early" if isinstance(error, http.client.IncompleteRead) else root_cause(error)
        what, hint = f"lost the connection to the engine: {reason}", _IS_RUNNING
        if limit_s and isinstance(error, TimeoutError):
            what, hint = f"the engine sent nothing for {limit_s:g} s", _IS_BUSY
        raise BuildError(what, where=where, hint=hint, retryable=True) from None


def root_cause(error: BaseException) -> str:
    """The message of the innermost error in a chain: that of the operating system, of TLS or of the engine."""
    cause = error
    while (nested := cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)) is not None:
        cause = nested
    if isinstance(cause, OSError) and cause.strerror:
        return cause.strerror.lower()
    return str(cause) or type(cause).__name__
