"""A live view: running steps and what targets wait for, with elapsed times; finished steps become lines above it."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, cast

from rich.cells import cell_len
from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from shipit.envelope import Envelope
from shipit.events import (
    Event,
    Log,
    PlanMade,
    RunFinished,
    StepDone,
    StepFailed,
    StepId,
    StepProgress,
    StepStarted,
    TargetFinished,
    Waiting,
    Warned,
)
from shipit.printable import printable_line
from shipit.report.stream import Stream, Writes, as_is
from shipit.report.text import LEAST_WIDTH, breaks, plan_lines, progress_lines, result_lines, seconds

_FRAMES, _PLAIN_FRAMES = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏", "|/-\\"
_MARKS, _PLAIN_MARKS = ("✓", "✗"), ("+", "x")
_STYLES = {
    "healthy": "bold green",
    "unchanged": "bold green",
    "removed": "bold green",
    "pruned": "bold green",
    "left": "yellow",
    "failed": "bold red",
    "skipped": "yellow",
}
_PLAN_STYLES = {"  + ": "green", "  ~ ": "yellow", "  ! ": "bold red", "  > ": "cyan", "  = ": "dim", "      ": "dim"}


@dataclass
class _Running:
    target: str
    parts: Sequence[str]
    started_s: float
    done_bytes: int = 0
    total_bytes: int = 0

    def lines(self, now: float, frame: str, console: Console) -> Iterator[Text]:
        """The first part with the time it takes, then a line for each of the others; what is longer goes on below."""
        elapsed = now - self.started_s
        head = f"{frame} {printable_line(self.target)}: " if self.target else f"{frame} "
        behind = f"{self._moved(elapsed)}  {seconds(elapsed)}"
        for index, part in enumerate(self.parts):
            room = console.width - len(head) - (len(behind) if index == 0 else 0)
            for number, line in enumerate(_folded(printable_line(part), room, console)):
                first = index == 0 and number == 0
                start = Text.assemble((head[:2], "cyan"), (head[2:], "bold")) if first else Text(" " * len(head))
                yield Text.assemble(start, line, (behind if first else "", "dim"))

    def _moved(self, elapsed: float) -> str:
        if not self.total_bytes:
            return ""
        rate = self.done_bytes / elapsed if elapsed > 0 else 0
        share = 100 * self.done_bytes // self.total_bytes
        return f"  {share}%  {_mib(self.done_bytes)} of {_mib(self.total_bytes)}  {_mib(rate)}/s"


def _mib(size: float) -> str:
    return f"{size / 1024:.0f} KiB" if size < 1024 * 1024 else f"{size / 1024 / 1024:.1f} MiB"


class TerminalReporter:
    """Writes to stderr through rich; results to stdout when the live part is over."""

    def __init__(
        self, *, color: bool = True, out: Writes | None = None, err: Writes | None = None, shows_plan: bool = True
    ) -> None:
        own_out, own_err = out or sys.stdout, err or sys.stderr
        self._err = _console(own_err, color)
        # At one terminal both go through the console that the live part belongs to, or they would overlap.
        is_one = getattr(own_out, "isatty", lambda: False)()
        self._out = self._err if is_one else _console(own_out, color)
        takes = own_err.takes(_FRAMES + "".join(_MARKS)) if isinstance(own_err, Stream) else True
        self._frames, self._marks = (_FRAMES, _MARKS) if takes else (_PLAIN_FRAMES, _PLAIN_MARKS)
        self._running: dict[StepId, _Running] = {}
        self._waiting: dict[str, _Running] = {}
        self._shows_plan = shows_plan
        # Events are printed one at a time. The live view's thread must not wait for that: it holds the lock of rich,
        # which printing takes. So what it shows has a lock of its own, which is never held while something is printed.
        self._printing, self._state = threading.RLock(), threading.Lock()
        self._live = self._started()

    def __call__(self, envelope: Envelope) -> None:
        with self._printing:
            with self._state:
                self._note(envelope.event)
            self._progress(envelope.event, envelope.at)
            self._results(envelope.event)

    def close(self) -> None:
        """End the live part, so that what follows stands below it."""
        self._live.stop()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Without the live part, so that a question can be asked; it comes back afterwards."""
        self.close()
        try:
            yield
        finally:
            self._live = self._started()

    def _started(self) -> Live:
        live = Live(
            get_renderable=self._render,
            console=self._err,
            refresh_per_second=10,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        live.start()
        return live

    def _progress(self, event: Event, at: str) -> None:
        if isinstance(event, PlanMade):
            for line in plan_lines(event.plan, at) if self._shows_plan else ():
                style = next((style for start, style in _PLAN_STYLES.items() if line.startswith(start)), "default")
                self._print(self._err, Text(line, style=style), len(line) - len(line.lstrip()) + 4)
        elif isinstance(event, StepDone | StepFailed):
            done = isinstance(event, StepDone)
            mark = Text(f"{self._marks[0 if done else 1]} ", style="green" if done else "red")
            for line in progress_lines(event):
                self._print(self._err, Text.assemble(mark, (line, "default" if done else "red")), 4)
        elif isinstance(event, Log):
            for line in progress_lines(event, color=not self._err.no_color):
                self._print(self._err, Text.assemble("  ", Text.from_ansi(line, style="dim")), 4)
        elif not isinstance(event, StepStarted | Waiting):
            for line in progress_lines(event):
                self._print(self._err, Text(f"  {line}", style="yellow" if isinstance(event, Warned) else "dim"), 4)

    def _results(self, event: Event) -> None:
        for index, line in enumerate(result_lines(event)):
            style = "default"
            if isinstance(event, TargetFinished):
                is_down = bool(event.down) and line.strip() == printable_line(event.down)
                style = _STYLES.get(event.state, "default") if index == 0 or is_down else "default"
            elif isinstance(event, RunFinished):
                # The URLs follow the first line; what they lead to is healthy, whatever became of other targets.
                is_good = event.exit_code == 0 or 0 < index <= len(event.urls)
                style = "bold green" if is_good else "bold red"
            self._print(self._out, Text(line, style=style), 10)

    def _print(self, console: Console, text: Text, indent: int) -> None:
        """One line, the rest of which hangs below its beginning; words stay whole, so that they can be copied."""
        # What goes to a file or another program is not broken.
        places = breaks(text.plain, console.width, indent, cell_len) if console is self._err else []
        first, *more = text.divide(places)
        first.rstrip()
        console.print(first, soft_wrap=True)
        for line in more:
            line.rstrip()
            console.print(Text.assemble(" " * indent, line), soft_wrap=True)

    def _note(self, event: Event) -> None:
        now = time.monotonic()
        if isinstance(event, StepStarted):
            self._running[event.step] = _Running(event.step.target, (event.summary,), now)
            self._waiting.pop(event.step.target, None)
        elif isinstance(event, StepProgress) and event.step in self._running:
            self._running[event.step].done_bytes = event.done_bytes
            self._running[event.step].total_bytes = event.total_bytes
        elif isinstance(event, StepDone | StepFailed):
            self._running.pop(event.step, None)
        elif isinstance(event, Waiting):
            started = self._waiting[event.target].started_s if event.target in self._waiting else now
            self._waiting[event.target] = _Running(event.target, event.parts or (event.reason,), started)
        elif isinstance(event, TargetFinished):
            self._waiting.pop(event.target, None)

    def _render(self) -> Group:
        now = time.monotonic()
        frame = self._frames[int(now * 10) % len(self._frames)]
        with self._state:
            items = [*self._running.values(), *self._waiting.values()]
        return Group(*(line for item in items for line in item.lines(now, frame, self._err)))


def _console(stream: Writes, color: bool) -> Console:
    return Console(file=cast("IO[str]", as_is(stream)), no_color=not color, highlight=False, soft_wrap=True)


def _folded(text: str, width: int, console: Console) -> list[Text]:
    """A text in lines of a width; a word that is longer is divided."""
    return list(Text(text).wrap(console, max(LEAST_WIDTH, width), overflow="fold")) or [Text()]
