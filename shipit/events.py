"""Everything that can happen in a run, as frozen values. Imports nothing of shipit.

Strings in events may reach a terminal, a log or a file: the pipeline redacts them before anyone sees them.
`target` is the target's name in deploy.yml, empty for what belongs to the whole run.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Event:
    """What every event has in common: nothing but being one."""


@dataclass(frozen=True, slots=True)
class RunStarted(Event):
    command: str
    app: str
    environment: str
    targets: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class StepStarted(Event):
    """A unit of work with a beginning and an end. `step` is unique in the run."""

    step: str
    target: str
    summary: str


@dataclass(frozen=True, slots=True)
class StepProgress(Event):
    """How far a step is, in bytes. `total_bytes` is 0 while unknown."""

    step: str
    done_bytes: int
    total_bytes: int


@dataclass(frozen=True, slots=True)
class StepDone(Event):
    step: str
    target: str
    summary: str
    elapsed_s: float


@dataclass(frozen=True, slots=True)
class StepFailed(Event):
    step: str
    target: str
    reason: str
    elapsed_s: float


@dataclass(frozen=True, slots=True)
class Waiting(Event):
    """A target is not healthy yet; sent when the reason changes."""

    target: str
    reason: str


@dataclass(frozen=True, slots=True)
class Log(Event):
    """One line that something which is starting wrote: a release phase, a container, a build."""

    target: str
    source: str
    line: str


@dataclass(frozen=True, slots=True)
class Warned(Event):
    target: str
    message: str


@dataclass(frozen=True, slots=True)
class Retried(Event):
    """A request failed in a way that may pass, and is sent again after a pause."""

    where: str
    reason: str
    pause_s: float


@dataclass(frozen=True, slots=True)
class Transferred(Event):
    """What publishing one image to one repository moved: bytes sent, and blobs sent, mounted or already there."""

    repository: str
    sent_bytes: int
    sent: int
    mounted: int
    there: int


@dataclass(frozen=True, slots=True)
class PlanMade(Event):
    """The plan, as text for people; `changes` counts its steps."""

    text: str
    changes: int


@dataclass(frozen=True, slots=True)
class TargetFinished(Event):
    """The verdict on one target: `healthy`, `unchanged`, `failed` or `skipped`."""

    target: str
    state: str
    reason: str
    elapsed_s: float
    detail: tuple[str, ...] = ()
    hint: str = ""


@dataclass(frozen=True, slots=True)
class RunFailed(Event):
    """The run ended before any target had a verdict; the command line prints the same to stderr."""

    exit_code: int
    message: str


@dataclass(frozen=True, slots=True)
class RunFinished(Event):
    exit_code: int
    summary: str
    elapsed_s: float


Emit = Callable[[Event], None]
