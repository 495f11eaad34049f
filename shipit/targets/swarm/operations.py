"""The operations of a swarm beside a deploy: the lock, scale, restart, stop, logs, commands, ports, destroy, prune, doctor."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import partial

from shipit.events import LogLine
from shipit.release import (
    Destruction,
    Finding,
    Leftover,
    Seen,
    Step,
    Verdict,
)
from shipit.targets.engine.client import HostClient
from shipit.targets.engine.connection import Hosts, engine_addresses
from shipit.targets.engine.exec import execute
from shipit.targets.engine.free_space import space_findings
from shipit.targets.engine.lock import read_lock, swap_lock
from shipit.targets.engine.log import Endings, Instance, InstanceLog
from shipit.targets.engine.one_off import check_no_size
from shipit.targets.engine.owner import LOCK, RECORD
from shipit.targets.engine.prune import own_repositories
from shipit.targets.engine.records import data_volumes
from shipit.targets.engine.stock import Stocks, plan_prune, prune_notes
from shipit.targets.locks import Holder, LockState
from shipit.targets.log_query import LogQuery
from shipit.targets.orders import RestartOrder, ScaleOrder, StopOrder
from shipit.targets.remote import Command, Remote, Started
from shipit.targets.session import Session
from shipit.targets.swarm import stopping, verbs
from shipit.targets.swarm.destroy import Inventory, leftovers, plan_destroy
from shipit.targets.swarm.observed import SwarmObserved
from shipit.targets.swarm.one_off import run_once, start_once
from shipit.targets.swarm.place import SwarmPlace
from shipit.targets.swarm.ports import TaskPorts
from shipit.targets.swarm.running import find_running
from shipit.targets.swarm.stack_of_docker import made_by_docker
from shipit.targets.swarm.stock import images_after, read_stock
from shipit.targets.swarm.terminal import run_at_terminal


def _unread(trouble: str, query: Mapping[str, str]) -> bytes:
    """In place of the log of a task: Swarm waits for a node that does not answer, without an end."""
    return f"{trouble}: the log of its tasks can't be read\n".encode()


class Operations(SwarmPlace):
    """The protocols of targets/verbs.py and targets/locks.py."""

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
        """As a job of the swarm, on any node; with a terminal, on one whose engine can be reached."""
        check_no_size(self.name, size)
        setting = self._setting(session)
        if command.terminal is None:
            return run_once(workload, command, setting)
        return run_at_terminal(workload, command, setting, partial(self._node, session))

    def start_once(self, workload: str, command: Command, session: Session, size: str) -> Started:
        check_no_size(self.name, size)
        return start_once(workload, command, self._setting(session))

    def ports(self, workload: str, session: Session) -> TaskPorts:
        return TaskPorts(self._reader(self._client(session), session), workload)

    def logs(self, workload: str, wanted: LogQuery, session: Session) -> Iterator[LogLine]:
        return InstanceLog(self.name, workload, session, partial(self._instances, workload, session, Endings())).lines(
            wanted
        )

    def _instances(self, workload: str, session: Session, endings: Endings) -> Iterator[Instance]:
        """The tasks of a service that run, and those that ended since the last look; the newest that ever started where there are none."""
        client = self._client(session)
        found = self._reader(client, session).service(workload)
        tasks = sorted((one for one in found.tasks if one.container), key=lambda one: one.since) if found else []
        down = {one.name: one.trouble for one in client.nodes().values() if one.is_lost}
        running = {one.id for one in tasks if one.state == "running"}
        chosen = endings.to_read((one.id for one in tasks), running)
        for task in [one for one in tasks if one.id in chosen] or tasks[-1:]:
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
        made = tuple(made_by_docker(client, self.owner, self._stack)) if self._stack else ()
        return Inventory(self.observe(session), data_volumes(client, self.owner), records, others, images, made)

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
            *space_findings(self._client(session)),
            *(Finding("warning", "", f"{trouble}: it takes no task", "docker node ls") for trouble in troubles),
            Finding("ok", "", "the lock and the history are configs of the swarm"),
        ]
