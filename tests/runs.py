"""Runs in this process: a project on disk, targets of choice, a clock of one's own, and every event kept."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from shipit.clock import Clock
from shipit.config.load import load_project
from shipit.config.process_environment import ProcessEnvironment
from shipit.config.project import Project
from shipit.envelope import Envelope
from shipit.errors import Interrupted
from shipit.events import Event
from shipit.history.journal import Journal
from shipit.pipeline.run import Run
from shipit.targets.base import Target
from shipit.targets.kinds import KindModels, create_target


class FakeClock(Clock):
    """Time that passes only by sleeping."""

    def __init__(self) -> None:
        super().__init__(threading.Event())
        self.time_s = 1000.0
        self._lock = threading.Lock()

    def now(self) -> float:
        with self._lock:
            return self.time_s

    def wall_s(self) -> float:
        return 1_700_000_000 + self.now()

    def sleep(self, seconds: float) -> None:
        if self.cancel.is_set():
            raise Interrupted
        with self._lock:
            self.time_s += seconds


class EventClock(Clock):
    """Time that stands still until something has happened; from then on ten seconds pass between two looks at it."""

    def __init__(self, has_happened: Callable[[], object]) -> None:
        super().__init__()
        self._has_happened = has_happened
        self._time_s = 1000.0
        self._lock = threading.Lock()

    def now(self) -> float:
        with self._lock:
            self._time_s += 10.0 if self._has_happened() else 0.0
            return self._time_s


class SkippingClock(Clock):
    """Real time, of which sleeps are skipped: each takes 10 ms, and those at the same time pass together."""

    def __init__(self) -> None:
        super().__init__()
        self._skipped_s = 0.0
        self._lock = threading.Lock()

    def now(self) -> float:
        return super().now() + self._skipped_s

    def sleep(self, seconds: float) -> None:
        until_s = self.now() + seconds
        super().sleep(min(seconds, 0.01))
        self._skip(until_s)

    def wait(self, event: threading.Event, seconds: float) -> None:
        until_s = self.now() + seconds
        super().sleep(min(seconds, 0.01))
        if not event.is_set():
            self._skip(until_s)

    def _skip(self, until_s: float) -> None:
        with self._lock:
            self._skipped_s = max(self._skipped_s, until_s - super().now())


# An image that does not run as root: a plan for Kubernetes has no note on it.
WITH_USER = 'FROM scratch\nCOPY hello.txt /\nUSER 1000\nCMD ["/hello"]\n'


def environment(folder: Path, **variables: str) -> ProcessEnvironment:
    return ProcessEnvironment(
        {"SHIPIT_CACHE_DIR": str(folder / ".cache"), "PATH": "/usr/bin:/bin", **variables}, folder, folder
    )


def project(
    folder: Path,
    text: str,
    process_environment: ProcessEnvironment,
    *,
    dockerfile: str = 'FROM scratch\nCOPY hello.txt /\nCMD ["/hello"]\n',
) -> Project:
    """A project in a folder: deploy.yml as given, a Dockerfile, and one file."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "deploy.yml").write_text(text)
    (folder / "Dockerfile").write_text(dockerfile)
    if not (folder / "hello.txt").exists():
        (folder / "hello.txt").write_text("hello\n")
    return load_project(folder / "deploy.yml", process_environment, KindModels())


def run(
    loaded: Project,
    process_environment: ProcessEnvironment,
    events: list[Event],
    *,
    targets: Callable[[Project], Sequence[Target]] | None = None,
    clock: Clock | None = None,
) -> Run:
    """A run over the project's own targets, or over those that `targets` makes."""
    made = (
        targets(loaded)
        if targets
        else [create_target(name, config, loaded, process_environment) for name, config in loaded.targets.items()]
    )
    begun = Run(loaded, made, process_environment, clock or FakeClock(), lambda envelope: events.append(envelope.event))
    _begun.append(begun)
    return begun


def react(to: Run, call: Callable[[Event], None]) -> None:
    """Call back after each event of a run has reached its reporter, on the thread that emitted it."""
    tell = to.tell

    def both(envelope: Envelope) -> None:
        tell(envelope)
        call(envelope.event)

    to.tell = both


@contextmanager
def kept(run: Run) -> Iterator[Run]:
    """A run that keeps its journal, as on the command line."""
    tell, journal = run.tell, Journal(run.project.root)

    def both(envelope: Envelope) -> None:
        tell(envelope)
        journal(envelope)

    run.tell, run.journal = both, journal
    yield run
    journal.close()


_begun: list[Run] = []


def close_all() -> None:
    """End the runs of the test that is over."""
    while _begun:
        _begun.pop().close()


def with_variables(process_environment: ProcessEnvironment, more: Mapping[str, str]) -> ProcessEnvironment:
    return ProcessEnvironment(
        {**process_environment.variables, **more}, process_environment.home, process_environment.cwd
    )
