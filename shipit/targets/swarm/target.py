"""A Docker swarm as a target."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import partial
from typing import NamedTuple
from urllib.parse import urlsplit

from shipit.config.process_environment import ProcessEnvironment
from shipit.config.project import Project
from shipit.errors import ConfigError, ConfigErrors, DeployFailed, ShipitError
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
    Seen,
    State,
    Status,
    Step,
    Verdict,
)
from shipit.targets.engine.client import HostClient
from shipit.targets.engine.connection import Hosts, engine_addresses
from shipit.targets.engine.exec import execute
from shipit.targets.engine.lock import read_lock, swap_lock
from shipit.targets.engine.log import Instance, InstanceLog
from shipit.targets.engine.one_off import check_no_size
from shipit.targets.engine.owner import LOCK, RECORD, Owner
from shipit.targets.engine.prune import own_repositories, remove_stock
from shipit.targets.engine.prune_step import PruneEngine
from shipit.targets.engine.records import cannot_return, data_volumes, find_record, read_records, write_record
from shipit.targets.engine.stock import Stocks, plan_prune, prune_notes
from shipit.targets.locks import Holder, LockState
from shipit.targets.orders import RestartOrder, ScaleOrder, StopOrder
from shipit.targets.remote import Command, Remote, Started
from shipit.targets.session import Session
from shipit.targets.swarm import KIND, stopping, verbs
from shipit.targets.swarm.apply import apply_step
from shipit.targets.swarm.client import SwarmClient
from shipit.targets.swarm.config import SwarmConfig
from shipit.targets.swarm.contents import secret_text
from shipit.targets.swarm.create import contents_of, names_of, problems_of
from shipit.targets.swarm.describe import describe, rendered_parts
from shipit.targets.swarm.destroy import Inventory, leftovers, plan_destroy
from shipit.targets.swarm.history import past_of, plan_rollback, versions_of
from shipit.targets.swarm.judge import Limits, judge_before, judge_release, judge_versions
from shipit.targets.swarm.kept import expire
from shipit.targets.swarm.look import Reader
from shipit.targets.swarm.observed import SwarmObserved
from shipit.targets.swarm.one_off import check_no_terminal, remove_old_runs, run_once, start_once
from shipit.targets.swarm.plan import check_stack, notes_on, plan_swarm
from shipit.targets.swarm.plan_back import Record, missing, plan_back
from shipit.targets.swarm.ports import TaskPorts
from shipit.targets.swarm.running import find_running
from shipit.targets.swarm.setting import Setting
from shipit.targets.swarm.stack_file import read_stack
from shipit.targets.swarm.stack_wanted import StackServices, problems_in_stack, stack_name
from shipit.targets.swarm.stock import await_removed, drop_kept, images_after, read_stock
from shipit.targets.swarm.wanted import Services, WantedService
from shipit.targets.verbs import LogQuery


def create(name: str, config: SwarmConfig, project: Project, environment: ProcessEnvironment) -> SwarmTarget:
    """Raises: ConfigErrors for what this kind can't do with the file."""
    services, problems = (_of_stack if config.file else _of_keys)(name, config, project, environment)
    if problems:
        raise ConfigErrors(problems)
    return SwarmTarget(name, config, project, environment, services)


def _of_keys(
    name: str, config: SwarmConfig, project: Project, environment: ProcessEnvironment
) -> tuple[Services, list[ConfigError]]:
    contents, problems = contents_of(name, config, project)
    return Services(name, config, project, contents), [*problems, *problems_of(name, config, project)]


def _of_stack(
    name: str, config: SwarmConfig, project: Project, environment: ProcessEnvironment
) -> tuple[Services, list[ConfigError]]:
    """Raises: ConfigErrors."""
    stack = stack_name(Owner(project.app, project.environment, name), config)
    file = read_stack(name, config.file or "", stack, project, environment)
    try:
        services = StackServices(name, config, project, file)
    except DeployFailed as error:
        raise ConfigErrors([project.problem(("targets", name, "file"), error.what, error.hint)]) from None
    return services, [*names_of(name, services.names, project), *problems_in_stack(services)]


# Swarm waits for the logs of a node that does not answer, without an end.
_LOG_S = 15.0


def _unread(trouble: str, query: Mapping[str, str]) -> bytes:
    """In place of the log of a task: Swarm waits for a node that does not answer, without an end."""
    return f"{trouble}: the log of its tasks can't be read\n".encode()


class SwarmRecalled(NamedTuple):
    """An earlier release, whose specs the swarm keeps."""

    record: Record


class SwarmTarget:
    """The services of one target in one swarm."""

    kind = KIND

    def __init__(
        self,
        name: str,
        config: SwarmConfig,
        project: Project,
        environment: ProcessEnvironment,
        services: Services,
    ) -> None:
        self.name = name
        self.config = config
        self.project = project
        self.services = services
        self.owner = self.services.owner
        self.environment = environment
        self.hosts = Hosts(engine_addresses([config.host] if config.host else [], environment))
        self.place = Place("swarm", f"{self.owner.prefix} in the swarm of {self.hosts.names[0]}")

    def images(self) -> Sequence[ImageUse]:
        return self.services.uses()

    def observe(self, session: Session) -> SwarmObserved:
        client = self._client(session)
        if session.release is None:
            client.check_manager()
        return self._reader(client, session).observe()

    def plan(self, release: Release, observed: SwarmObserved) -> tuple[Step, ...]:
        if self.config.file:
            check_stack(stack_name(self.owner, self.config), observed)
        return plan_swarm(self._wanted(release, observed), observed, self.services.command(release))

    def notes(self, release: Release, observed: SwarmObserved) -> Sequence[str]:
        notes = tuple(notes_on(self.owner, self._wanted(release, observed), observed))
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
            await_removed(client, session)
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
        records = read_records(self._client(session), self.owner, Record)
        observed = self.observe(session) if records else SwarmObserved()
        return past_of(records[:most], observed, tells_current=tells_current)

    def record_release(self, past: PastRelease, release: Release, observed: SwarmObserved, session: Session) -> None:
        client = self._client(session)
        now = self._reader(client, session).observe()
        if past.returns_to and not release.images:
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

    def lock_name(self) -> str:
        return f"config {self.owner.prefix}-lock-{self.owner.target} in the swarm of {self.hosts.names[0]}"

    def read_lock(self, session: Session) -> LockState:
        return read_lock(self._client(session), self.owner)

    def swap_lock(self, before: LockState, holder: Holder | None, session: Session) -> LockState | None:
        return swap_lock(self._client(session), self.owner, before, holder, session.clock.wall_s())

    def workloads(self) -> Sequence[str]:
        return self.services.names

    def declared_scale(self) -> Mapping[str, int | None]:
        return self.services.declared

    def plan_scale(self, order: ScaleOrder, observed: SwarmObserved) -> tuple[Step, ...]:
        return verbs.plan_scale(order, observed)

    def judge_scale(self, order: ScaleOrder, observed: SwarmObserved, seen: Seen) -> Verdict:
        return verbs.judge_scale(order, observed, seen, self._limits)

    def plan_restart(self, order: RestartOrder, observed: SwarmObserved) -> tuple[Step, ...]:
        return verbs.plan_restart(order, observed)

    def judge_restart(self, order: RestartOrder, observed: SwarmObserved, seen: Seen) -> Verdict:
        return verbs.judge_restart(order, observed, seen, self._limits)

    def plan_stop(self, order: StopOrder, observed: SwarmObserved) -> tuple[Step, ...]:
        return stopping.plan_stop(order, observed)

    def judge_stop(self, order: StopOrder, observed: SwarmObserved, seen: Seen) -> Verdict:
        return stopping.judge_stop(order, observed)

    def plan_start(self, order: StopOrder, observed: SwarmObserved) -> tuple[Step, ...]:
        return stopping.plan_start(order, observed)

    def judge_start(self, order: StopOrder, observed: SwarmObserved, seen: Seen) -> Verdict:
        return stopping.judge_start(order, observed, seen, self._limits)

    def run_once(self, workload: str, command: Command, session: Session, size: str) -> Remote:
        """As a job of the swarm, on any node."""
        check_no_size(self.name, size)
        check_no_terminal(self.name, command)
        return run_once(workload, command, self._setting(session))

    def start_once(self, workload: str, command: Command, session: Session, size: str) -> Started:
        check_no_size(self.name, size)
        return start_once(workload, command, self._setting(session))

    def ports(self, workload: str, session: Session) -> TaskPorts:
        return TaskPorts(self._reader(self._client(session), session), workload)

    def logs(self, workload: str, wanted: LogQuery, session: Session) -> Iterator[LogLine]:
        return InstanceLog(self.name, workload, session, partial(self._instances, workload, session)).lines(wanted)

    def _instances(self, workload: str, session: Session) -> Iterator[Instance]:
        """The tasks of a service that run; the newest that ever started where none does."""
        client = self._client(session)
        found = self._reader(client, session).service(workload)
        tasks = sorted((one for one in found.tasks if one.container), key=lambda one: one.since) if found else []
        down = {one.name: one.trouble for one in client.nodes().values() if one.is_lost}
        for task in [one for one in tasks if one.state == "running"] or tasks[-1:]:
            read = partial(_unread, down[task.node]) if task.node in down else partial(client.task_log, task.id)
            yield Instance(task.id, f"{task.name}.{task.id[:8]}", read)

    def execute(self, workload: str, command: Command, session: Session) -> Remote:
        """In a task on the node of the manager, or on one of `nodes`. Raises: RemoteError that says where the tasks run otherwise."""
        reader = self._reader(self._client(session), session)
        return execute(find_running(reader, workload, partial(self._node, session)), command)

    def _node(self, session: Session, name: str) -> HostClient | None:
        """The engine of another node, where deploy.yml says how to reach it."""
        if name not in self.config.nodes:
            return None
        hosts = Hosts(engine_addresses([self.config.nodes[name]], self.environment))
        return hosts.client(hosts.names[0], session)

    def inventory(self, session: Session) -> Inventory:
        client = self._client(session)
        configs = client.configs(self.owner.filters)
        records = sum(RECORD in one.labels for one in configs)
        others = sum(RECORD not in one.labels and LOCK not in one.labels for one in configs)
        others += len(client.secrets(self.owner.filters))
        images = images_after(client, self.owner, own_repositories(self.project))
        return Inventory(self.observe(session), data_volumes(client, self.owner), records, others, images)

    def plan_destroy(self, inventory: Inventory, wanted: Destruction) -> tuple[Step, ...]:
        return plan_destroy(inventory, wanted)

    def leftovers(self, inventory: Inventory, wanted: Destruction) -> Sequence[Leftover]:
        return tuple(leftovers(inventory, wanted))

    def stock(self, session: Session) -> Stocks:
        client = self._client(session)
        return read_stock(
            client,
            self.owner,
            own_repositories(self.project),
            self.config.keep,
            self._reader(client, session).observe(),
        )

    def plan_prune(self, stock: Stocks) -> tuple[Step, ...]:
        return plan_prune(stock)

    def prune_notes(self, stock: Stocks) -> Sequence[str]:
        return prune_notes(stock)

    def images_in_use(self, observed: SwarmObserved) -> Collection[str]:
        """Those of kept specs, too: a rollback starts them."""
        running = {found.image for found in observed.services.values()}
        return frozenset(image for image in running | {kept.image for kept in observed.kept.values()} if image)

    def check_access(self, session: Session) -> None:
        self._client(session).check_manager()

    def examine(self, session: Session) -> Sequence[Finding]:
        """The engine, and what it is in the swarm."""
        info = self._client(session).check_manager()
        nodes, managers = info["Swarm"]["Nodes"].whole(), info["Swarm"]["Managers"].whole()
        what = f"{self.hosts.names[0]} answers: Docker {info['ServerVersion'].text()}, a manager of {nodes} nodes"
        troubles = [one.trouble for one in self._client(session).nodes().values() if one.trouble]
        return [
            Finding("ok", "", f"{what}, {managers} of them managers"),
            *(Finding("warning", "", f"{trouble}: it takes no task", "docker node ls") for trouble in troubles),
            Finding("ok", "", "the lock and the history are configs of the swarm"),
        ]

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

    def _client(self, session: Session) -> SwarmClient:
        return SwarmClient.of(self.hosts.client(self.hosts.names[0], session))

    def _reader(self, client: SwarmClient, session: Session) -> Reader:
        return Reader(client, self.owner, self._secrets, session, self._files(session))

    def _setting(self, session: Session) -> Setting:
        read = self.project.folder.read
        return Setting(self.name, self.owner, self._client(session), session, self._secrets, read, self._files(session))

    def _files(self, session: Session) -> Mapping[str, str]:
        """Source -> value of the secrets that are files of the project; read once in a run. Raises: ShipitError."""

        def read() -> dict[str, str]:
            paths = self.services.secret_paths
            found = {source: secret_text(self.project.folder.read(paths[source]), paths[source]) for source in paths}
            session.environment.redactor.add(found.values())
            return found

        return session.clients.once(("secret files", self.name), read)

    @property
    def _limits(self) -> Limits:
        return Limits(self.config.pending, self.config.restarts_allowed, self.services.longest_wait_s)

    @property
    def _secrets(self) -> frozenset[str]:
        return frozenset([*self.project.secrets_for(self.name), *self.services.secret_variables])
