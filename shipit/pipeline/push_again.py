"""Returning to a release whose images its place has lost: from the repositories of deploy.yml."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from shipit.config.overlay import environment_option
from shipit.digest import Digest, parse_digest
from shipit.errors import Interrupted, ShipitError, UsageError
from shipit.past_release import PastRelease
from shipit.past_run import PastRun
from shipit.pipeline.releases import read_own_runs
from shipit.reference import parse_reference
from shipit.release import PublishedImage, Repository
from shipit.targets.base import Target
from shipit.targets.history import PushesAgain, Returns, pushes_again

if TYPE_CHECKING:
    from shipit.pipeline.run import Run


def recall_past(run: Run, target: Returns, past: PastRelease) -> Any:
    """Everything that is needed to return to a release, with images from other registries where its place has lost them.

    Raises: UsageError with what was looked at; ShipitError.
    """
    if past.gone and pushes_again(target):
        return _recall_again(run, target, past)
    return target.recall(past, run.session(target, is_planning=False))


def _recall_again(run: Run, target: PushesAgain, past: PastRelease) -> Any:
    made = _run_of(run, past)
    unread: list[str] = []
    repositories = _repositories(run, target, made, unread)
    try:
        return target.recall_from(past, repositories, run.session(target, is_planning=False))
    except Interrupted:
        raise
    except ShipitError as error:
        what = f"{target.name} can't return to {past.version}: {past.gone}; {error}"
        hint = error.hint or _deploy_again(run, target, past, made)
        raise UsageError(what, hint=hint, detail=unread) from None


def _repositories(run: Run, target: Target, made: PastRun | None, unread: list[str]) -> list[Repository]:
    """What the repositories of the images of a target hold; `unread` gets the reasons why some can't be read."""
    from shipit.delivery.stored_images import read_repository

    found = []
    for name in dict.fromkeys(use.image for use in target.images()):
        config = run.project.images.get(name)
        if config is None or config.repository is None:
            continue
        try:
            also = _digests(_known(made), config.repository)
            found.append(read_repository(run.delivery, name, config.repository, also))
        except Interrupted:
            raise
        except ShipitError as error:
            unread.append(f"{config.repository} can't be read: {error}")
    return found


def _run_of(run: Run, past: PastRelease) -> PastRun | None:
    return next((made for made in read_own_runs(run) if past.run and made.run == past.run), None)


def _known(made: PastRun | None) -> tuple[PublishedImage, ...]:
    """The images that the run pushed to any of its targets."""
    return tuple(image for own in (made.targets if made else ()) for image in own.images)


def _digests(images: Iterable[PublishedImage], repository: str) -> Sequence[Digest]:
    """The digests of images in a repository."""
    refs = (parse_reference(image.reference) for image in images if not parse_digest(image.reference))
    name = parse_reference(repository).name
    return [ref.digest for ref in refs if ref.name == name and ref.digest]


def _deploy_again(run: Run, target: Target, past: PastRelease, made: PastRun | None) -> str:
    """The command that brings the code of the release back, with the settings of now."""
    command = f"shipit deploy {target.name}{environment_option(run.project.environment)}"
    commit = past.commit or (made.commit if made else "")
    if commit:
        return f"build it again: git checkout {commit[:12]} && {command}"
    return f"build it again: check out the commit of then, and run {command}"
