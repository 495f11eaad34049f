"""The operations of a Compose project beside a deploy: the lock, scale, restart, stop, logs, commands, ports, destroy, prune, doctor."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

from shipit.events import LogLine
from shipit.release import (
    Destruction,
    Finding,
    Leftover,
    Seen,
    Step,
    Verdict,
)
from shipit.targets.compose import verbs
from shipit.targets.compose.destroy import Inventory, leftovers, plan_destroy
from shipit.targets.compose.look import project_filters
from shipit.targets.compose.observed import ComposeObserved
from shipit.targets.compose.parse import SERVICE
from shipit.targets.compose.place import ComposePlace
from shipit.targets.compose.stock import images_after, read_stock
from shipit.targets.compose.stopping import judge_start, judge_stop, plan_start, plan_stop
from shipit.targets.engine.exec import execute
from shipit.targets.engine.free_space import space_findings
from shipit.targets.engine.lock import read_lock, swap_lock
from shipit.targets.engine.log import ServiceLog
from shipit.targets.engine.one_off import check_no_size, run_once, start_once
from shipit.targets.engine.owner import IMAGES, RECORD
from shipit.targets.engine.ports import ContainerPorts
from shipit.targets.engine.prune import own_repositories
from shipit.targets.engine.running import RunningContainer, find_running
from shipit.targets.engine.stock import Stocks, plan_prune, prune_notes
from shipit.targets.locks import Holder, LockState
from shipit.targets.log_query import LogQuery
from shipit.targets.orders import RestartOrder, ScaleOrder, StopOrder
from shipit.targets.remote import Command, Remote, Started
from shipit.targets.session import Session


class Operations(ComposePlace):
    """The protocols of targets/verbs.py and targets/locks.py."""

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
        return verbs.plan_restart(order, observed, self.config.rollouts)

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
            *space_findings(self._client(session)),
            Finding("ok", "", f"docker compose reads the compose file: {services}"),
            Finding("ok", "", f"the lock and the history are volumes on {self.host}"),
        )
