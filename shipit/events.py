"""Everything that can happen in a run, as named tuples, which cost the least to define. Imports nothing of shipit.

Strings in events may reach a terminal, a log or a file: the pipeline redacts them before anyone sees them.
`target` is the target's name in deploy.yml, empty for what belongs to the whole run.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple


class RunStarted(NamedTuple):
    command: str
    app: str
    environment: str
    targets: tuple[str, ...]


class StepStarted(NamedTuple):
    """A unit of work with a beginning and an end. `step` is unique in the run."""

    step: str
    target: str
    summary: str


class StepProgress(NamedTuple):
    """How far a step is, in bytes. `total_bytes` is 0 while unknown."""

    step: str
    done_bytes: int
    total_bytes: int


class StepDone(NamedTuple):
    step: str
    target: str
    summary: str
    elapsed_s: float


class StepFailed(NamedTuple):
    step: str
    target: str
    reason: str
    elapsed_s: float


class Waiting(NamedTuple):
    """A target is not healthy yet; sent when the reason changes."""

    target: str
    reason: str


class Log(NamedTuple):
    """One line that something which is starting wrote: a release phase, a container, a build."""

    target: str
    source: str
    line: str


class Warned(NamedTuple):
    target: str
    message: str


class Retried(NamedTuple):
    """A request failed in a way that may pass, and is sent again after a pause."""

    where: str
    reason: str
    pause_s: float


class Transferred(NamedTuple):
    """What publishing one image to one repository moved: bytes sent, and blobs sent, mounted or already there."""

    repository: str
    sent_bytes: int
    sent: int
    mounted: int
    there: int


class PlanMade(NamedTuple):
    """The plan, as text for people; `changes` counts its steps."""

    text: str
    changes: int


class TargetFinished(NamedTuple):
    """The verdict on one target: `healthy`, `unchanged`, `failed` or `skipped`."""

    target: str
    state: str
    reason: str
    elapsed_s: float
    detail: tuple[str, ...] = ()
    hint: str = ""


class RunFailed(NamedTuple):
    """The run ended before any target had a verdict; the command line prints the same to stderr."""

    exit_code: int
    message: str


class RunFinished(NamedTuple):
    exit_code: int
    summary: str
    elapsed_s: float


Event = (
    RunStarted
    | StepStarted
    | StepProgress
    | StepDone
    | StepFailed
    | Waiting
    | Log
    | Warned
    | Retried
    | Transferred
    | PlanMade
    | TargetFinished
    | RunFailed
    | RunFinished
)
Emit = Callable[[Event], None]
