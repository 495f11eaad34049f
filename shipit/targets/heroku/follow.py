"""Follows a release from when it is made to its end, and emits the output of its command."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from shipit.clock import Deadline
from shipit.errors import DeadlinePassed, DeployFailed, RemoteError
from shipit.events import Event, Log, Warned
from shipit.targets.heroku.client import HerokuClient
from shipit.targets.heroku.judge import STATUSES
from shipit.targets.heroku.observed import RELEASE, ReleaseFacts
from shipit.targets.heroku.retry import retry_read
from shipit.targets.heroku.streams import ReleaseOutput, recent_logs

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 3.0
# How long a new release may be missing from the list.
LISTED_S = 15.0
Matches = Callable[[ReleaseFacts], bool]


class ReleaseFailed(DeployFailed):
    """A release that ended and did not succeed."""


@dataclass(frozen=True)
class Follower:
    """Follows releases of one app for the target `name`; a release command may take `timeout_s`."""

    name: str
    client: HerokuClient
    timeout_s: float

    def find(self, base: int, matches: Matches, *, wait_s: float = LISTED_S) -> ReleaseFacts | None:
        """The newest matching release after a version, waited for until it is listed; else the first release after it."""
        deadline = self.client.deadline.within(wait_s)
        while True:
            new = [release for release in retry_read(self.client, self.client.releases) if release.version > base]
            if found := next((release for release in new if matches(release)), None):
                return found
            if not deadline.remaining_s():
                return new[-1] if new else None
            deadline.clock.sleep(min(FIRST_PAUSE_S, deadline.remaining_s()))

    def follow(self, release: ReleaseFacts) -> Iterator[Event]:
        """Raises: ReleaseFailed when it failed, with its last lines; DeployFailed when it is pending for too long."""
        output = ReleaseOutput(self.client.wire, release.output_url)
        if output.is_refused:
            yield Warned(self.name, "the output of the release is not shown: its URL should be a public https URL")
        deadline, pause = self.client.deadline.within(self.timeout_s), FIRST_PAUSE_S
        while True:
            has_ended = release.status != "pending"
            yield from (Log(self.name, RELEASE, line) for line in output.more(deadline))
            if has_ended:
                break
            try:
                deadline.sleep(pause, f"release v{release.version}")
                release = retry_read(self.client, lambda id=release.id: self.client.release(id))  # type: ignore[misc]
            except DeadlinePassed:
                raise self._late(release, output, deadline) from None
            pause = min(LONGEST_PAUSE_S, pause * 1.3)
        yield from (Log(self.name, RELEASE, line) for line in output.lines.end())
        self._check(release, output)

    def _late(self, release: ReleaseFacts, output: ReleaseOutput, deadline: Deadline) -> DeployFailed:
        own = deadline.at_s < self.client.deadline.at_s
        when = f"after {self.timeout_s:g} s, the timeout of release:" if own else "at the deadline"
        return DeployFailed(
            f"release v{release.version} was still pending {when}, and goes on",
            where=self.name,
            detail=list(output.lines.tail),
            hint=f"heroku releases --app {self.client.app}",
        )

    def _check(self, release: ReleaseFacts, output: ReleaseOutput) -> None:
        if release.status == "succeeded":
            return
        if release.status not in STATUSES:
            what = f"the status of v{release.version} should be one of {', '.join(STATUSES)}, not {release.status!r}"
            raise RemoteError(what, where=f"GET {self.client.wire.base}/apps/{self.client.app}/releases/{release.id}")
        raise ReleaseFailed(
            f"release v{release.version} {release.status}",
            where=self.name,
            detail=list(output.lines.tail) or recent_logs(self.client),
            hint="fix the release command and deploy again",
        )
