"""A Compose project as a target."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

from shipit.config.process_environment import ProcessEnvironment
from shipit.config.project import Project
from shipit.errors import RemoteError, ShipitError
from shipit.events import Event, LogLine
from shipit.past_release import PastRelease
from shipit.release import (
    Destruction,
    Facts,
    Finding,
    ImageUse,
    Leftover,
    Place,
    Release,
    Rendered,
    RenderedPart,
    Seen,
    State,
    Status,
    Step,
    Verdict,
)
from shipit.targets.compose import KIND, verbs
from shipit.targets.compose.apply import apply_step
from shipit.targets.compose.config import ComposeConfig
from shipit.targets.compose.content import wanted_of
from shipit.targets.compose.describe import describe, urls_of
from shipit.targets.compose.destroy import Inventory, leftovers, plan_destroy
from shipit.targets.compose.file import ComposeFile
from shipit.targets.compose.history import (
    ComposeRecalled,
    Record,
    expire,
    past_releases,
    recalled,
)
from shipit.targets.compose.judge import Limits, judge_project
from shipit.targets.compose.look import observe, project_filters
from shipit.targets.compose.observed import ComposeObserved, Wanted
from shipit.targets.compose.parse import SERVICE
from shipit.targets.compose.plan import notes_on, plan_compose
from shipit.targets.compose.program import ComposeProgram
from shipit.targets.compose.reading import ComposeSource
from shipit.targets.compose.render import hidden_file, render_file
from shipit.targets.compose.rollout import check_rollouts, rollout_notes
from shipit.targets.compose.setting import Setting
from shipit.targets.compose.steps import RollService
from shipit.targets.compose.stock import images_after, read_stock
from shipit.targets.compose.stopping import judge_start, judge_stop, plan_start, plan_stop
from shipit.targets.engine.client import HostClient
from shipit.targets.engine.connection import Hosts, engine_addresses
from shipit.targets.engine.exec import execute
from shipit.targets.engine.lock import read_lock, swap_lock
from shipit.targets.engine.log import ServiceLog
from shipit.targets.engine.one_off import check_no_size, run_once, start_once
from shipit.targets.engine.owner import IMAGES, RECORD, Owner
from shipit.targets.engine.ports import ContainerPorts
from shipit.targets.engine.prune import own_repositories, remove_stock
from shipit.targets.engine.prune_step import PruneEngine
from shipit.targets.engine.records import find_record, read_records, write_record
from shipit.targets.engine.running import RunningContainer, find_running
from shipit.targets.engine.stock import Stocks, plan_prune, prune_notes
from shipit.targets.locks import Holder, LockState
from shipit.targets.orders import RestartOrder, ScaleOrder, StopOrder
from shipit.targets.remote import Command, Remote, Started
from shipit.targets.session import Session
from shipit.targets.verbs import LogQuery

# A container without a healthcheck counts as ready when it has run for this long.
_STEADY_S = 2.0


def create(name: str, config: ComposeConfig, project: Project, environment: ProcessEnvironment) -> ComposeTarget:
    return ComposeTarget(name, config, project, environment)


class ComposeTarget:
    """The services of a compose file on one engine."""

    kind = KIND

    def __init__(self, name: str, config: ComposeConfig, project: Project, environment: ProcessEnvironment) -> None:
        self.name = name
        self.config = config
        self.project = project
        self.owner = Owner(project.app, project.environment, name)
        self.compose_project = config.project or self.owner.prefix
        addresses = engine_addresses((config.host,) if config.host else (), environment)
        self.hosts = Hosts(addresses)
        [self.host] = self.hosts.names
        self.place = Place("compose", f"{self.compose_project} on {self.host}")
        self.source = ComposeSource(
            name, config, project, environment, self.owner, self.compose_project, addresses[self.host]
        )
        self._file: ComposeFile | None = None

    def images(self) -> Sequence[ImageUse]:
        file = self._plain_file()
        check_rollouts(self.name, self.config.services, self.config.rollouts, file.services)
        uses = self.source.uses(file).values()
        return tuple(sorted(set(uses), key=lambda use: use.image))

    def observe(self, session: Session) -> ComposeObserved:
        content = self.source.rendered(session, session.release) if session.release else None
        client = self._client(session)
        return observe(client, self.compose_project, self.owner, self._secrets, content, session)

    def preview(
        self, release: Release, observed: ComposeObserved, session: Session, *, is_deploy: bool
    ) -> ComposeObserved:
        """The rendered file of the release, with the hashes that Compose gives its services."""
        wanted = wanted_of(self.source.rendered(session, release), session.mark)
        return observed._replace(wanted=wanted, unset=self.source.unset(session))

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
        records = read_records(self._client(session), self.owner, Record)
        observed = self._observe_kept(session) if records else ComposeObserved()
        return tuple(past_releases(records, observed, tells_current=tells_current))[:most]

    def record_release(self, past: PastRelease, release: Release, observed: ComposeObserved, session: Session) -> None:
        client = self._client(session)
        if past.returns_to and not release.images and not observed.wanted:
            earlier = self._find(past.returns_to, session)
            past, file = past._replace(images=earlier.past.images), earlier.file
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

    def lock_name(self) -> str:
        return f"volume {self.owner.prefix}-lock-{self.owner.target} on {self.host}"

    def read_lock(self, session: Session) -> LockState:
        return read_lock(self._client(session), self.owner)

    def swap_lock(self, before: LockState, holder: Holder | None, session: Session) -> LockState | None:
        return swap_lock(self._client(session), self.owner, before, holder, session.clock.wall_s())

    def workloads(self) -> Sequence[str]:
        return tuple(self._plain_file().services)

    def declared_scale(self) -> Mapping[str, int | None]:
        return {name: service.quantity for name, service in self._plain_file().services.items()}

    def plan_scale(self, order: ScaleOrder, observed: ComposeObserved) -> tuple[Step, ...]:
        return verbs.plan_scale(order, observed)

    def judge_scale(self, order: ScaleOrder, observed: ComposeObserved, seen: Seen) -> Verdict:
        return verbs.judge_scale(order, observed, seen, self._limits)

    def plan_restart(self, order: RestartOrder, observed: ComposeObserved) -> tuple[Step, ...]:
        return verbs.plan_restart(order, observed)

    def judge_restart(self, order: RestartOrder, observed: ComposeObserved, seen: Seen) -> Verdict:
        return verbs.judge_restart(order, observed, seen, self._limits)

    def plan_stop(self, order: StopOrder, observed: ComposeObserved) -> tuple[Step, ...]:
        return plan_stop(order, observed)

    def judge_stop(self, order: StopOrder, observed: ComposeObserved, seen: Seen) -> Verdict:
        return judge_stop(order, observed)

    def plan_start(self, order: StopOrder, observed: ComposeObserved) -> tuple[Step, ...]:
        return plan_start(order, observed)

    def judge_start(self, order: StopOrder, observed: ComposeObserved, seen: Seen) -> Verdict:
        return judge_start(order, observed, seen, self._limits)

    def logs(self, workload: str, wanted: LogQuery, session: Session) -> Iterator[LogLine]:
        return ServiceLog(self.name, workload, self.hosts, self.owner, session, SERVICE).lines(wanted)

    def execute(self, workload: str, command: Command, session: Session) -> Remote:
        return execute(self._running(workload, session), command)

    def run_once(self, workload: str, command: Command, session: Session, size: str) -> Remote:
        check_no_size(self.name, size)
        return run_once(self._running(workload, session), self.owner, workload, command)

    def start_once(self, workload: str, command: Command, session: Session, size: str) -> Started:
        check_no_size(self.name, size)
        return start_once(self._running(workload, session), self.owner, workload, command)

    def ports(self, workload: str, session: Session) -> ContainerPorts:
        return ContainerPorts(self.hosts, self.owner, workload, session, SERVICE)

    def _running(self, workload: str, session: Session) -> RunningContainer:
        return find_running(self.hosts, self.owner, workload, session, SERVICE)

    def inventory(self, session: Session) -> Inventory:
        client = self._client(session)
        filters = project_filters(self.compose_project)
        volumes = tuple(sorted(volume.name for volume in client.list_labelled(filters)))
        observed = self._observe_kept(session)
        records = sum(RECORD in one.labels or IMAGES in one.labels for one in client.list_labelled(self.owner.filters))
        images = images_after(client, self.compose_project, self.owner, own_repositories(self.project))
        return Inventory(observed, client.network_names(filters), volumes, records, images)

    def plan_destroy(self, inventory: Inventory, wanted: Destruction) -> tuple[Step, ...]:
        return plan_destroy(inventory, wanted)

    def leftovers(self, inventory: Inventory, wanted: Destruction) -> Sequence[Leftover]:
        return tuple(leftovers(inventory, wanted))

    def stock(self, session: Session) -> Stocks:
        client, observed, now_s = self._client(session), self._observe_kept(session), session.clock.wall_s()
        repositories = own_repositories(self.project)
        return read_stock(client, self.compose_project, self.owner, repositories, self.config.keep, observed, now_s)

    def plan_prune(self, stock: Stocks) -> tuple[Step, ...]:
        return plan_prune(stock)

    def prune_notes(self, stock: Stocks) -> Sequence[str]:
        return prune_notes(stock)

    def images_in_use(self, observed: ComposeObserved) -> Collection[str]:
        """Those of kept files, too: a rollback starts them."""
        kept = (image for file in observed.files for image in file.images.values())
        return frozenset([*(one.image for one in observed.containers if one.image), *kept])

    def examine(self, session: Session) -> Sequence[Finding]:
        """The engine, Compose, and whether the compose file can be read."""
        info = self._client(session).info()
        what = f"{self.host} answers: {self._client(session).product} {info['ServerVersion'].text()}, {info['OperatingSystem'].text()}"
        services = ", ".join(self._plain_file().services)
        return (
            Finding("ok", "", what),
            Finding("ok", "", f"docker compose reads the compose file: {services}"),
            Finding("ok", "", f"the lock and the history are volumes on {self.host}"),
        )

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

    def _observe_kept(self, session: Session) -> ComposeObserved:
        """The project without what deploy.yml and the compose file want there."""
        return observe(self._client(session), self.compose_project, self.owner, self._secrets, None, session)

    def _plain_file(self) -> ComposeFile:
        """Read once: it does not change while a command runs."""
        if self._file is None:
            self._file = self.source.plainly()
        return self._file

    def _client(self, session: Session) -> HostClient:
        return self.hosts.client(self.host, session)

    @property
    def _limits(self) -> Limits:
        return Limits(self.config.pending, self.config.restarts_allowed)

    @property
    def _secrets(self) -> frozenset[str]:
        return frozenset(self.project.secrets_for(self.name))


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
