"""A swarm as observed, in plain values that go to JSON and come back. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from shipit.targets.engine.made_by import UNKNOWN, MadeBy

_FAILED = frozenset({"failed", "rejected", "orphaned"})
_ENDED = frozenset({*_FAILED, "complete", "shutdown", "remove"})
# The drift of a service whose kept spec somebody removed.
GONE = "the spec that shipit kept is gone"
# The most nodes that a message names.
_MOST_NODES = 5


class TaskFacts(NamedTuple):
    """One task of a service. `name` is SERVICE.SLOT, or SERVICE.NODE of a global one; `node` is the name of its node.

    `wanted` is the state that Swarm wants: running, ready, shutdown, or remove. `kept` and `forced` tell which version of
    the service it was made from. `said` is what the node or the scheduler says.
    """

    id: str
    name: str
    node: str = ""
    state: str = ""
    wanted: str = ""
    said: str = ""
    exit_code: int = 0
    container: str = ""
    image: str = ""
    kept: str = ""
    forced: int = 0
    since: str = ""

    @property
    def has_failed(self) -> bool:
        """True for a task of a service that ended by itself, also with exit code 0: Swarm starts another one."""
        return self.state in _FAILED or self.state == "complete"

    @property
    def has_ended(self) -> bool:
        return self.state in _ENDED

    @property
    def is_wanted(self) -> bool:
        return self.wanted in ("running", "ready")

    @property
    def ended(self) -> str:
        """The way it ended, as a phrase of a message."""
        where = f" on {self.node}" if self.node else ""
        if self.state == "complete":
            return f"{self.name}{where} ended with exit code 0"
        return f"{self.name}{where} {self.state}" + (f": {self.said}" if self.said else "")


class ServiceFacts(NamedTuple):
    """One service of a target. `marks`: name -> keyed hash of the value of each variable and secret file.

    `spec` is the hash of its settings, `kept` the config that keeps its whole spec, `fingerprint` a keyed hash of what is
    live without the number of tasks. `drift` are the fields that differ from the kept spec. `tasks_wanted` is negative
    where the engine does not say it. `update` is the state of its last update, empty without one.
    `stopped` is the number of tasks of a service that shipit stopped, 0 for any other. `is_own` is False for one that
    `docker stack deploy` made, and that this target is to take over. `made` is what its labels say, and when it changed last: a
    rollback brings back old labels, and a change by `docker service update` has none.
    """

    id: str
    name: str
    service: str
    spec: str = ""
    image: str = ""
    kept: str = ""
    fingerprint: str = ""
    marks: Mapping[str, str] = {}
    drift: tuple[str, ...] = ()
    mode: str = "replicated"
    replicas: int = 0
    tasks_wanted: int = -1
    forced: int = 0
    restarted: str = ""
    update: str = ""
    update_said: str = ""
    since: str = ""
    tasks: tuple[TaskFacts, ...] = ()
    stopped: int = 0
    is_own: bool = True
    made: MadeBy = UNKNOWN

    @property
    def wanted(self) -> int:
        """The number of tasks that should run."""
        if self.mode == "replicated":
            return self.replicas
        return self.tasks_wanted if self.tasks_wanted >= 0 else len({one.name for one in self.tasks if one.is_wanted})

    @property
    def current(self) -> tuple[TaskFacts, ...]:
        """The tasks of its newest version that should run."""
        return tuple(one for one in self.tasks if one.is_wanted and self.is_newest(one))

    @property
    def old(self) -> tuple[TaskFacts, ...]:
        """The tasks of an earlier version that still should run."""
        return tuple(one for one in self.tasks if one.is_wanted and not self.is_newest(one))

    def is_newest(self, task: TaskFacts) -> bool:
        """True for a task of its newest version."""
        return (task.kept, task.forced, task.image) == (self.kept, self.forced, self.image)


class NodeFacts(NamedTuple):
    """A node of the swarm. `state` is ready, down, unknown or disconnected; `availability` active, pause or drain."""

    name: str
    state: str = "ready"
    availability: str = "active"

    @property
    def is_lost(self) -> bool:
        """True where the managers do not hear of it."""
        return self.state in ("down", "unknown", "disconnected")

    @property
    def trouble(self) -> str:
        """Why it takes no task, as a phrase; empty where it does."""
        if self.is_lost:
            return f"the node {self.name} is {self.state}"
        words = {"drain": "drained", "pause": "paused"}
        return f"the node {self.name} is {words[self.availability]}" if self.availability in words else ""


class KeptFacts(NamedTuple):
    """A spec that the swarm keeps of a service, with its image, and the secrets and configs that it uses."""

    service: str
    image: str
    uses: tuple[str, ...] = ()


class SwarmObserved(NamedTuple):
    """`services` by their names in deploy.yml, `kept` by the names of configs. `foreign` are the names of services of others.

    `nodes` are all of the swarm. `stacks`: name of a stack that docker made -> its services, `others`: name of a stack -> the other targets
    of shipit that have it. `given`: source -> keyed hash of each secret that is a file.
    """

    services: Mapping[str, ServiceFacts] = {}
    kept: Mapping[str, KeptFacts] = {}
    foreign: frozenset[str] = frozenset()
    stacks: Mapping[str, tuple[str, ...]] = {}
    given: Mapping[str, str] = {}
    nodes: tuple[NodeFacts, ...] = ()
    others: Mapping[str, tuple[str, ...]] = {}

    @property
    def own(self) -> Mapping[str, ServiceFacts]:
        """The services of the target, without those of docker that it is to take over."""
        return {name: found for name, found in self.services.items() if found.is_own}

    @property
    def troubles(self) -> tuple[str, ...]:
        """A phrase for each node that takes no task, and a number in place of many."""
        found = [one.trouble for one in self.nodes if one.trouble]
        more = [f"{len(found) - _MOST_NODES} more nodes take no task"] if len(found) > _MOST_NODES else []
        return (*found[:_MOST_NODES], *more)

    @property
    def versions(self) -> dict[str, str]:
        """Service -> the kept spec that it runs."""
        return {name: found.kept for name, found in self.services.items()}
