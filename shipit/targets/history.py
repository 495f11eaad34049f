"""One protocol for each capability of a kind whose places know their past releases."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, NamedTuple, Protocol, TypeGuard

from shipit.past_release import PastRelease
from shipit.release import Release, Repository, Seen, Step, Verdict
from shipit.targets.base import Target
from shipit.targets.session import Session


class RunningImage(NamedTuple):
    """The image that a workload runs. `image` is its name in deploy.yml, `reference` where the place has it: by digest, or by a tag.

    `config_digest` is a whole digest, or the first twelve digits of one. With a `command`, the config is that of the image
    with this command in place of its own.
    """

    workload: str
    image: str
    reference: str
    platform: str
    config_digest: str
    command: tuple[str, ...] | None = None


class HasHistory(Target, Protocol):
    """Tells the releases that the place had."""

    def past_releases(self, most: int, session: Session, *, tells_current: bool = True) -> Sequence[PastRelease]:
        """At most `most` releases of this app and environment, the newest first. Raises: RemoteError.

        Without `tells_current`, a place that has to be read to know which release runs now is not read: none `is_current`.
        """
        ...


class RecordsReleases(HasHistory, Protocol):
    """Keeps a record of each release at the place, which another machine can read."""

    def record_release(self, past: PastRelease, release: Release, observed: Any, session: Session) -> None:
        """Write the record of a release, or replace the one of the same version; old records are removed.

        `observed` is what the plan was made with. Called before the first change with the state `begun`, and again with
        the verdict. One that `is_return` returned to `past.returns_to`: what runs since is what the record of that version
        holds, and `release` has nothing. Raises: RemoteError.
        """
        ...


class RecordsPublished(HasHistory, Protocol):
    """Keeps a record of each release beside its images, for a place that runs nothing: written once, when its tags are moved."""

    def record_published(self, past: PastRelease, session: Session) -> None:
        """Write the record of a release. Without images it returned to `past.returns_to`, and has those. Raises: ShipitError."""
        ...


class Returns(HasHistory, Protocol):
    """Returns to a release of its history, without a build and without the values of secrets from this machine.

    `Session.recalled` is the recalled release while the place is observed for it, and while its steps are applied.
    """

    def recall(self, past: PastRelease, session: Session) -> Any:
        """Everything that is needed to return to a release, read from the place as plain values.

        Raises: ShipitError where the place can't return to it; says what is missing.
        """
        ...

    def plan_return(self, recalled: Any, observed: Any) -> tuple[Step, ...]:
        """Pure: the steps from what is observed to the recalled release; empty when that runs."""
        ...

    def return_notes(self, recalled: Any, observed: Any) -> Sequence[str]:
        """Pure: what the return leaves as it is, for the reader of the plan."""
        ...

    def judge_return(self, recalled: Any, observed: Any, seen: Seen) -> Verdict:
        """Pure: the health of the place, against the recalled release."""
        ...


class PushesAgain(Returns, Protocol):
    """Returns to a release whose images the place has lost, with images that other registries still have."""

    def recall_from(self, past: PastRelease, repositories: Sequence[Repository], session: Session) -> Any:
        """As `recall`, with the images from these repositories, each proved by its digest.

        Raises: ShipitError where none of them has an image of the release; says which one.
        """
        ...


class TellsImages(Returns, Protocol):
    """Tells which image each workload runs, for a place whose releases do not have the names of deploy.yml."""

    def running_images(self, recalled: Any, observed: Any) -> Sequence[RunningImage]:
        """Pure: the image of each workload of deploy.yml that the recalled release runs.

        Raises: ShipitError where the place does not say what a workload runs.
        """
        ...


class TellsPastImages(HasHistory, Protocol):
    """Tells the images of a past release, for a place whose releases do not have where these can be pulled from."""

    def past_images(self, past: PastRelease) -> Collection[str]:
        """Pure: digests of configs, or their first digits."""
        ...


def has_history(target: Target) -> TypeGuard[HasHistory]:
    return "has_history" in target.kind.capabilities


def records_releases(target: Target) -> TypeGuard[RecordsReleases]:
    return "records_releases" in target.kind.capabilities


def records_published(target: Target) -> TypeGuard[RecordsPublished]:
    return "records_published" in target.kind.capabilities


def returns(target: Target) -> TypeGuard[Returns]:
    return "returns" in target.kind.capabilities


def pushes_again(target: Target) -> TypeGuard[PushesAgain]:
    return "pushes_again" in target.kind.capabilities


def tells_past_images(target: Target) -> TypeGuard[TellsPastImages]:
    return "tells_past_images" in target.kind.capabilities


def tells_images(target: Target) -> TypeGuard[TellsImages]:
    return "tells_images" in target.kind.capabilities
