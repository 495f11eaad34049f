"""A Compose project as a target."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from shipit.config.process_environment import ProcessEnvironment
from shipit.config.project import Project
from shipit.errors import RemoteError, ShipitError
from shipit.events import Event
from shipit.past_release import PastRelease
from shipit.release import (
    Facts,
    ImageUse,
    Release,
    Rendered,
    RenderedPart,
    Seen,
    State,
    Status,
    Step,
    Verdict,
)
from shipit.targets.compose.apply import apply_step
from shipit.targets.compose.config import ComposeConfig
from shipit.targets.compose.content import wanted_of
from shipit.targets.compose.describe import describe, urls_of
from shipit.targets.compose.history import (
    ComposeRecalled,
    Record,
    expire,
    past_releases,
    recalled,
)
from shipit.targets.compose.judge import judge_project
from shipit.targets.compose.observed import ComposeObserved, Wanted
from shipit.targets.compose.operations import Operations
from shipit.targets.compose.plan import notes_on, plan_compose
from shipit.targets.compose.program import ComposeProgram
from shipit.targets.compose.render import hidden_file, render_file
from shipit.targets.compose.rollout import check_rollouts, rollout_notes
from shipit.targets.compose.setting import Setting
from shipit.targets.compose.steps import RollService
from shipit.targets.engine.prune import remove_stock
from shipit.targets.engine.prune_step import PruneEngine
from shipit.targets.engine.records import find_record, read_records, write_record
from shipit.targets.session import Session

# A container without a healthcheck counts as ready when it has run for this long.
_STEADY_S = 2.0


def create(name: str, config: ComposeConfig, project: Project, environment: ProcessEnvironment) -> ComposeTarget:
    return ComposeTarget(name, config, project, environment)


class ComposeTarget(Operations):
    """The services of a compose file on one engine: plan, release, verdict, history and rollback."""

    def images(self) -> Sequence[ImageUse]:
        file = self._plain_file()
        check_rollouts(self.name, self.config.services, self.config.rollouts, file.services)
        uses = self.source.uses(file).values()
        return tuple(sorted(set(uses), key=lambda use: use.image))

    def preview(
        self, release: Release, observed: ComposeObserved, session: Session, *, is_deploy: bool
    ) -> ComposeObserved:
        """The rendered file of the release, with the hashes that Compose gives its services."""
        wanted = wanted_of(self.source.rendered(session, release), session.mark)
        return observed._replace(wanted=wanted, unset=self.source.unset(session), merged=self.source.merged)

    def plan(self, release: Release, observed: ComposeObserved) -> tuple[Step, ...]:
        sent = {self.source.image_name(image): image.pinned for image in release.images if not image.repository}
        return self._plan(_wanted(observed), observed, sent)

    def notes(self, release: Release, observed: ComposeObserved) -> Sequence[str]:
        wanted = _wanted(observed)
        changed = frozenset(step.service for step in self.plan(release, observed) if isinstance(step, RollService))
        return (
            *notes_on(self.compose_project, wanted, observed),
            *rollout_notes(changed, wanted, observed),
        )

    def render(self, release: Release, observed: ComposeObserved) -> Rendered:
        file = self._plain_file()
        images = {
            service: self.source.image_name(release.image(use)) for service, use in self.source.uses(file).items()
        }
        body = hidden_file(render_file(self.owner, file, images))
        part = RenderedPart(f"docker compose -p {self.compose_project} up", body, tuple(sorted(self._secrets)))
        return Rendered(self.name, self.place, "requests", (part,))

    def apply(self, step: Step, session: Session) -> Iterator[Event]:
        if isinstance(step, PruneEngine):
            client = self._client(session)
            yield from remove_stock(step, client, self.stock(session)[self.host], client.drop, self.name)
            return

        def program(variables: Mapping[str, str]) -> ComposeProgram:
            return self.source.program(session, variables)

        setting = Setting(
            self.name,
            self.compose_project,
            self.owner,
            session,
            self._secrets,
            lambda images, platforms: self.source.rendered_again(session, images, platforms),
            program,
            self._limits,
            min(_STEADY_S, self.config.settle),
        )
        yield from apply_step(step, self._client(session), setting)

    def judge(self, release: Release, observed: ComposeObserved, seen: Seen) -> Verdict:
        return judge_project(observed.wanted, observed, seen, self._limits)

    def plan_rollback(
        self, release: Release, before: ComposeObserved, now: ComposeObserved, applied: Mapping[str, Facts]
    ) -> tuple[Step, ...]:
        if before.current is None or _is_changed_by_others(before, now):
            return ()
        return self._plan(before.current, now, {}, is_back=True)

    def judge_rollback(
        self, release: Release, before: ComposeObserved, observed: ComposeObserved, seen: Seen
    ) -> Verdict:
        if before.current is None:
            what = "nothing ran before" if not before.containers else "the compose file of what ran before is not known"
            return Verdict(State.FAILED, what)
        return judge_project(before.current, observed, seen, self._limits)

    def past_releases(self, most: int, session: Session, *, tells_current: bool = True) -> Sequence[PastRelease]:
        records = read_records(self._client(session), self.owner, Record, session.warner(self.name))
        observed = self._observe_kept(session) if records else ComposeObserved()
        return tuple(past_releases(records, observed, tells_current=tells_current))[:most]

    def record_release(self, past: PastRelease, release: Release, observed: ComposeObserved, session: Session) -> None:
        client = self._client(session)
        if past.is_return:
            earlier = self._find(past.returns_to, session)
            past = past._replace(images=earlier.past.images)
            file = _wanted(observed).file if observed.wanted else earlier.file
        else:
            file = _wanted(observed).file
        write_record(client, self.owner, Record(past, file))
        if past.state == "healthy":
            expire(client, self.owner, file, self.config.keep, session.clock.wall_s())

    def recall(self, past: PastRelease, session: Session) -> ComposeRecalled:
        record = self._find(past.version, session)
        return recalled(record, self._observe_kept(session), self.place.identity)

    def _find(self, version: str, session: Session) -> Record:
        return find_record(self._client(session), self.owner, Record, version, self.place.identity)

    def plan_return(self, recalled: ComposeRecalled, observed: ComposeObserved) -> tuple[Step, ...]:
        return self._plan(recalled.wanted, observed, {}, is_back=True)

    def return_notes(self, recalled: ComposeRecalled, observed: ComposeObserved) -> Sequence[str]:
        return ("volumes keep their contents",)

    def judge_return(self, recalled: ComposeRecalled, observed: ComposeObserved, seen: Seen) -> Verdict:
        return judge_project(recalled.wanted, observed, seen, self._limits)

    def urls(self, observed: ComposeObserved) -> Sequence[str]:
        return tuple(urls_of(self.host, observed))

    def describe(self, observed: ComposeObserved) -> Status:
        return describe(self.name, self.place, observed, tuple(self.urls(observed)))

    def diagnose(self, verdict: Verdict, session: Session) -> Verdict:
        """Adds the last lines of the container that failed."""
        if not verdict.subject:
            return verdict
        try:
            lines = self._client(session).last_lines(verdict.subject)
        except ShipitError:
            return verdict
        return verdict._replace(detail=(*verdict.detail, *lines))

    def _plan(
        self, wanted: Wanted, observed: ComposeObserved, sent: Mapping[str, str], *, is_back: bool = False
    ) -> tuple[Step, ...]:
        return plan_compose(self.compose_project, wanted, observed, sent, self.config.rollouts, is_back=is_back)


def _wanted(observed: ComposeObserved) -> Wanted:
    if observed.wanted is None:
        raise RemoteError("what should run is not known", where="compose", hint="make a new plan")
    return observed.wanted


def _is_changed_by_others(before: ComposeObserved, now: ComposeObserved) -> bool:
    """True where containers run that are neither those of before nor made by this run."""
    wanted = now.wanted.services if now.wanted else {}
    old = {one.id for one in before.containers}
    return any(
        one.is_running and one.id not in old and (one.service in wanted and not wanted[one.service].is_met_by(one))
        for one in now.containers
    )
