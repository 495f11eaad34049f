"""One protocol for each command, other than deploy, that a kind can declare as a capability."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Protocol, TypeGuard

from shipit.events import LogLine
from shipit.release import Destruction, Leftover, Release, Rendered, Seen, Step, Verdict
from shipit.targets.base import Target
from shipit.targets.log_query import LogQuery
from shipit.targets.orders import RestartOrder, ScaleOrder, StopOrder
from shipit.targets.remote import Command, Ports, Remote, Started
from shipit.targets.session import Session


class HasWorkloads(Target, Protocol):
    """Runs workloads that the user can name as TARGET/WORKLOAD."""

    def workloads(self) -> Sequence[str]:
        """Pure: the names of what deploy.yml runs there, in its order, without duplicates."""
        ...


class HasLogs(HasWorkloads, Protocol):
    """Gives the log of a workload."""

    def logs(self, workload: str, wanted: LogQuery, session: Session) -> Iterator[LogLine]:
        """The lines of everything that runs as the workload: in the order of their times, and what is there now.

        With `wanted.follow` in the order in which they arrive, without an end, through restarts and broken connections.
        Closing the iterator ends every request. Raises: ShipitError, UsageError for what this kind of log does not have.
        """
        ...


class Scales(HasWorkloads, Protocol):
    """Changes the number of instances of its workloads without a deploy."""

    def declared_scale(self) -> Mapping[str, int | None]:
        """Pure: workload -> the number that the next deploy sets; None where it leaves it as it is."""
        ...

    def plan_scale(self, order: ScaleOrder, observed: Any) -> tuple[Step, ...]:
        """Pure: the steps to these numbers; empty when they are so.

        Raises: ShipitError for a workload that can't be scaled, such as one whose number an autoscaler sets.
        """
        ...

    def judge_scale(self, order: ScaleOrder, observed: Any, seen: Seen) -> Verdict:
        """Pure: the health of these workloads, against the numbers of the order."""
        ...


class Restarts(HasWorkloads, Protocol):
    """Replaces the instances of its workloads without another change."""

    def plan_restart(self, order: RestartOrder, observed: Any) -> tuple[Step, ...]:
        """Pure: the steps that restart these workloads. Raises: ShipitError for one that can't be restarted."""
        ...

    def judge_restart(self, order: RestartOrder, observed: Any, seen: Seen) -> Verdict:
        """Pure: the health of these workloads, where every instance is a new one."""
        ...


class Stops(HasWorkloads, Protocol):
    """Stops its workloads, and starts them again, without another change."""

    def plan_stop(self, order: StopOrder, observed: Any) -> tuple[Step, ...]:
        """Pure: the steps that stop these workloads; empty when none of them runs."""
        ...

    def judge_stop(self, order: StopOrder, observed: Any, seen: Seen) -> Verdict:
        """Pure: healthy when none of these workloads runs."""
        ...

    def plan_start(self, order: StopOrder, observed: Any) -> tuple[Step, ...]:
        """Pure: the steps that start what was stopped last. Raises: ShipitError where there is nothing to start."""
        ...

    def judge_start(self, order: StopOrder, observed: Any, seen: Seen) -> Verdict:
        """Pure: the health of these workloads."""
        ...


class Executes(HasWorkloads, Protocol):
    """Runs commands in what runs."""

    def execute(self, workload: str, command: Command, session: Session) -> Remote:
        """A command, begun in an instance of a workload. Raises: RemoteError."""
        ...


class Pins(Executes, Protocol):
    """Begins a command again without deploy.yml: what it gives is kept, and handed to `reopen` of its kind."""

    def pinned(self, workload: str) -> dict[str, Any] | None:
        """Pure: what deploy.yml says that `execute` needs, as JSON and without secrets; None where it needs more."""
        ...


class PinsLogs(HasLogs, Protocol):
    """Reads logs again without deploy.yml: what it gives is kept, and handed to `reopen_logs` of its kind."""

    def pinned_logs(self, workloads: Sequence[str]) -> dict[str, Any] | None:
        """Pure: what deploy.yml says that `logs` needs, as JSON and without secrets; None where it needs more."""
        ...


class RunsOnce(HasWorkloads, Protocol):
    """Runs one-off commands with the image and settings of what runs. `size` is empty, or one that the kind knows."""

    def run_once(self, workload: str, command: Command, session: Session, size: str) -> Remote:
        """A command, begun and connected to; what was made for it is removed by `close`. Raises: RemoteError, UsageError."""
        ...

    def start_once(self, workload: str, command: Command, session: Session, size: str) -> Started:
        """A command, begun, that nobody waits for. Raises: RemoteError, UsageError."""
        ...


class Forwards(HasWorkloads, Protocol):
    """Connects to ports of what runs, also to those that nothing outside can reach."""

    def ports(self, workload: str, session: Session) -> Ports:
        """The ports of a workload. Raises: RemoteError."""


class Destroys(Target, Protocol):
    """Removes what shipit made at a place."""

    def inventory(self, session: Session) -> Any:
        """What shipit made there, by what the place says of its owner and not by deploy.yml. Raises: ShipitError."""
        ...

    def plan_destroy(self, inventory: Any, wanted: Destruction) -> tuple[Step, ...]:
        """Pure: the steps that remove it; empty when nothing is left of it. `apply` applies them."""
        ...

    def leftovers(self, inventory: Any, wanted: Destruction) -> Sequence[Leftover]:
        """Pure: what stays when the steps are done."""
        ...


class Prunes(Target, Protocol):
    """Removes what shipit left at a place, and what neither what runs nor a rollback needs."""

    def stock(self, session: Session) -> Any:
        """The images, containers and networks of this target that are there, with those who need them: others at the same place, too. Raises: ShipitError."""
        ...

    def plan_prune(self, stock: Any) -> tuple[Step, ...]:
        """Pure: the steps that remove what nothing needs; empty where everything is needed. `apply` applies them, and looks again before."""
        ...

    def prune_notes(self, stock: Any) -> Sequence[str]:
        """Pure: what stays, and why."""
        ...


class Renders(Target, Protocol):
    """Shows what it would send."""

    def render(self, release: Release, observed: Any) -> Rendered:
        """Pure: all that a deploy of the release sends to a place that has nothing of it yet, without values of secrets."""
        ...


class UsesImages(Target, Protocol):
    """Tells every image that a place may start, also those of what does not run now, such as scheduled jobs."""

    def images_in_use(self, observed: Any) -> Collection[str]:
        """Pure: references or digests. Raises: ShipitError where it can't be known from what is observed."""
        ...


def has_workloads(target: Target) -> TypeGuard[HasWorkloads]:
    return "has_workloads" in target.kind.capabilities


def has_logs(target: Target) -> TypeGuard[HasLogs]:
    return "has_logs" in target.kind.capabilities


def scales(target: Target) -> TypeGuard[Scales]:
    return "scales" in target.kind.capabilities


def restarts(target: Target) -> TypeGuard[Restarts]:
    return "restarts" in target.kind.capabilities


def stops(target: Target) -> TypeGuard[Stops]:
    return "stops" in target.kind.capabilities


def executes(target: Target) -> TypeGuard[Executes]:
    return "executes" in target.kind.capabilities


def pins(target: Target) -> TypeGuard[Pins]:
    return "pins" in target.kind.capabilities


def pins_logs(target: Target) -> TypeGuard[PinsLogs]:
    return "pins_logs" in target.kind.capabilities


def runs_once(target: Target) -> TypeGuard[RunsOnce]:
    return "runs_once" in target.kind.capabilities


def forwards(target: Target) -> TypeGuard[Forwards]:
    return "forwards" in target.kind.capabilities


def destroys(target: Target) -> TypeGuard[Destroys]:
    return "destroys" in target.kind.capabilities


def prunes(target: Target) -> TypeGuard[Prunes]:
    return "prunes" in target.kind.capabilities


def renders(target: Target) -> TypeGuard[Renders]:
    return "renders" in target.kind.capabilities


def uses_images(target: Target) -> TypeGuard[UsesImages]:
    return "uses_images" in target.kind.capabilities
