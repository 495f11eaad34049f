"""What applying any step of an app needs: the client, the check before a write, and following the release it makes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from shipit.errors import DeployFailed, RemoteError
from shipit.events import Event
from shipit.targets.heroku.client import HerokuClient
from shipit.targets.heroku.descriptions import changes_images, describe_release, has_released
from shipit.targets.heroku.follow import LISTED_S, Follower
from shipit.targets.heroku.observed import RELEASE, ReleaseFacts
from shipit.targets.heroku.reading import AppAnswers, read_app
from shipit.targets.heroku.retry import retry_read
from shipit.targets.heroku.steps import AppStep, ReleasingStep, RestoreConfig, RollBack
from shipit.targets.session import Session


@dataclass(frozen=True)
class Changes:
    """Changes the app of the target `name`. `client` sends each request once; retries are made here, until the deadline."""

    name: str
    client: HerokuClient
    session: Session
    release_timeout_s: float

    @property
    def follower(self) -> Follower:
        return Follower(self.name, self.client, self.release_timeout_s)

    def within(self, session: Session) -> Changes:
        """The same with the deadline of another session."""
        return replace(self, client=replace(self.client, deadline=session.deadline), session=session)

    def read(self, step: AppStep, *names: str) -> AppAnswers:
        """The app as it is now. Raises: RemoteError when the name is another app's now, DeployFailed when somebody else
        released images since the plan was made."""
        now = retry_read(self.client, lambda: read_app(self.client, *names))
        if now.app.id != step.app:
            what = f"the name {self.client.app} is another app's since the plan was made"
            raise RemoteError(what, where=self.name, hint="run it again to plan for the app that has it now")
        if isinstance(step, ReleasingStep):
            self._check_releases(now, step)
        return now

    def _check_releases(self, now: AppAnswers, step: ReleasingStep) -> None:
        for release in now.releases:
            if release.version > step.baseline and changes_images(release) and not _is_ours(release, step):
                error = DeployFailed(
                    f"someone else released {describe_release(release)} since the plan was made",
                    where=self.name,
                    hint="deploy again when they are done",
                )
                error.superseded_by = release.user or "someone else"
                raise error

    def follow_command(
        self, now: AppAnswers, matches: Callable[[ReleaseFacts], bool], *, wait_s: float = LISTED_S
    ) -> Iterator[Event]:
        """Follow the release that was just made, if the app has a release command: without one it is over already."""
        if RELEASE not in now.formation:
            return
        release = self.follower.find(newest_version(now), matches, wait_s=wait_s)
        if release:
            yield from self.follower.follow(release)


def _is_ours(release: ReleaseFacts, step: ReleasingStep) -> bool:
    if is_rollback_to(release, _rollback_version(step)):
        return True
    return any(has_released(release, name, short) for name, short in step.images.items())


def _rollback_version(step: ReleasingStep) -> int:
    match step:
        case RollBack(version=version) | RestoreConfig(rolled_back_to=version):
            return version
    return 0


def is_rollback_to(release: ReleaseFacts, version: int) -> bool:
    """Whether a release is a rollback to a version."""
    return release.description == f"Rollback to v{version}"


def newest_version(now: AppAnswers) -> int:
    return max((release.version for release in now.releases), default=0)
