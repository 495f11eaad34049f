"""The protocol of every target (`Target`), and one for each capability of a deploy that a kind can declare."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, Self, TypeGuard

from shipit.config.model import TargetConfig
from shipit.config.process_environment import ProcessEnvironment
from shipit.events import Event
from shipit.release import Facts, Finding, ImageUse, Place, Release, Seen, Status, Step, Verdict
from shipit.targets.kind import Kind
from shipit.targets.session import Clients, Session

if TYPE_CHECKING:
    from shipit.image.image import BuiltImage
    from shipit.registry.credentials import Credentials


class Target(Protocol):
    """One place a release can go. Holds its configuration and nothing else: every method may be called on a fresh instance.

    Only `apply` writes to the place.
    """

    kind: Kind
    name: str
    place: Place
    config: TargetConfig

    def images(self) -> Sequence[ImageUse]:
        """Which images it runs, from which repository, in which form and for which platform."""
        ...

    def observe(self, session: Session) -> Any:
        """The place as plain values, read once. Raises RemoteError when it can't be read."""
        ...

    def plan(self, release: Release, observed: Any) -> tuple[Step, ...]:
        """Pure: the steps from what is observed to what the release wants; empty when up to date."""
        ...

    def apply(self, step: Step, session: Session) -> Iterator[Event]:
        """Do one step. Needs the step and the secrets that it names, no call before it; safe to repeat after a crash.

        A step that must end before the next one returns when it has ended. Facts for the verdict are emitted as
        StepApplied, and come back in `Seen.applied`.
        """
        ...

    def judge(self, release: Release, observed: Any, seen: Seen) -> Verdict:
        """Pure: the health of the place as observed, against what the release wanted.

        Never against what the place says that it wants: what somebody else replaced is a failure with `superseded_by`.
        """
        ...

    def describe(self, observed: Any) -> Status:
        """Pure: what runs there."""
        ...


class ChecksImages(Target, Protocol):
    """Checks the images before anything is pushed."""

    def check(self, images: Mapping[ImageUse, BuiltImage]) -> None:
        """Raises ShipitError."""
        ...


class Previews(Target, Protocol):
    """Asks the place what a release would change there, without changing it."""

    def preview(self, release: Release, observed: Any, session: Session, *, is_deploy: bool) -> Any:
        """The observation with the place's answers added, from which `plan` tells what changes.

        Called when the images are known, before anything is written, for `plan` and `deploy`. A user without the right to
        write gets a plan without the answers; with `is_deploy` a missing right is an error.
        Raises: ShipitError for what the place would refuse, all of it at once.
        """
        ...


class AppliesInWaves(Target, Protocol):
    """Applies steps in parallel."""

    def waves(self, steps: Sequence[Step]) -> Sequence[Sequence[Step]]:
        """Pure: the steps in their order, divided into waves: those of a wave are independent and applied in parallel."""
        ...


class Guards(Target, Protocol):
    """Checks before each step that the target still leads to the place of the plan."""

    def guard(self, place: Place, session: Session) -> None:
        """Called before each step. Raises: ShipitError when this target no longer leads to the place of the plan."""
        ...


class AwaitsChange(Target, Protocol):
    """Tells when the place has changed."""

    def await_change(self, session: Session, seconds: float) -> None:
        """Called between two looks. Returns when the place changed since the last look, and after `seconds` at the latest."""
        ...


class Probes(Target, Protocol):
    """Asks the app itself whether it serves."""

    def probe(self, observed: Any, session: Session, *, has_changed: bool) -> Any:
        """The observation with what the app answered added; asked for when the place looks healthy without it.

        It is judged again then. `has_changed` is whether this run changed the place. Raises RemoteError when the place can't be asked.
        """
        ...


class Reverts(Target, Protocol):
    """Rolls a place back to what it was before a failed deploy."""

    def plan_rollback(self, release: Release, before: Any, now: Any, applied: Mapping[str, Facts]) -> tuple[Step, ...]:
        """Pure: the steps from `now` to what was observed before the first change; empty when that still runs.

        `release` is what failed, and `applied` what its steps reported, by their ids. A place that someone else changed
        meanwhile is left alone.
        """
        ...

    def judge_rollback(self, release: Release, before: Any, observed: Any, seen: Seen) -> Verdict:
        """Pure: the health of the place while it is rolled back, against what ran before."""
        ...


class Reissues(Target, Protocol):
    """For a place that ignores an image with an id that failed before."""

    def reissue(self, images: Mapping[ImageUse, BuiltImage], observed: Any) -> Mapping[ImageUse, ImageUse]:
        """Pure: the uses whose image needs another id -> the same use with the attempt that gives it one."""
        ...


class TakesOver(Target, Protocol):
    """Sets what another tool owns, where a user decides so; `plan` raises OwnedByOthers otherwise."""

    def taking_over(self) -> Self:
        """Pure: the same target, for which what others own is no error."""
        ...


class Notes(Target, Protocol):
    """Adds notes to the plan."""

    def notes(self, release: Release, observed: Any) -> Sequence[str]:
        """Pure: what the plan leaves unchanged, for the reader."""
        ...


class Examines(Target, Protocol):
    """Checks for `shipit doctor` whether a deploy would be allowed, without changing anything."""

    def examine(self, session: Session) -> Sequence[Finding]:
        """The findings. A ShipitError is reported as a failure of the target."""
        ...


class ChecksLogin(Target, Protocol):
    """Checks without a request that there is a login."""

    def check_login(self, environment: ProcessEnvironment, clients: Clients) -> None:
        """Called before anything is built. Raises: ShipitError."""
        ...


class ChecksAccess(Target, Protocol):
    """Checks with few requests that the user is allowed to deploy."""

    def check_access(self, session: Session) -> None:
        """Called for a deploy before an engine builds. Raises: ShipitError."""
        ...


class LogsIn(Target, Protocol):
    """Has credentials that are also those of a registry."""

    def registry_logins(self, environment: ProcessEnvironment, clients: Clients) -> Mapping[str, Credentials]:
        """Registry host -> credentials; empty when there are none."""
        ...


class Serves(Target, Protocol):
    """Has URLs."""

    def urls(self, observed: Any) -> Sequence[str]:
        """Pure: the URLs of what runs there; empty when it serves nothing."""
        ...


class Diagnoses(Target, Protocol):
    """Adds logs and events to a verdict of failure."""

    def diagnose(self, verdict: Verdict, session: Session) -> Verdict:
        """The same verdict with more detail; never raises."""
        ...


def checks_images(target: Target) -> TypeGuard[ChecksImages]:
    return "checks_images" in target.kind.capabilities


def previews(target: Target) -> TypeGuard[Previews]:
    return "previews" in target.kind.capabilities


def applies_in_waves(target: Target) -> TypeGuard[AppliesInWaves]:
    return "applies_in_waves" in target.kind.capabilities


def guards(target: Target) -> TypeGuard[Guards]:
    return "guards" in target.kind.capabilities


def awaits_change(target: Target) -> TypeGuard[AwaitsChange]:
    return "awaits_change" in target.kind.capabilities


def probes(target: Target) -> TypeGuard[Probes]:
    return "probes" in target.kind.capabilities


def reverts(target: Target) -> TypeGuard[Reverts]:
    return "reverts" in target.kind.capabilities


def reissues(target: Target) -> TypeGuard[Reissues]:
    return "reissues" in target.kind.capabilities


def takes_over(target: Target) -> TypeGuard[TakesOver]:
    return "takes_over" in target.kind.capabilities


def notes(target: Target) -> TypeGuard[Notes]:
    return "notes" in target.kind.capabilities


def examines(target: Target) -> TypeGuard[Examines]:
    return "examines" in target.kind.capabilities


def checks_login(target: Target) -> TypeGuard[ChecksLogin]:
    return "checks_login" in target.kind.capabilities


def checks_access(target: Target) -> TypeGuard[ChecksAccess]:
    return "checks_access" in target.kind.capabilities


def logs_in(target: Target) -> TypeGuard[LogsIn]:
    return "logs_in" in target.kind.capabilities


def serves(target: Target) -> TypeGuard[Serves]:
    return "serves" in target.kind.capabilities


def diagnoses(target: Target) -> TypeGuard[Diagnoses]:
    return "diagnoses" in target.kind.capabilities
