"""The logs of containers as streams that end with their containers: what one writes last arrives, also where it is removed at once.

Source: Docker Engine API 1.41: GET /containers/{id}/logs with follow.
"""

from __future__ import annotations

import select
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import NamedTuple, Self

from shipit.clock import Clock
from shipit.docker.dial import ByteStream
from shipit.docker.upgrade import SilentEngine
from shipit.errors import RemoteError
from shipit.targets.engine.frames import ENGINE_ERROR, Frames
from shipit.targets.log_times import parse_log_time

# So many are open at once, each with a connection of its own, which is a session of ssh for such a host.
MOST_STREAMS = 50
# How long a wait may be blind for the end of the run; the bytes after which a line that has no end yet is divided.
_BLIND_S, LONGEST_UNENDED = 0.2, 1024 * 1024
# An RFC 3339 time with nine digits of a second and a zone has 35 characters.
_LONGEST_TIME = 64

Opener = Callable[[Mapping[str, str]], ByteStream]


class LogStream:
    """The output of one container. No method waits."""

    def __init__(self, stream: ByteStream) -> None:
        self._stream = stream
        self._is_framed: bool | None = None
        self._frames = Frames(stream.where)
        self._rest = b""
        self._is_lost = False
        # Why it ended, where the engine sent what is no log.
        self.problem = ""

    @property
    def is_over(self) -> bool:
        return self._is_lost or self._stream.is_over

    @property
    def has_more(self) -> bool:
        return self._stream.has_more

    def fileno(self) -> int:
        return self._stream.fileno()

    def give_up(self) -> None:
        """End it after the bytes that have arrived were taken."""
        self._is_lost = True

    def take(self) -> bytes:
        """The whole lines that have arrived; at its end also what follows the last one, unless the connection is lost."""
        data = bytearray(self._rest)
        try:
            for piece in self._stream.receive():
                for part in self._output(piece):
                    data += part
        except RemoteError as error:
            self._is_lost = True
            self.problem = "" if error.retryable else error.what
        begin = data.rfind(b"\n") + 1
        end, time = begin, b""
        if self._stream.is_over:
            end = len(data)
        elif len(data) - begin > LONGEST_UNENDED:
            # At the same byte when it is read again: what was shown of the line is known then.
            end, time = begin + LONGEST_UNENDED, _time_of(bytes(data[begin : begin + _LONGEST_TIME]))
        self._rest = time + bytes(data[end:])
        return bytes(data[:end])

    def _output(self, piece: bytes) -> Iterator[bytes]:
        if self._is_framed is None:
            # A container with a terminal has no frames: its log begins with a time.
            self._is_framed = piece[0] <= ENGINE_ERROR
        if self._is_framed:
            yield from (output.data for output in self._frames.take(piece))
        else:
            yield piece

    def close(self) -> None:
        self._stream.close()


def _time_of(line: bytes) -> bytes:
    """The time at the beginning of a line with the space behind it, for the rest of the line; empty where it has none."""
    time, space, _ = line.partition(b" ")
    return time + space if space and parse_log_time(time.decode("ascii", "replace")) else b""


def _arrives(streams: Sequence[LogStream], limit_s: float) -> bool:
    """Wait for output of any of them. Not by select.select, which takes no file descriptor above 1023."""
    poll = select.poll()
    for stream in streams:
        poll.register(stream, select.POLLIN)
    return bool(poll.poll(limit_s * 1000))


class Taken(NamedTuple):
    """Lines of an instance, by its key and its name. `problem` says why no more come of it; empty where they do."""

    key: str
    name: str
    data: bytes
    problem: str = ""


class LogStreams:
    """The streams of instances by their keys; the block closes all of them."""

    def __init__(self) -> None:
        self._open: dict[str, tuple[str, LogStream]] = {}
        # The keys of those whose engine sent what is no log, and of those without an answer in time. They are not opened again.
        self._broken: set[str] = set()
        self._silent: set[str] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for _, stream in self._open.values():
            stream.close()

    def __contains__(self, key: str) -> bool:
        return key in self._open or key in self._broken

    def open(self, key: str, name: str, opener: Opener, query: Mapping[str, str]) -> bool:
        """False where there is no stream: it is gone, too many are open, or a proxy or the engine sends none. Raises: RemoteError for a lost connection."""
        if len(self._open) >= MOST_STREAMS or key in self._silent:
            return False
        try:
            self._open[key] = (name, LogStream(opener(query)))
        except SilentEngine:
            self._silent.add(key)
            return False
        except RemoteError as error:
            if error.retryable and not error.status:
                raise
            return False
        return True

    def give_up(self, host: str) -> None:
        """End those of a host that does not answer, so that they are opened anew: their connections may be dead, too."""
        for key, (_, stream) in self._open.items():
            if key.startswith(f"{host} "):
                stream.give_up()

    def wait(self, seconds: float, clock: Clock) -> None:
        """Until one of them has output, for at most that long."""
        until_s = clock.now() + seconds
        while (left_s := until_s - clock.now()) > 0:
            clock.check()
            streams = [stream for _, stream in self._open.values()]
            if not streams:
                clock.sleep(left_s)
            elif any(stream.has_more for stream in streams) or _arrives(streams, min(left_s, _BLIND_S)):
                return

    def take(self) -> Iterator[Taken]:
        """The lines that have arrived. Streams that are over are closed."""
        for key, (name, stream) in list(self._open.items()):
            yield Taken(key, name, stream.take(), stream.problem)
            if stream.is_over:
                stream.close()
                del self._open[key]
                self._broken |= {key} if stream.problem else set()
