"""A live view: one line per step that runs, with bytes and rates; what is over scrolls up."""

from __future__ import annotations

import sys
import threading
import time
from dataclasses import dataclass

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from shipit.events import Event, PlanMade, StepDone, StepFailed, StepProgress, StepStarted, TargetFinished, Waiting
from shipit.report.text import progress_lines, result_lines, seconds

_FRAMES = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
_STYLES = {"healthy": "bold green", "unchanged": "bold green", "failed": "bold red", "skipped": "yellow"}


@dataclass
class _Running:
    target: str
    summary: str
    started_s: float
    done_bytes: int = 0
    total_bytes: int = 0

    def line(self, now: float) -> Text:
        elapsed = now - self.started_s
        frame = _FRAMES[int(now * 10) % len(_FRAMES)]
        text = Text(f"{frame} ", style="cyan")
        text.append(f"{self.target}: " if self.target else "", style="bold")
        text.append(self.summary, style="default")
        if self.total_bytes:
            rate = self.done_bytes / elapsed if elapsed > 0 else 0
            share = 100 * self.done_bytes // self.total_bytes
            text.append(f"  {share}%  {_mib(self.done_bytes)} of {_mib(self.total_bytes)}  {_mib(rate)}/s", style="dim")
        text.append(f"  {seconds(elapsed)}", style="dim")
        return text


def _mib(size: float) -> str:
    return f"{size / 1024:.0f} KiB" if size < 1024 * 1024 else f"{size / 1024 / 1024:.1f} MiB"


class TerminalReporter:
    """Writes to stderr through rich; results to stdout when the live part is over."""

    def __init__(self, *, color: bool = True) -> None:
        self._err = Console(stderr=True, no_color=not color, highlight=False, soft_wrap=True)
        # At one terminal both go through the console that the live part belongs to, or they would overlap.
        self._out = self._err if sys.stdout.isatty() else Console(no_color=not color, highlight=False, soft_wrap=True)
        self._running: dict[str, _Running] = {}
        self._waiting: dict[str, _Running] = {}
        self._lock = threading.RLock()
        self._live = Live(get_renderable=self._render, console=self._err, refresh_per_second=10, transient=True)
        self._live.start()

    def __call__(self, event: Event) -> None:
        with self._lock:
            self._note(event)
            if isinstance(event, PlanMade):
                self._err.print(_plan(event.text))
            elif isinstance(event, StepDone):
                self._err.print(Text.assemble(("✓ ", "green"), progress_lines(event)[0]))
            elif isinstance(event, StepFailed):
                self._err.print(Text(f"✗ {progress_lines(event)[0]}", style="red"))
            elif not isinstance(event, StepStarted | Waiting):
                for text in progress_lines(event):
                    self._err.print(Text(f"  {text}", style="dim"))
            for index, text in enumerate(result_lines(event)):
                style = _STYLES.get(event.state, "") if isinstance(event, TargetFinished) and index == 0 else "default"
                self._out.print(Text(text, style=style))

    def close(self) -> None:
        """End the live part, so that what follows stands below it."""
        self._live.stop()

    def _note(self, event: Event) -> None:
        now = time.monotonic()
        if isinstance(event, StepStarted):
            self._running[event.step] = _Running(event.target, event.summary, now)
            self._waiting.pop(event.target, None)
        elif isinstance(event, StepProgress) and event.step in self._running:
            self._running[event.step].done_bytes = event.done_bytes
            self._running[event.step].total_bytes = event.total_bytes
        elif isinstance(event, StepDone | StepFailed):
            self._running.pop(event.step, None)
        elif isinstance(event, Waiting):
            started = self._waiting[event.target].started_s if event.target in self._waiting else now
            self._waiting[event.target] = _Running(event.target, event.reason, started)
        elif isinstance(event, TargetFinished):
            self._waiting.pop(event.target, None)

    def _render(self) -> Group:
        now = time.monotonic()
        with self._lock:
            return Group(*(item.line(now) for item in [*self._running.values(), *self._waiting.values()]))


def _plan(text: str) -> Text:
    styles = {"  + ": "green", "  ~ ": "yellow", "  ! ": "bold red", "  > ": "cyan", "  = ": "dim", "      ": "dim"}
    out = Text()
    for line in text.splitlines():
        out.append(
            f"{line}\n", style=next((style for start, style in styles.items() if line.startswith(start)), "default")
        )
    return out
