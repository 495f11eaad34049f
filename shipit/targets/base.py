"""What a place must be able to do, and what it is handed to do it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol, runtime_checkable

from shipit.clock import Clock, Deadline
from shipit.config.model import TargetConfig
from shipit.config.process_environment import ProcessEnvironment
from shipit.config.project import Project
from shipit.drafts.kind import KindDraft
from shipit.events import Emit, Event
from shipit.http.retry import ATTEMPTS
from shipit.image.image import BuiltImage
from shipit.registry.credentials import Credentials
from shipit.registry.inventory import Inventory
from shipit.registry.registries import Registries
from shipit.release import Finding, ImageUse, Place, Release, Seen, Step, Verdict


@dataclass(frozen=True)
class Context:
    """What a target may use while it works: time, the env and resolved secrets of this target, and where to tell.

    `mark` gives a keyed hash of a value, the same for equal values within one run and meaningless outside of it.
    `deadline_s` is on the clock's own scale. `registries` are those of the run, with the credentials in use;
    `inventory` is what they were found to have before anything is changed. `attempts` is how often a read is tried that
    fails in a way that may pass: once where the caller looks again by itself.
    """

    environment: ProcessEnvironment
    clock: Clock
    emit: Emit = field(repr=False)
    mark: Callable[[str], str] = field(repr=False)
    deadline_s: float
    env: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    registries: Registries | None = field(default=None, repr=False)
    inventory: Inventory | None = field(default=None, repr=False)
    attempts: int = ATTEMPTS

    @property
    def deadline(self) -> Deadline:
        """The moment that no call, wait or stream for this target may outlast."""
        return Deadline(self.clock, self.deadline_s)


class Target(Protocol):
    """One place a release can go. Only `apply` changes the world."""

    name: str
    place: Place
    config: TargetConfig

    def images(self) -> Sequence[ImageUse]:
        """Which images it runs, from which repository, in which form and for which platform."""
        ...

    def observe(self, context: Context) -> Any:
        """The place as plain values, read once. Raises RemoteError when it can't be read."""
        ...

    def plan(self, release: Release, observed: Any) -> tuple[Step, ...]:
        """Pure: the steps from what is to what should be; none when it is so already."""
        ...

    def apply(self, step: Step, context: Context) -> Iterator[Event]:
        """Do one step; safe to repeat after a crash at any byte. A step that gates the next returns when it is over."""
        ...

    def judge(self, release: Release, observed: Any, seen: Seen) -> Verdict:
        """Pure: the health of the place as observed, against what the release wanted.

        Never against what the place says that it wants: what somebody else replaced is a failure with `superseded_by`.
        """
        ...

    def describe(self, observed: Any) -> tuple[str, ...]:
        """Pure: what runs there, as lines for `status`."""
        ...


@runtime_checkable
class Checks(Protocol):
    """A kind that can tell from the images alone that they can't run there, before anything is pushed."""

    def check(self, images: Mapping[ImageUse, BuiltImage]) -> None:
        """Raises ShipitError."""
        ...


@runtime_checkable
class Guards(Protocol):
    """A kind whose place could become another one between the plan and a change."""

    def guard(self, observed: Any, context: Context) -> None:
        """Called before each step. Raises ShipitError when the place is not the one that was observed."""
        ...


@runtime_checkable
class Probes(Protocol):
    """A kind that can ask the app itself whether it serves."""

    def probe(self, observed: Any, context: Context) -> Any:
        """The observation with what the app answered added; asked for when the place looks healthy without it.

        It is judged again then. Raises RemoteError when the place can't be asked.
        """
        ...


@runtime_checkable
class Reverts(Protocol):
    """A kind whose place can be brought back to what it was before a deploy that failed."""

    def plan_back(self, before: Any, now: Any) -> tuple[Step, ...]:
        """Pure: the steps from what is to what was observed before the first change; none when that still runs.

        A place that someone else changed meanwhile is left alone.
        """
        ...

    def judge_back(self, before: Any, observed: Any, seen: Seen) -> Verdict:
        """Pure: the health of the place on its way back, against what ran before."""
        ...


@runtime_checkable
class Reissues(Protocol):
    """A kind whose place ignores an image under an id that it has seen fail."""

    def reissue(self, images: Mapping[ImageUse, BuiltImage], observed: Any) -> Mapping[ImageUse, ImageUse]:
        """Pure: the uses whose image needs another id -> the same use with the attempt that gives it one."""
        ...


@runtime_checkable
class Notes(Protocol):
    """A kind whose plan says more than its steps do."""

    def notes(self, release: Release, observed: Any) -> Sequence[str]:
        """Pure: what the plan leaves alone and a reader would want to know."""
        ...


@runtime_checkable
class Examines(Protocol):
    """A kind that can tell whether a deploy would be let in, without changing anything."""

    def examine(self, context: Context) -> Sequence[Finding]:
        """What it found; a ShipitError that it raises is a failure of the target."""
        ...


@runtime_checkable
class ChecksLogin(Protocol):
    """A kind that can tell without asking a server that nobody is logged in."""

    def check_login(self, environment: ProcessEnvironment) -> None:
        """Called before anything is built. Raises: ShipitError."""
        ...


@runtime_checkable
class ChecksAccess(Protocol):
    """A kind that can tell with a request or two that its user may not deploy there."""

    def check_access(self, context: Context) -> None:
        """Called for a deploy before an engine is asked to build. Raises: ShipitError."""
        ...


@runtime_checkable
class LogsIn(Protocol):
    """A kind whose credentials also open a registry."""

    def registry_logins(self, environment: ProcessEnvironment) -> Mapping[str, Credentials]:
        """Registry host -> credentials; empty when there are none."""
        ...


@runtime_checkable
class Serves(Protocol):
    """A kind whose place can be visited."""

    def urls(self, observed: Any) -> Sequence[str]:
        """Pure: the URLs at which what runs there can be visited; none where it serves nothing."""
        ...


@runtime_checkable
class Closes(Protocol):
    """A kind that keeps connections, or files, for as long as a run lasts."""

    def close(self) -> None:
        """Called when the run ends; never raises."""
        ...


@runtime_checkable
class Diagnoses(Protocol):
    """A kind that can add logs and events to a verdict of failure."""

    def diagnose(self, verdict: Verdict, context: Context) -> Verdict:
        """The same verdict with more detail; never raises."""
        ...


class Kind(NamedTuple):
    """A kind of target: its names, the model of its part of deploy.yml, and how one is made.

    `check_login` says whose login is in use, for `shipit login KIND`, or raises ShipitError. `draft` is its part of the
    deploy.yml that `shipit init` writes.
    """

    names: tuple[str, ...]
    config: type[TargetConfig]
    create: Callable[[str, Any, Project, ProcessEnvironment], Target]
    check_login: Callable[[ProcessEnvironment, Clock, Emit], str] | None = None
    draft: KindDraft | None = None
