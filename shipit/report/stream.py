"""The standard streams as a run may lose them: what can't be written is dropped, what can't be encoded is replaced."""

from __future__ import annotations

import codecs
import io
import os
import select
import threading
from collections.abc import Callable, Iterable
from typing import Protocol

from shipit.printable import printable_text


class _File:
    """An open file and what became of it. `lost` is the error of the last write, None while all is well."""

    def __init__(self, fd: int, encoding: str) -> None:
        self.fd = fd
        self.encoder = codecs.getincrementalencoder(encoding)("backslashreplace")
        self.lost: OSError | None = None
        self.lock = threading.Lock()

    def write(self, text: str) -> None:
        with self.lock:
            # A reader that is gone does not come back; a disk may have room again.
            if isinstance(self.lost, BrokenPipeError):
                return
            data = memoryview(self.encoder.encode(text))
            try:
                while data:
                    data = data[self._some(data) :]
            except OSError as error:
                self.lost = error

    def _some(self, data: memoryview) -> int:
        try:
            return os.write(self.fd, data)
        except BlockingIOError:
            # Somebody made the pipe one that does not block: wait until it takes more.
            select.select([], [self.fd], [])
            return 0


class Stream(io.TextIOBase):
    """Writes at once, escapes what a terminal would obey, and never raises: a run goes on without anyone who watches."""

    def __init__(
        self, fd: int, encoding: str, *, escape: Callable[[str], str] = printable_text, file: _File | None = None
    ) -> None:
        self._file = file or _File(fd, encoding)
        self._encoding = encoding
        self._escape = escape

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self._encoding

    @property
    def errors(self) -> str:  # type: ignore[override]
        return "backslashreplace"

    @property
    def lost(self) -> OSError | None:
        """Why the last text could not be written; None where it was."""
        return self._file.lost

    def as_is(self) -> Stream:
        """The same file for text that is escaped already, colours and the live view of a terminal."""
        return Stream(self._file.fd, self._encoding, escape=str, file=self._file)

    def write(self, text: str) -> int:
        self._file.write(self._escape(text))
        return len(text)

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._file.fd

    def isatty(self) -> bool:
        return os.isatty(self._file.fd)

    @property
    def is_left(self) -> bool:
        """Whether it is a pipe whose reader has closed it; a write would only tell later."""
        poll = select.poll()
        poll.register(self._file.fd, 0)
        return any(event & select.POLLERR for _, event in poll.poll(0))

    def takes(self, text: str) -> bool:
        """Whether its encoding has every character of a text."""
        try:
            text.encode(self._encoding)
        except (UnicodeEncodeError, LookupError):
            return False
        return True


class Writes(Protocol):
    """What lines are written to: a stream of the process, or any other text file."""

    def write(self, text: str, /) -> object: ...
    def flush(self) -> object: ...


def as_is(stream: Writes) -> Writes:
    """A stream for text that is escaped already."""
    return stream.as_is() if isinstance(stream, Stream) else stream


def write_lines(stream: Writes, lines: Iterable[str]) -> None:
    """Lines as they are, at once."""
    for line in lines:
        stream.write(f"{line}\n")
    stream.flush()
