"""A Docker swarm as a target."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from functools import partial
from typing import NamedTuple, Self
from urllib.parse import urlsplit

from shipit.config.process_environment import ProcessEnvironment
from shipit.config.project import Project
from shipit.errors import ShipitError
from shipit.events import Event
from shipit.past_release import PastRelease
from shipit.release import (
    Facts,
    ImageUse,
    Release,
    Rendered,
    Seen,
    State,
    Status,
    Step,
    Verdict,
)
from shipit.targets.engine.prune import remove_stock
from shipit.targets.engine.prune_step import PruneEngine
from shipit.targets.engine.records import cannot_return, find_record, read_records, write_record
from shipit.targets.session import Session
from shipit.targets.swarm.apply import apply_step
from shipit.targets.swarm.config import SwarmConfig
from shipit.targets.swarm.describe import describe, rendered_parts
from shipit.targets.swarm.history import past_of, plan_rollback, versions_of
from shipit.targets.swarm.judge import judge_before, judge_release, judge_versions
from shipit.targets.swarm.kept import expire
from shipit.targets.swarm.observed import SwarmObserved
from shipit.targets.swarm.one_off import remove_old_runs
from shipit.targets.swarm.operations import Operations
from shipit.targets.swarm.plan import check_stack, notes_on, plan_swarm
from shipit.targets.swarm.plan_back import Record, missing, plan_back
from shipit.targets.swarm.read_services import read_services
from shipit.targets.swarm.stock import await_removed, drop_kept
from shipit.targets.swarm.wanted import WantedService

# Swarm waits for the logs of a node that does not answer, without an end.
_LOG_S = 15.0


def create(name: str, config: SwarmConfig, project: Project, environment: ProcessEnvironment) -> SwarmTarget:
    """Raises: ConfigErrors for what this kind can't do with the file."""
    return SwarmTarget(name, config, project, environment, read_services(name, config, project, environment))


class SwarmRecalled(NamedTuple):
    """An earlier release, whose specs the swarm keeps."""

    record: Record


class SwarmTarget(Operations):
    """The services of one target in one swarm: plan, release, verdict, history and rollback."""

    def images(self) -> Sequence[ImageUse]:
        return self.services.uses()

    def plan(self, release: Release, observed: SwarmObserved) -> tuple[Step, ...]:
        wanted = self._wanted(release, observed)
        if self._stack:
            check_stack(self.name, self._stack, wanted, observed)
        return plan_swarm(wanted, observed, self.services.command(release), self._stack)

    def taking_over(self) -> Self:
        found = copy(self)
        found.config = self.config.model_copy(update={"take_over": True})
        return found

    def notes(self, release: Release, observed: SwarmObserved) -> Sequence[str]:
        notes = tuple(notes_on(self.owner, self._wanted(release, observed), observed, self._stack))
        unused = f"{self.config.file}: {', '.join(self.services.unused)} have no effect in a swarm"
        return (*notes, unused) if self.services.unused else notes

    def _wanted(self, release: Release, observed: SwarmObserved) -> dict[str, WantedService]:
        return self.services.wanted(release, observed.given)

    def render(self, release: Release, observed: SwarmObserved) -> Rendered:
        parts = rendered_parts(self.owner, self._wanted(release, observed), self._secrets, self.project.env)
        return Rendered(self.name, self.place, "requests", parts)

    def apply(self, step: Step, session: Session) -> Iterator[Event]:
        if isinstance(step, PruneEngine):
            client = self._client(session)
            await_removed(client, self.owner, session)
            drop = partial(drop_kept, client=client, owner=self.owner)
            yield from remove_stock(step, client, self.stock(session)[client.host], drop, self.name)
            return
        yield from apply_step(step, self._setting(session))

    def judge(self, release: Release, observed: SwarmObserved, seen: Seen) -> Verdict:
        return judge_release(self._wanted(release, observed), observed, seen, self._limits)

    def plan_rollback(
        self, release: Release, before: SwarmObserved, now: SwarmObserved, applied: Mapping[str, Facts]
    ) -> tuple[Step, ...]:
        return plan_rollback(self._wanted(release, now), before, now, applied)

    def judge_rollback(self, release: Release, before: SwarmObserved, observed: SwarmObserved, seen: Seen) -> Verdict:
        if not before.services:
            return Verdict(State.FAILED, "nothing ran before")
        return judge_before(before, observed, seen, self._limits)

    def past_releases(self, most: int, session: Session, *, tells_current: bool = True) -> Sequence[PastRelease]:
        records = read_records(self._client(session), self.owner, Record, session.warner(self.name))
        observed = self.observe(session) if records else SwarmObserved()
        return past_of(records[:most], observed, tells_current=tells_current)

    def record_release(self, past: PastRelease, release: Release, observed: SwarmObserved, session: Session) -> None:
        client = self._client(session)
        now = self._reader(client, session).observe()
        if past.is_return:
            earlier = self._find(past.returns_to, session)
            past, services = past._replace(images=earlier.past.images), dict(earlier.services)
        else:
            services = versions_of(self._wanted(release, now), now)
        write_record(client, self.owner, Record(past, services))
        if past.state == "healthy":
            expire(client, self.owner, self.config.keep, now)
            remove_old_runs(client, self.owner, session.clock.wall_s())

    def recall(self, past: PastRelease, session: Session) -> SwarmRecalled:
        record = self._find(past.version, session)
        if why := missing(record, self.observe(session)):
            raise cannot_return(why, self.place.identity)
        return SwarmRecalled(record)

    def _find(self, version: str, session: Session) -> Record:
        return find_record(self._client(session), self.owner, Record, version, self.place.identity)

    def plan_return(self, recalled: SwarmRecalled, observed: SwarmObserved) -> tuple[Step, ...]:
        return plan_back(recalled.record.services, observed)

    def return_notes(self, recalled: SwarmRecalled, observed: SwarmObserved) -> Sequence[str]:
        return ("volumes keep their contents",) if self.services.has_volumes else ()

    def judge_return(self, recalled: SwarmRecalled, observed: SwarmObserved, seen: Seen) -> Verdict:
        return judge_versions(recalled.record.services, observed, seen, self._limits)

    def urls(self, observed: SwarmObserved) -> Sequence[str]:
        host = urlsplit(self.hosts.names[0]).hostname or "localhost"
        return tuple(self.services.urls(observed.services, host))

    def describe(self, observed: SwarmObserved) -> Status:
        return describe(self.name, self.place, observed, tuple(self.urls(observed)))

    def diagnose(self, verdict: Verdict, session: Session) -> Verdict:
        """Adds the last lines of the task that failed."""
        if not verdict.subject:
            return verdict
        try:
            lines = self._client(session).within(_LOG_S).task_lines(verdict.subject)
        except ShipitError:
            return verdict
        return verdict._replace(detail=(*verdict.detail, *lines))
