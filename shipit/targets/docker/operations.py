"""The operations of hosts beside a deploy: the lock, scale, restart, stop, logs, commands, ports, destroy, doctor."""

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
from shipit.targets.docker import verbs
from shipit.targets.docker.destroy import Inventory, leftovers, plan_destroy
from shipit.targets.docker.examine import check_ports, examine
from shipit.targets.docker.host_place import HostPlace
from shipit.targets.docker.observed import DockerObserved
from shipit.targets.docker.plan_back import Record
from shipit.targets.docker.port_use import Needed
from shipit.targets.docker.reach import check_reached
from shipit.targets.docker.stock import images_after, read_stock
from shipit.targets.docker.stopping import judge_start, judge_stop, plan_start, plan_stop
from shipit.targets.engine.exec import execute
from shipit.targets.engine.lock import read_lock, swap_lock
from shipit.targets.engine.log import ServiceLog
from shipit.targets.engine.one_off import check_no_size, run_once, start_once
from shipit.targets.engine.owner import SERVICE
from shipit.targets.engine.ports import ContainerPorts
from shipit.targets.engine.prune import own_repositories
from shipit.targets.engine.records import data_volumes, read_records
from shipit.targets.engine.running import find_running
from shipit.targets.engine.stock import Stocks, plan_prune, prune_notes
from shipit.targets.locks import Holder, LockState
from shipit.targets.log_query import LogQuery
from shipit.targets.orders import RestartOrder, ScaleOrder, StopOrder
from shipit.targets.remote import Command, Remote, Started
from shipit.targets.session import Session


class Operations(HostPlace):
    """The protocols of targets/verbs.py and targets/locks.py."""

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
        check_reached(observed)
        return verbs.plan_scale(order, observed, self._way)

    def judge_scale(self, order: ScaleOrder, observed: DockerObserved, seen: Seen) -> Verdict:
        return self._judge_reached(observed, seen) or verbs.judge_scale(order, observed, seen, self._limits, self._way)

    def plan_restart(self, order: RestartOrder, observed: DockerObserved) -> tuple[Step, ...]:
        check_reached(observed)
        return verbs.plan_restart(order, observed, self._way)

    def judge_restart(self, order: RestartOrder, observed: DockerObserved, seen: Seen) -> Verdict:
        return self._judge_reached(observed, seen) or verbs.judge_restart(
            order, observed, seen, self._limits, self._way
        )

    def plan_stop(self, order: StopOrder, observed: DockerObserved) -> tuple[Step, ...]:
        check_reached(observed)
        return plan_stop(order, observed)

    def judge_stop(self, order: StopOrder, observed: DockerObserved, seen: Seen) -> Verdict:
        return self._judge_reached(observed, seen) or judge_stop(order, observed)

    def plan_start(self, order: StopOrder, observed: DockerObserved) -> tuple[Step, ...]:
        check_reached(observed)
        return plan_start(order, observed, self._way)

    def judge_start(self, order: StopOrder, observed: DockerObserved, seen: Seen) -> Verdict:
        return self._judge_reached(observed, seen) or judge_start(order, observed, seen, self._limits, self._way)

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
        images = images_after(self.hosts, self.owner, own_repositories(self.project), session)
        return Inventory(observed, volumes, records, images)

    def plan_destroy(self, inventory: Inventory, wanted: Destruction) -> tuple[Step, ...]:
        return plan_destroy(inventory, wanted)

    def leftovers(self, inventory: Inventory, wanted: Destruction) -> Sequence[Leftover]:
        return tuple(leftovers(inventory, wanted))

    def stock(self, session: Session) -> Stocks:
        return read_stock(self.hosts, self.owner, own_repositories(self.project), self.config.keep, session)

    def plan_prune(self, stock: Stocks) -> tuple[Step, ...]:
        return plan_prune(stock)

    def prune_notes(self, stock: Stocks) -> Sequence[str]:
        return prune_notes(stock)

    def images_in_use(self, observed: DockerObserved) -> Collection[str]:
        """Those of kept containers, too: a rollback starts them."""
        check_reached(observed)
        return frozenset(one.image for facts in observed.hosts.values() for one in facts.containers if one.image)

    def examine(self, session: Session) -> Sequence[Finding]:
        return tuple(examine(self.hosts, self.owner, self._needed, session))

    def check_access(self, session: Session) -> None:
        """Raises: RemoteError where the container of somebody else has a port that a service or the proxy needs."""
        check_ports(self.hosts, self.owner, self._needed, session)

    @property
    def _needed(self) -> Needed:
        ports = (port for service in self.services.configs.values() for port in service.published)
        return Needed(tuple(ports), self.services.proxy())
