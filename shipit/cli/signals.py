"""SIGINT, SIGTERM, SIGQUIT and SIGHUP end the process within a second, with exit code 130."""

from __future__ import annotations

import contextlib
import math
import os
import select
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, NoReturn

from shipit.errors import Interrupted

# Seconds that a run has to end after the first signal.
GRACE_S = 0.85
# nohup ignores SIGHUP: then it stays ignored.
_CLOSED = () if signal.getsignal(signal.SIGHUP) == signal.SIG_IGN else (signal.SIGHUP,)
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGQUIT, *_CLOSED)
# Taken for good by the first thread that leaves.
_leaving = threading.Lock()


class _Watch:
    """A thread that sees signals even while the main thread is blocked in C code, such as a name lookup."""

    def __init__(self) -> None:
        self.reader, self.writer = os.pipe()
        os.set_blocking(self.writer, False)
        self.before = signal.set_wakeup_fd(self.writer, warn_on_full_buffer=False)
        threading.Thread(target=self._wait, daemon=True, name="signals").start()

    def stop(self) -> None:
        signal.set_wakeup_fd(self.before)
        os.write(self.writer, b"\0")

    def _wait(self) -> None:
        ends_at: float | None = None
        while True:
            left = None if ends_at is None else max(0.0, ends_at - time.monotonic())
            if not select.select([self.reader], [], [], left)[0]:
                leave()
            told = os.read(self.reader, 1)
            if told == b"\0":
                os.close(self.reader)
                os.close(self.writer)
                return
            if told[0] in _SIGNALS:
                grace_s = 0.0 if told[0] == signal.SIGQUIT else GRACE_S
                ends_at = min(ends_at or math.inf, time.monotonic() + grace_s)


_watch: _Watch | None = None


@contextmanager
def on_signal(first: Callable[[], None]) -> Iterator[None]:
    """The first signal calls `first`, in the main thread. A second one, SIGQUIT (Ctrl-\\), or GRACE_S ends the process."""
    global _watch
    seen = False

    def handle(number: int, frame: Any) -> None:
        nonlocal seen
        # The module may be missing, or half imported.
        defer = getattr(sys.modules.get("shipit.process"), "defer", None)
        if defer and defer(partial(handle, number, None)):
            return
        if seen or number == signal.SIGQUIT:
            leave()
        seen = True
        first()

    own = None if _watch else _Watch()
    _watch = _watch or own
    before = {number: signal.signal(number, handle) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if own:
            own.stop()
            _watch = None


def raise_interrupt() -> NoReturn:
    """Raise, so that everything open is closed; a question restores its terminal."""
    raise KeyboardInterrupt


def leave(error: Interrupted | None = None) -> NoReturn:
    """Print that the process is interrupted, end its child processes, and end it without waiting for threads."""
    if _leaving.acquire(blocking=False):
        _tell(error or Interrupted())
    else:
        # The main thread and that of `_Watch` both leave when the second signal comes as GRACE_S ends: one of them tells it.
        time.sleep(GRACE_S)
    if process := sys.modules.get("shipit.process"):
        process.end_programs(for_good=True)
    os._exit(Interrupted.exit_code)


def _tell(error: Interrupted) -> None:
    """Restore the terminal, and print the error unless this would wait for what reads it."""
    # No import here: another thread may hold the import lock.
    if terminal := sys.modules.get("shipit.cli.raw_terminal"):
        terminal.restore()
    with contextlib.suppress(OSError):
        if select.select([], [2], [], 0)[1]:
            # A live view hides the cursor: show it again.
            shown = "\x1b[?25h" if os.isatty(2) else ""
            os.write(2, f"{shown}{error.render()}\n".encode())
