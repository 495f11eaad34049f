"""The health of the services of a target, against what the run wanted. Pure.

Swarm's own state is not believed: a service is healthy when all its tasks run on the wanted image, and no update is under way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from shipit.release import Seen, State, Verdict
from shipit.targets.engine.made_by import made_of_all
from shipit.targets.engine.superseded import superseded
from shipit.targets.swarm.observed import ServiceFacts, SwarmObserved, TaskFacts
from shipit.targets.swarm.plan import PAUSED, Wanted, short_image
from shipit.targets.swarm.wanted import WantedService

_UNDER_WAY = ("updating", "rollback_started")


class Limits(NamedTuple):
    """Seconds without progress before a failure, the number of failed tasks that are none, and the seconds that Swarm itself may wait between two changes.

    `undecided_s` is how long the health check of a task may take until it decides: the task is starting meanwhile.
    """

    pending_s: float
    restarts: int = 0
    swarm_waits_s: float = 0.0
    undecided_s: float = 0.0


def judge_release(wanted: Wanted, observed: SwarmObserved, seen: Seen, limits: Limits) -> Verdict:
    """Every wanted service has the wanted image, settings and values, and all its tasks run."""
    own: list[ServiceFacts] = []
    waiting: list[str] = []
    for service, one in wanted.items():
        found = observed.services.get(service)
        if found is None:
            return _gone(service)
        if one.is_met_by(found):
            if not one.has_number(found):
                return superseded(f"{service} has {found.replicas} tasks, not {one.count(found)}")
            own.append(found)
        elif found.update == "rollback_started":
            waiting.append(f"Swarm rolls {service} back")
        elif found.update.startswith("rollback"):
            return _rolled_back(found, seen)
        else:
            return superseded(f"the service {found.name} runs {_difference(found, one)}", found.made)
    return judge_services(own, seen, limits, waiting, observed.troubles)


def judge_versions(wanted: Mapping[str, str], observed: SwarmObserved, seen: Seen, limits: Limits) -> Verdict:
    """The services run exactly these kept specs. `wanted`: service -> kept spec."""
    return _judge_each(wanted, observed, lambda found: "" if found.drift else found.kept, seen, limits)


def judge_before(before: SwarmObserved, observed: SwarmObserved, seen: Seen, limits: Limits) -> Verdict:
    """The services are as they were observed before, with what somebody else had changed then."""
    wanted = {name: found.fingerprint for name, found in before.services.items()}
    return _judge_each(wanted, observed, lambda found: found.fingerprint, seen, limits)


def _judge_each(
    wanted: Mapping[str, str],
    observed: SwarmObserved,
    version: Callable[[ServiceFacts], str],
    seen: Seen,
    limits: Limits,
) -> Verdict:
    own = []
    for service, one in wanted.items():
        found = observed.services.get(service)
        if found is None:
            return _gone(service)
        if version(found) != one:
            return superseded(f"the service {found.name} runs another release", found.made)
        own.append(found)
    if others := [found for name, found in observed.services.items() if name not in wanted]:
        return superseded(
            f"{', '.join(found.name for found in others)} runs as well", made_of_all(one.made for one in others)
        )
    return judge_services(own, seen, limits, nodes=observed.troubles)


def judge_services(
    services: Iterable[ServiceFacts], seen: Seen, limits: Limits, others: Iterable[str] = (), nodes: Sequence[str] = ()
) -> Verdict:
    """All tasks of the services run, on their newest version. `others` are more reasons to wait, `nodes` what is wrong with nodes."""
    services = tuple(services)
    waiting = list(others)
    for found in services:
        if wrong := _failure(found, seen, limits):
            return wrong
        waiting += _waits(found)
    progress = " ".join(_progress(found) for found in services)
    if not waiting:
        return Verdict(State.HEALTHY, "; ".join(_summary(found) for found in services), progress)
    # Pulling an image is limited by the time of the whole target only.
    is_pulling = any(one.state == "preparing" for found in services for one in found.current)
    is_undecided = any(one.state == "starting" for found in services for one in found.current)
    limit_s = limits.pending_s + limits.swarm_waits_s + (limits.undecided_s if is_undecided else 0.0)
    if seen.unchanged_s > limit_s and not is_pulling:
        stuck = next(
            (one for found in services for one in found.tasks if one.is_wanted and one.state != "running"), None
        )
        what = "; ".join([f"{'; '.join(waiting)} for {seen.unchanged_s:.0f} s", *nodes])
        return Verdict(State.FAILED, what, progress, subject=stuck.id if stuck and stuck.container else "")
    return Verdict(State.WAITING, "; ".join(waiting), progress, parts=tuple(waiting))


def _gone(service: str) -> Verdict:
    what = f"the swarm has no service {service}"
    return Verdict(State.FAILED, what, hint="deploy again", down=f"{service} is DOWN: it has no task")


def _rolled_back(found: ServiceFacts, seen: Seen) -> Verdict:
    """Swarm brought the earlier version back."""
    failed = _newest(one for one in _failed(found, seen) if not found.is_newest(one))
    serves = sum(one.is_wanted and one.state == "running" for one in found.tasks)
    after = f"; {serves} of {found.wanted} tasks of the earlier version serve on"
    why = f": {_ended(failed)}" if failed else f": {found.update_said}" if found.update_said else ""
    verb = "rolled back" if found.update == "rollback_completed" else "stopped rolling back"
    return Verdict(
        State.FAILED,
        f"Swarm {verb} {found.service}{why}{after}",
        subject=failed.id if failed else "",
        down="" if serves else f"{found.service} is DOWN: none of its tasks runs",
    )


def _failure(found: ServiceFacts, seen: Seen, limits: Limits) -> Verdict | None:
    failed = [one for one in _failed(found, seen) if found.is_newest(one)]
    newest = _newest(failed)
    serves = any(one.state == "running" and one.is_wanted for one in found.tasks)
    down = "" if serves or not failed else f"{found.service} is DOWN: none of its tasks runs"
    if found.update in PAUSED:
        why = f": {_ended(newest)}" if newest else f": {found.update_said}" if found.update_said else ""
        hint = "correct it, and deploy again"
        return Verdict(
            State.FAILED, f"Swarm paused the update of {found.service}{why}", hint=hint,
            subject=newest.id if newest else "", down=down,
        )  # fmt: skip
    if found.update in _UNDER_WAY or newest is None or len(failed) <= limits.restarts:
        # While an update is under way, Swarm decides whether a failed task ends it.
        return None
    return Verdict(State.FAILED, _ended(newest), subject=newest.id, down=down)


def _failed(found: ServiceFacts, seen: Seen) -> tuple[TaskFacts, ...]:
    """The tasks that failed since the plan was made."""
    before = seen.before.services.get(found.service) if isinstance(seen.before, SwarmObserved) else None
    known = {one.id for one in before.tasks if one.has_failed} if before else frozenset()
    return tuple(one for one in found.tasks if one.has_failed and one.id not in known)


def _newest(tasks: Iterable[TaskFacts]) -> TaskFacts | None:
    return max(tasks, key=lambda one: one.since, default=None)


def _ended(task: TaskFacts) -> str:
    code = f", exit code {task.exit_code}" if task.exit_code and str(task.exit_code) not in task.said else ""
    return f"{task.ended}{code}"


def _waits(found: ServiceFacts) -> Iterator[str]:
    current = found.current
    running = sum(one.state == "running" for one in current)
    said = next((one for one in current if one.state != "running"), None)
    if found.mode == "global" and not found.wanted:
        # Also right after it was created, before Swarm has made its tasks.
        yield f"no node has a task of {found.service}"
    elif running != found.wanted or len(current) != found.wanted:
        why = f" ({said.state}{f': {said.said}' if said.said else ''})" if said else ""
        yield f"{running} of {found.wanted} tasks of {found.service} run{why}"
    elif found.old:
        yield f"{len(found.old)} tasks of {found.service} still run the earlier version"
    elif found.update in _UNDER_WAY:
        yield f"Swarm watches the new tasks of {found.service}"


def _difference(found: ServiceFacts, wanted: WantedService) -> str:
    if found.image != wanted.spec.image:
        return f"the image {short_image(found.image)} and not {short_image(wanted.spec.image)}"
    names = sorted(name for name in {*found.marks, *wanted.marks} if found.marks.get(name) != wanted.marks.get(name))
    if names:
        return f"with another value of {', '.join(names)}"
    return f"with other settings: {', '.join(found.drift)}" if found.drift else "with other settings"


def _progress(found: ServiceFacts) -> str:
    tasks = sorted(f"{one.id}:{one.state}:{one.wanted}" for one in found.tasks)
    return f"{found.service}:{found.update}:{','.join(tasks)}"


def _summary(found: ServiceFacts) -> str:
    """The facts that were read, and nothing else."""
    count = "1 task runs" if found.wanted == 1 else f"{found.wanted} tasks run"
    return f"{found.service}: {count} on {short_image(found.image)}"
