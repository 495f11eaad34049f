"""Runs other programs: each in a session of its own, with a deadline; killed together with its children.

May import errors and clock.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import selectors
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, NamedTuple, cast

from shipit.clock import Clock
from shipit.errors import ShipitError

DEFAULT_OUTPUT_BYTES = 1024 * 1024
_KEPT_ERRORS_BYTES = 64 * 1024
_LONGEST_LINE = 16 * 1024 * 1024
_BLOCK = 64 * 1024
# How often cancellation is checked; how long a child may hold the output open after the program has exited; how long a
# program has to exit after SIGTERM.
_TICK_S, _LINGER_S, _GRACE_S = 0.05, 0.25, 0.3
# Seconds that a thread on a busy machine has to note the program that it just started.
_STARTED_S = 1.0

_lock = threading.Lock()
# Held while a program is started, until its group is known.
_starting = threading.Lock()


class _Start:
    """The thread that is starting a program, 0 for none, and the calls that wait for its end."""

    def __init__(self) -> None:
        self.thread = 0
        self.deferred: deque[Callable[[], object]] = deque()

    def call_deferred(self) -> None:
        """In the main thread, which is the one that handles signals."""
        while self.deferred and threading.current_thread() is threading.main_thread():
            self.deferred.popleft()()


_start_of = _Start()
_groups: set[int] = set()


class ProgramFailed(ShipitError):
    """A program could not be run, or did not end in time. `reason` follows its name in messages and never quotes its output.

    `errors` is the end of its stderr. `is_missing` is True where there is no such program.
    """

    def __init__(self, program: str, reason: str, errors: bytes = b"", *, is_missing: bool = False) -> None:
        super().__init__(reason, where=program)
        self.reason = reason
        self.errors = errors
        self.is_missing = is_missing


class Finished(NamedTuple):
    """How a program ended: its exit code (negative: the signal), its stdout, and the last 64 KiB of its stderr."""

    code: int
    output: bytes
    errors: bytes

    @property
    def how(self) -> str:
        """How it ended, to follow its name in a message."""
        return f"ended with {self.code}" if self.code >= 0 else f"was ended by {_signal_name(-self.code)}"


class OutputLines:
    """Splits a program's output into lines, for `on_output`; a line that is too long is split as well."""

    def __init__(self, take_line: Callable[[str], None]) -> None:
        self._take_line = take_line
        self._rest = b""

    def take(self, data: bytes) -> None:
        *whole, self._rest = (self._rest + data).split(b"\n")
        for line in whole:
            self._line(line)
        if len(self._rest) > _LONGEST_LINE:
            self.flush()

    def flush(self) -> None:
        """Take what follows the last line break."""
        if self._rest:
            self._line(self._rest)
        self._rest = b""

    def _line(self, raw: bytes) -> None:
        self._take_line(raw.decode("utf-8", "replace").rstrip("\r"))


def run_program(
    command: Sequence[str],
    *,
    variables: Mapping[str, str],
    timeout_s: float,
    silent_s: float = float("inf"),
    folder: Path | None = None,
    given: bytes = b"",
    clock: Clock | None = None,
    max_bytes: int = DEFAULT_OUTPUT_BYTES,
    on_output: Callable[[bytes], None] | None = None,
) -> Finished:
    """Run a program until it exits, without a shell and without a terminal. `given` is its standard input.

    With `on_output`, stdout and stderr are passed to it as they come; they are not kept, and their size is not limited.
    Raises: ProgramFailed when it can't be run, prints more than `max_bytes`, exceeds `timeout_s`, or prints nothing for `silent_s`;
    Interrupted when `clock` is cancelled, which also measures the time. In every case all processes of its session are killed.
    """
    with started_program(command, variables=variables, folder=folder, is_merged=on_output is not None) as process:
        kept = bytearray()
        streams = _Streams(process, given, on_output or _keeping(kept, command[0], max_bytes))
        try:
            code = _follow(process, streams, command[0], timeout_s, silent_s, clock or Clock())
        finally:
            streams.close()
        return Finished(code, bytes(kept), streams.errors)


@contextmanager
def started_program(
    command: Sequence[str], *, variables: Mapping[str, str], folder: Path | None = None, is_merged: bool = False
) -> Iterator[subprocess.Popen[bytes]]:
    """A program with pipes for stdin, stdout and stderr; it and its children are killed when the block is left.

    `is_merged` redirects stderr to stdout. Raises: ProgramFailed when it can't be run.
    """
    try:
        with _starting:
            _start_of.thread = threading.get_ident()
            try:
                process = _start(command, variables, folder, is_merged)
            finally:
                _start_of.thread = 0
    except (OSError, ValueError) as error:
        _start_of.call_deferred()
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        is_missing = isinstance(error, FileNotFoundError) and error.filename == command[0]
        raise ProgramFailed(command[0], f"can't be run: {reason}", is_missing=is_missing) from None
    try:
        _start_of.call_deferred()
        yield process
    finally:
        _end(process)


def defer(call: Callable[[], object]) -> bool:
    """For handlers of signals: when this thread is starting a program, keep a call until the program is known; False otherwise.

    A handler that ended the process at once would leave the program behind.
    """
    if _start_of.thread != threading.get_ident():
        return False
    _start_of.deferred.append(call)
    return True


def _start(
    command: Sequence[str], variables: Mapping[str, str], folder: Path | None, is_merged: bool
) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(
        list(command),
        cwd=folder,
        env=dict(variables),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT if is_merged else subprocess.PIPE,
        bufsize=0,
        # A session is also a process group, which Ctrl-C at a terminal does not reach.
        start_new_session=True,
    )
    with _lock:
        _groups.add(process.pid)
    return process


def end_programs(*, for_good: bool = False) -> None:
    """Kill every running program, for a process that is about to exit without unwinding.

    With `for_good` no thread can start another one afterwards.
    """
    # Another thread may be starting one, which runs before it is known. A signal may have interrupted that very thread.
    is_free = _starting.acquire(timeout=_STARTED_S)
    with _lock:
        groups = tuple(_groups)
    for group in groups:
        _signal(group, signal.SIGKILL)
    if is_free and not for_good:
        _starting.release()


atexit.register(end_programs)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a program and its session: SIGTERM first while it runs, then SIGKILL."""
    if process.poll() is None:
        _signal(process.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_GRACE_S)
    _signal(process.pid, signal.SIGKILL)
    with _lock:
        _groups.discard(process.pid)
    process.wait()
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe is not None:
            with contextlib.suppress(OSError):
                pipe.close()


def _signal(group: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


class _Streams:
    """The pipes of one running program."""

    def __init__(self, process: subprocess.Popen[bytes], given: bytes, take: Callable[[bytes], None]) -> None:
        self.errors = b""
        self._given = memoryview(given)
        self._open = 0
        self._selector = selectors.DefaultSelector()
        for pipe, taken in ((process.stdout, take), (process.stderr, self._said)):
            if pipe is not None:
                self._selector.register(pipe, selectors.EVENT_READ, taken)
                self._open += 1
        assert process.stdin is not None
        os.set_blocking(process.stdin.fileno(), False)
        self._selector.register(process.stdin, selectors.EVENT_WRITE, None)

    @property
    def is_open(self) -> bool:
        """Whether there may be more output."""
        return self._open > 0

    def close(self) -> None:
        self._selector.close()

    def move(self, within_s: float) -> bool:
        """Wait for the pipes, then read and write what is ready; whether anything was read."""
        has_read = False
        for key, _ in self._selector.select(within_s):
            if key.data is None:
                self._write(key)
            elif data := os.read(key.fd, _BLOCK):
                has_read = True
                key.data(data)
            else:
                self._selector.unregister(key.fileobj)
                self._open -= 1
        return has_read

    def _write(self, key: selectors.SelectorKey) -> None:
        try:
            self._given = self._given[os.write(key.fd, self._given[:_BLOCK]) :]
        except BlockingIOError:
            return
        except BrokenPipeError:
            self._given = self._given[:0]
        if not self._given:
            self._selector.unregister(key.fileobj)
            cast("IO[bytes]", key.fileobj).close()

    def _said(self, data: bytes) -> None:
        self.errors = (self.errors + data)[-_KEPT_ERRORS_BYTES:]


def _keeping(kept: bytearray, program: str, max_bytes: int) -> Callable[[bytes], None]:
    """Collects output. The returned function raises ProgramFailed when it exceeds `max_bytes`."""

    def keep(data: bytes) -> None:
        kept.extend(data)
        if len(kept) > max_bytes:
            raise ProgramFailed(program, f"printed more than {max_bytes:,} bytes")

    return keep


def _follow(
    process: subprocess.Popen[bytes], streams: _Streams, program: str, timeout_s: float, silent_s: float, clock: Clock
) -> int:
    """Serve the pipes until the program is done; its exit code."""
    heard_s = clock.now()
    deadline_s = heard_s + timeout_s
    quiet_since_s: float | None = None
    while process.poll() is None or streams.is_open:
        clock.check()
        now_s = clock.now()
        if now_s >= deadline_s:
            raise ProgramFailed(program, f"did not end within {timeout_s:g} s", streams.errors)
        if now_s >= heard_s + silent_s:
            raise ProgramFailed(program, f"printed nothing for {silent_s:g} s", streams.errors)
        tick_s = min(_TICK_S, deadline_s - now_s)
        if not streams.is_open:
            _pause(process, tick_s)
            continue
        has_read = streams.move(tick_s)
        heard_s = clock.now() if has_read else heard_s
        if has_read or process.poll() is None:
            quiet_since_s = None
            continue
        # The program has exited, and one of its children may hold its output open.
        quiet_since_s = quiet_since_s or time.monotonic()
        if time.monotonic() - quiet_since_s > _LINGER_S:
            break
    return process.wait()


def _pause(process: subprocess.Popen[bytes], seconds: float) -> None:
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(max(0.0, seconds))


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
