"""Docker hosts as a target."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import NamedTuple

from shipit.config.process_environment import ProcessEnvironment
from shipit.config.project import Project
from shipit.errors import ConfigErrors, ShipitError
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
from shipit.targets.docker import KIND, verbs
from shipit.targets.docker.apply import apply_step, host_of
from shipit.targets.docker.config import DockerConfig, problems_of
from shipit.targets.docker.describe import describe, rendered_parts, urls_of
from shipit.targets.docker.destroy import Inventory, leftovers, plan_destroy
from shipit.targets.docker.examine import check_ports, examine
from shipit.targets.docker.expire import expire
from shipit.targets.docker.history import containers_of, missing, past_of, plan_rollback
from shipit.targets.docker.judge import Limits, judge_names, judge_release
from shipit.targets.docker.look import observe
from shipit.targets.docker.observed import DockerObserved
from shipit.targets.docker.plan import notes_on, plan_docker
from shipit.targets.docker.plan_back import Record, Way, names_in, plan_back
from shipit.targets.docker.probe import probe
from shipit.targets.docker.send import measure
from shipit.targets.docker.setting import Setting
from shipit.targets.docker.steps import PullImage, SendImage
from shipit.targets.docker.stopping import judge_start, judge_stop, plan_start, plan_stop
from shipit.targets.docker.wanted import Services
from shipit.targets.engine.client import HostClient
from shipit.targets.engine.connection import Hosts, engine_addresses
from shipit.targets.engine.container_values import Publish
from shipit.targets.engine.exec import execute
from shipit.targets.engine.lock import read_lock, swap_lock
from shipit.targets.engine.log import ServiceLog
from shipit.targets.engine.one_off import check_no_size, run_once, start_once
from shipit.targets.engine.owner import SERVICE
from shipit.targets.engine.ports import ContainerPorts
from shipit.targets.engine.records import cannot_return, data_volumes, find_record, read_records, write_record
from shipit.targets.engine.running import find_running
from shipit.targets.locks import Holder, LockState
from shipit.targets.orders import RestartOrder, ScaleOrder, StopOrder
from shipit.targets.remote import Command, Remote, Started
from shipit.targets.session import Session
from shipit.targets.verbs import LogQuery

# How long a container without a health check has to run before the old one is stopped; at most as long as `settle`.
_STEADY_S = 1.0


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


class DockerTarget:
    """The services of one target, on one or several hosts."""

    kind = KIND

    def __init__(self, name: str, config: DockerConfig, project: Project, environment: ProcessEnvironment) -> None:
        self.name = name
        self.config = config
        self.project = project
        self.services = Services(name, config, project)
        self.owner = self.services.owner
        self.hosts = Hosts(engine_addresses(config.hosts, environment))
        self.place = Place("docker", f"{self.owner.prefix} on {', '.join(self.hosts.names)}")

    def images(self) -> Sequence[ImageUse]:
        return self.services.uses()

    def observe(self, session: Session) -> DockerObserved:
        return observe(self.hosts, self.owner, self._secrets, session, has_proxy=bool(self.services.routes()))

    def plan(self, release: Release, observed: DockerObserved) -> tuple[Step, ...]:
        images = {image.pinned: image for image in release.images}
        wanted, command = self.services.wanted(release), self.services.command(release)
        return plan_docker(self.owner, wanted, observed, images, command, self.services.proxy())

    def preview(
        self, release: Release, observed: DockerObserved, session: Session, *, is_deploy: bool
    ) -> DockerObserved:
        """Measures what the hosts lack of images that are sent to them."""
        return measure(self.hosts, self.owner, release, observed, session)

    def waves(self, steps: Sequence[Step]) -> Sequence[Sequence[Step]]:
        """The hosts get their images side by side. Services are replaced one after the other."""
        images = [step for step in steps if isinstance(step, PullImage | SendImage)]
        return ([images] if images else []) + [[step] for step in steps if step not in images]

    def notes(self, release: Release, observed: DockerObserved) -> Sequence[str]:
        return tuple(notes_on(self.owner, self.services.wanted(release), observed))

    def render(self, release: Release, observed: DockerObserved) -> Rendered:
        parts = rendered_parts(self.owner, self.services.wanted(release), self._secrets, self.project.env)
        return Rendered(self.name, self.place, "requests", parts)

    def apply(self, step: Step, session: Session) -> Iterator[Event]:
        client = self.hosts.client(host_of(step, self.name), session)
        steady_s = min(_STEADY_S, self.config.settle)
        setting = Setting(
            self.name, self.owner, session, self._secrets, self.config.pending, steady_s, self.config.restarts_allowed
        )
        yield from apply_step(step, client, setting)

    def judge(self, release: Release, observed: DockerObserved, seen: Seen) -> Verdict:
        return judge_release(self.services.wanted(release), observed, seen, self._limits, self._way)

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
        if not any(before.running_names().values()):
            return Verdict(State.FAILED, "nothing ran before")
        return judge_names(before.running_names(), observed, seen, self._limits, self._way)

    def past_releases(self, most: int, session: Session, *, tells_current: bool = True) -> Sequence[PastRelease]:
        records = read_records(self._first(session), self.owner, Record)
        observed = self.observe(session) if records else DockerObserved()
        return past_of(records[:most], observed, tells_current=tells_current)

    def record_release(self, past: PastRelease, release: Release, observed: DockerObserved, session: Session) -> None:
        client = self._first(session)
        if past.returns_to and not release.images:
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
        return plan_back(recalled.record.containers, observed, self._way)

    def return_notes(self, recalled: DockerRecalled, observed: DockerObserved) -> Sequence[str]:
        return ("volumes keep their contents",) if any(one.mounts for one in self.services.configs.values()) else ()

    def judge_return(self, recalled: DockerRecalled, observed: DockerObserved, seen: Seen) -> Verdict:
        return judge_names(names_in(recalled.record), observed, seen, self._limits, self._way)

    def lock_name(self) -> str:
        return f"volume {self.owner.prefix}-lock-{self.owner.target} on {self.hosts.names[0]}"

    def read_lock(self, session: Session) -> LockState:
        return read_lock(self._first(session), self.owner)

    def swap_lock(self, before: LockState, holder: Holder | None, session: Session) -> LockState | None:
        return swap_lock(self._first(session), self.owner, before, holder, session.clock.wall_s())

    def workloads(self) -> Sequence[str]:
        return tuple(self.services.configs)

    def declared_scale(self) -> Mapping[str, int | None]:
        return {name: service.replicas for name, service in self.services.configs.items()}

    def plan_scale(self, order: ScaleOrder, observed: DockerObserved) -> tuple[Step, ...]:
        return verbs.plan_scale(order, observed, self._way)

    def judge_scale(self, order: ScaleOrder, observed: DockerObserved, seen: Seen) -> Verdict:
        return verbs.judge_scale(order, observed, seen, self._limits, self._way)

    def plan_restart(self, order: RestartOrder, observed: DockerObserved) -> tuple[Step, ...]:
        return verbs.plan_restart(order, observed)

    def judge_restart(self, order: RestartOrder, observed: DockerObserved, seen: Seen) -> Verdict:
        return verbs.judge_restart(order, observed, seen, self._limits, self._way)

    def plan_stop(self, order: StopOrder, observed: DockerObserved) -> tuple[Step, ...]:
        return plan_stop(order, observed)

    def judge_stop(self, order: StopOrder, observed: DockerObserved, seen: Seen) -> Verdict:
        return judge_stop(order, observed)

    def plan_start(self, order: StopOrder, observed: DockerObserved) -> tuple[Step, ...]:
        return plan_start(order, observed, self.declared_scale(), self._way)

    def judge_start(self, order: StopOrder, observed: DockerObserved, seen: Seen) -> Verdict:
        return judge_start(order, observed, seen, self._limits, self._way)

    def logs(self, workload: str, wanted: LogQuery, session: Session) -> Iterator[LogLine]:
        return ServiceLog(self.name, workload, self.hosts, self.owner, session, SERVICE).lines(wanted)

    def execute(self, workload: str, command: Command, session: Session) -> Remote:
        return execute(find_running(self.hosts, self.owner, workload, session), command)

    def run_once(self, workload: str, command: Command, session: Session, size: str) -> Remote:
        check_no_size(self.name, size)
        found = find_running(self.hosts, self.owner, workload, session)
        return run_once(found, self.owner, workload, command)

    def start_once(self, workload: str, command: Command, session: Session, size: str) -> Started:
        check_no_size(self.name, size)
        found = find_running(self.hosts, self.owner, workload, session)
        return start_once(found, self.owner, workload, command)

    def ports(self, workload: str, session: Session) -> ContainerPorts:
        return ContainerPorts(self.hosts, self.owner, workload, session)

    def inventory(self, session: Session) -> Inventory:
        observed = self.observe(session)
        volumes, records = {}, {}
        for host in self.hosts.names:
            client = self.hosts.client(host, session)
            volumes[host] = data_volumes(client, self.owner)
            records[host] = len(read_records(client, self.owner, Record))
        return Inventory(observed, volumes, records)

    def plan_destroy(self, inventory: Inventory, wanted: Destruction) -> tuple[Step, ...]:
        return plan_destroy(inventory, wanted)

    def leftovers(self, inventory: Inventory, wanted: Destruction) -> Sequence[Leftover]:
        return tuple(leftovers(inventory, wanted))

    def images_in_use(self, observed: DockerObserved) -> Collection[str]:
        """Those of kept containers, too: a rollback starts them."""
        return frozenset(one.image for facts in observed.hosts.values() for one in facts.containers if one.image)

    def examine(self, session: Session) -> Sequence[Finding]:
        return tuple(examine(self.hosts, self.owner, self._ports, session))

    def check_access(self, session: Session) -> None:
        """Raises: RemoteError where somebody else has a port that a service publishes."""
        check_ports(self.hosts, self.owner, self._ports, session)

    @property
    def _ports(self) -> tuple[Publish, ...]:
        return tuple(port for service in self.services.configs.values() for port in service.published)

    def urls(self, observed: DockerObserved) -> Sequence[str]:
        return tuple(urls_of(self.services, observed))

    def describe(self, observed: DockerObserved) -> Status:
        return describe(self.name, self.place, observed, tuple(self.urls(observed)))

    def diagnose(self, verdict: Verdict, session: Session) -> Verdict:
        """Adds the last lines of the container that failed."""
        # The address of a host may have a space: `context NAME`.
        host, _, container = verdict.subject.rpartition(" ")
        if not host:
            return verdict
        try:
            lines = self.hosts.client(host, session).last_lines(container)
        except ShipitError:
            return verdict
        return verdict._replace(detail=(*verdict.detail, *lines))

    def _way(self, service: str) -> Way:
        config = self.services.configs.get(service)
        return Way(config.order, self.services.health(service), self.services.route(service)) if config else Way()

    def _first(self, session: Session) -> HostClient:
        return self.hosts.client(self.hosts.names[0], session)

    @property
    def _limits(self) -> Limits:
        return Limits(self.config.pending, self.config.restarts_allowed)

    @property
    def _secrets(self) -> frozenset[str]:
        return frozenset(self.project.secrets_for(self.name))
