"""Docker hosts as a target."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import NamedTuple

from shipit.config.process_environment import ProcessEnvironment
from shipit.config.project import Project
from shipit.errors import ConfigErrors, ShipitError
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
from shipit.targets.docker import KIND
from shipit.targets.docker.apply import apply_step, host_of
from shipit.targets.docker.config import DockerConfig, problems_of
from shipit.targets.docker.describe import describe, rendered_parts, urls_of
from shipit.targets.docker.expire import expire
from shipit.targets.docker.failed_step import explained
from shipit.targets.docker.history import containers_of, missing, past_of, plan_rollback
from shipit.targets.docker.judge import judge_names, judge_release
from shipit.targets.docker.observed import DockerObserved
from shipit.targets.docker.operations import Operations
from shipit.targets.docker.plan import notes_on, plan_docker
from shipit.targets.docker.plan_back import Record, names_in, plan_back
from shipit.targets.docker.probe import probe
from shipit.targets.docker.reach import Aim, aim_at_names, aim_at_release, check_reached, forget_replaced
from shipit.targets.docker.send import measure
from shipit.targets.docker.setting import Setting
from shipit.targets.docker.waves import waves_of
from shipit.targets.engine.prune import remove_stock
from shipit.targets.engine.prune_step import PruneEngine
from shipit.targets.engine.records import cannot_return, find_record, read_records, write_record
from shipit.targets.session import Session

# How long a container without a health check has to run before the old one is stopped; at most as long as `settle`.
_STEADY_S = 1.0
# The time limit for reading what the hosts run when a step has failed.
_LOOK_S = 15.0


def create(name: str, config: DockerConfig, project: Project, environment: ProcessEnvironment) -> DockerTarget:
    """Raises: ConfigErrors for what this kind can't do with the file."""
    target = DockerTarget(name, config, project, environment)
    problems = [
        project.problem(("targets", name, "services", service, *keys), what, hint)
        for service, own in config.services.items()
        for keys, what, hint in problems_of(own, target.hosts.names, project.secrets_for(name))
    ]
    if problems:
        raise ConfigErrors(problems)
    return target


class DockerRecalled(NamedTuple):
    """An earlier release, whose containers the hosts have kept."""

    record: Record

    @property
    def aim(self) -> Aim:
        return aim_at_names(names_in(self.record), f"the release {self.record.past.version}")


class DockerTarget(Operations):
    """The services of one target, on one or several hosts."""

    kind = KIND

    def images(self) -> Sequence[ImageUse]:
        return self.services.uses()

    def plan(self, release: Release, observed: DockerObserved) -> tuple[Step, ...]:
        check_reached(observed)
        images = {image.pinned: image for image in release.images}
        wanted, command = self.services.wanted(release), self.services.command(release)
        return plan_docker(self.owner, wanted, observed, images, command, self.services.proxy())

    def preview(
        self, release: Release, observed: DockerObserved, session: Session, *, is_deploy: bool
    ) -> DockerObserved:
        """Measures what the hosts lack of images that are sent to them."""
        return measure(self.hosts, self.owner, release, observed, session)

    def waves(self, steps: Sequence[Step]) -> Sequence[Sequence[Step]]:
        """The hosts get their images side by side. Services are replaced on the first host, then on the others."""
        return waves_of(steps, self.hosts.names[0], self.project.max_parallel)

    def notes(self, release: Release, observed: DockerObserved) -> Sequence[str]:
        return tuple(notes_on(self.owner, self.services.wanted(release), observed))

    def render(self, release: Release, observed: DockerObserved) -> Rendered:
        parts = rendered_parts(self.owner, self.services.wanted(release), self._secrets, self.project.env)
        return Rendered(self.name, self.place, "requests", parts)

    def apply(self, step: Step, session: Session) -> Iterator[Event]:
        if isinstance(step, PruneEngine):
            client = self.hosts.client(step.host, session)
            yield from remove_stock(step, client, self.stock(session)[step.host], client.drop, self.name)
            return
        connect = partial(self.hosts.client, host_of(step, self.name), session)
        steady_s = min(_STEADY_S, self.config.settle)
        setting = Setting(
            self.name, self.owner, session, self._secrets, self.config.pending, steady_s, self.config.restarts_allowed
        )
        with explained(self.name, connect, partial(self._host_lines, session)):
            yield from apply_step(step, connect(), setting)
        forget_replaced(step, self._sights(session))

    def judge(self, release: Release, observed: DockerObserved, seen: Seen) -> Verdict:
        aim = aim_at_release(self.services.wanted(release))
        return self._judge_reached(observed, seen, aim) or judge_release(
            self.services.wanted(release), observed, seen, self._limits, self._way
        )

    def probe(self, observed: DockerObserved, session: Session, *, has_changed: bool) -> DockerObserved:
        """Asks every container of a service with a health path."""
        found = {}
        for host, facts in observed.hosts.items():
            engine = self.hosts.client(host, session).engine
            for one in facts.containers:
                if one.is_running and (health := self.services.health(one.service)):
                    found[one.id] = probe(engine, health, one.address, session)
        return observed._replace(probes=found)

    def plan_rollback(
        self, release: Release, before: DockerObserved, now: DockerObserved, applied: Mapping[str, Facts]
    ) -> tuple[Step, ...]:
        return plan_rollback(self.owner, self.services.wanted(release), before, now, self._way)

    def judge_rollback(self, release: Release, before: DockerObserved, observed: DockerObserved, seen: Seen) -> Verdict:
        names = before.running_names()
        if not any(names.values()):
            return Verdict(State.FAILED, "nothing ran before")
        lost = self._judge_reached(observed, seen, aim_at_names(names, "what ran before"))
        return lost or judge_names(names, observed, seen, self._limits, self._way)

    def past_releases(self, most: int, session: Session, *, tells_current: bool = True) -> Sequence[PastRelease]:
        records = read_records(self._first(session), self.owner, Record, session.warner(self.name))
        observed = self.observe(session) if records else DockerObserved()
        return past_of(records[:most], observed, tells_current=tells_current)

    def record_release(self, past: PastRelease, release: Release, observed: DockerObserved, session: Session) -> None:
        client = self._first(session)
        if past.is_return:
            earlier = self._find(past.returns_to, session)
            past, containers = past._replace(images=earlier.past.images), earlier.containers
        else:
            containers = containers_of(self.owner, self.services.wanted(release), observed)
        write_record(client, self.owner, Record(past, containers))
        if past.state == "healthy":
            expire(self.hosts, self.owner, self.config.keep, session)

    def recall(self, past: PastRelease, session: Session) -> DockerRecalled:
        record = self._find(past.version, session)
        if why := missing(record, self.observe(session)):
            raise cannot_return(why, self.place.identity)
        return DockerRecalled(record)

    def _find(self, version: str, session: Session) -> Record:
        return find_record(self._first(session), self.owner, Record, version, self.place.identity)

    def plan_return(self, recalled: DockerRecalled, observed: DockerObserved) -> tuple[Step, ...]:
        check_reached(observed)
        return plan_back(recalled.record.containers, observed, self._way)

    def return_notes(self, recalled: DockerRecalled, observed: DockerObserved) -> Sequence[str]:
        return ("volumes keep their contents",) if any(one.mounts for one in self.services.configs.values()) else ()

    def judge_return(self, recalled: DockerRecalled, observed: DockerObserved, seen: Seen) -> Verdict:
        names = names_in(recalled.record)
        lost = self._judge_reached(observed, seen, recalled.aim)
        return lost or judge_names(names, observed, seen, self._limits, self._way)

    def urls(self, observed: DockerObserved) -> Sequence[str]:
        return tuple(urls_of(self.services, observed))

    def describe(self, observed: DockerObserved) -> Status:
        return describe(self.name, self.place, observed, tuple(self.urls(observed)))

    def diagnose(self, verdict: Verdict, session: Session) -> Verdict:
        """Adds the last lines of the container that failed, and what each of several hosts runs."""
        detail: list[str] = []
        # The address of a host may have a space: `context NAME`.
        host, _, container = verdict.subject.rpartition(" ")
        with suppress(ShipitError):
            detail += self.hosts.client(host, session).last_lines(container) if host else ()
        with suppress(ShipitError):
            detail += (line for line in self._host_lines(session) if line not in verdict.reason)
        return verdict._replace(detail=(*verdict.detail, *detail))

    def _host_lines(self, session: Session) -> Sequence[str]:
        """The release that each of several hosts runs now, beside the one that it should run. Raises: RemoteError."""
        recalled = session.recalled
        aim = aim_at_release(self.services.wanted(session.release)) if session.release else None
        aim = recalled.aim if isinstance(recalled, DockerRecalled) else aim
        if aim is None or len(self.hosts.names) == 1:
            return ()
        look = replace(session, deadline_s=session.clock.now() + _LOOK_S, is_planning=False)
        rolls_back = self.config.on_failure == "rollback" or self.project.rolls_back_all
        return [f"when it failed: {line}" if rolls_back else line for line in aim.lines(self.observe(look))]
