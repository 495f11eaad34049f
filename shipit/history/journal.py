"""The journal of a run: its events as lines of JSON in `.shipit/runs`, on the disk before the step after them begins.

Nothing is written until the run begins to change something, so that an unchanged deploy writes no file.
"""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path

from shipit.envelope import Envelope
from shipit.events import (
    LogLine,
    PlanMade,
    RunFailed,
    RunFinished,
    StepApplied,
    StepDone,
    StepFailed,
    StepProgress,
    StepStarted,
    TargetFinished,
)
from shipit.history.fold import CHANGING
from shipit.history.state_folder import RunsFolder, cannot_write, made_runs

MIB = 1024 * 1024
# The limits of one run, and of all that are kept. Past the first one, only events that a later run needs are written.
MOST_BYTES, MOST_RUNS, MOST_BYTES_IN_ALL = 8 * MIB, 100, 64 * MIB
_MOST_HELD = 2000
_NEVER = (StepProgress, LogLine)
_ALWAYS = (PlanMade, StepApplied, TargetFinished, RunFinished, RunFailed)
# Another event follows: they are flushed to the disk with that.
_FOLLOWED = (StepApplied, StepDone)


class Journal:
    """A reporter that keeps a run. `begin` is called before its first change; `failure` is why a later write failed, or empty.

    `sync` is called after each event, outside the lock of the reporters: threads that wait share one flush to the disk.
    `root` is the folder of deploy.yml.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._held: list[Envelope] = []
        self._handle = -1
        self._written = 0
        # The bytes that have to be on the disk, and those that are.
        self._needed, self._synced = 0, 0
        self._syncing = threading.Lock()
        self.failure = ""

    def begin(self) -> None:
        """Create the file, with what has happened so far. Raises: UsageError where it can't be written."""
        if self._handle >= 0 or not self._held:
            return
        first, *_ = self._held
        # Runs of the same second are in the order of their milliseconds.
        name = f"{first.at[:23].replace(':', '').replace('-', '')}Z-{first.run}.jsonl"
        with made_runs(self._root) as folder:
            try:
                self._handle = folder.create(name)
                self._write("".join(map(_line, self._held)))
                os.fsync(self._handle)
            except OSError as error:
                self.close()
                folder.remove(name)
                raise cannot_write(self._root, error) from None
            _prune(folder, name)
        self._held = []

    def __call__(self, envelope: Envelope) -> None:
        if isinstance(envelope.event, _NEVER):
            return
        if self._handle < 0:
            if len(self._held) < _MOST_HELD or _is_needed(envelope):
                self._held.append(envelope)
            return
        is_needed = _is_needed(envelope)
        if self.failure or (self._written > MOST_BYTES and not is_needed):
            return
        try:
            self._write(_line(envelope))
            if is_needed and not isinstance(envelope.event, _FOLLOWED):
                self._needed = self._written
        except OSError as error:
            self.failure = error.strerror or str(error)

    def sync(self) -> None:
        """Wait until the events so far that a later run needs are on the disk: before a step begins, and at the end."""
        if self._synced >= (needed := self._needed):
            return
        with self._syncing:
            # Another thread may have flushed them meanwhile.
            if self._synced >= needed or self._handle < 0:
                return
            written = self._written
            try:
                os.fsync(self._handle)
            except OSError as error:
                self.failure = error.strerror or str(error)
            self._synced = written

    def close(self) -> None:
        """Close the file, which also unlocks it."""
        with self._syncing:
            if self._handle >= 0:
                os.close(self._handle)
                self._handle = -1

    def _write(self, text: str) -> None:
        data = memoryview(text.encode())
        while data:
            count = os.write(self._handle, data)
            self._written += count
            data = data[count:]


def _is_needed(envelope: Envelope) -> bool:
    """True for events that a later run needs: the plan, begun and ended changes, and the end."""
    event = envelope.event
    if isinstance(event, StepStarted | StepDone | StepFailed):
        return event.step.action in CHANGING
    return isinstance(event, _ALWAYS)


def _line(envelope: Envelope) -> str:
    return json.dumps(envelope.json) + "\n"


def _prune(folder: RunsFolder, own: str) -> None:
    """Remove the oldest runs above the limits, except those that are still written."""
    total = 0
    for at, file in enumerate(folder.files()):
        total += file.size_bytes
        is_over = at >= MOST_RUNS or total > MOST_BYTES_IN_ALL
        if is_over and file.name != own and not folder.is_locked(file.name):
            folder.remove(file.name)
