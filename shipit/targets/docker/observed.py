"""Docker hosts as observed, in plain values that go to JSON and come back. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from shipit.targets.docker.proxy.observed import ProxyFacts
from shipit.targets.engine.container_values import Publish
from shipit.targets.engine.made_by import UNKNOWN, MadeBy
from shipit.targets.log_times import unix_time


class ContainerFacts(NamedTuple):
    """One container of a target. `service` is empty for a release command. `marks`: name -> keyed hash of the value of each variable that shipit set from a value.

    `spec` is the hash of its settings, `image` the pinned image that it was created from. `health` is that of its health check,
    or of the image's HEALTHCHECK, empty without one; `said` what the check said last. `exit_code` is that of the last run that
    ended, negative where it is not known. Times are RFC 3339. `is_fixed` is whether it publishes a certain port. `made` is the run that created it.
    `undecided_s` is how long its health check may take to decide, 0 where it has.
    """

    id: str
    name: str
    service: str
    number: int
    spec: str
    image: str
    marks: Mapping[str, str] = {}
    state: str = ""
    health: str = ""
    said: str = ""
    restarts: int = 0
    exit_code: int = 0
    error: str = ""
    is_out_of_memory: bool = False
    started_at: str = ""
    address: str = ""
    is_fixed: bool = False
    finished_at: str = ""
    made: MadeBy = UNKNOWN
    undecided_s: float = 0.0

    @property
    def is_running(self) -> bool:
        """True for one that serves, or that the engine restarts until it does."""
        return self.state in ("running", "restarting", "paused")

    @property
    def is_serving(self) -> bool:
        """True for one that runs, and is healthy where it has a health check."""
        return self.state == "running" and self.health in ("", "healthy")

    @property
    def runs_as(self) -> str:
        """The state of one that runs and does not serve, as a phrase of a message."""
        return f"is {self.state}" if self.state != "running" else f"runs, and is {self.health}"

    @property
    def ended(self) -> str:
        """The way it ended, as a phrase of a message."""
        if self.is_out_of_memory:
            return "ran out of memory"
        if self.exit_code < 0:
            return "ended"
        return f"exited with {self.exit_code}" + (f": {self.error}" if self.error else "")


# Containers that are stopped at once, as by an engine that ends, end in any order within this time; `shipit scale` is slower.
_TOGETHER_S = 1.0


def _ended_s(one: ContainerFacts) -> float:
    """Seconds since the epoch; 0 for a container that has not ended."""
    return float(unix_time(one.finished_at) or 0)


class Foreign(NamedTuple):
    """A container that is not of this target. `ports` are those of the host that it publishes."""

    name: str
    ports: tuple[Publish, ...] = ()


class Lacking(NamedTuple):
    """The layers of an image that a host lacks: their number and size."""

    layers: int
    size_bytes: int


class HostFacts(NamedTuple):
    """One engine. `images` are the pinned images that it has, and the ids of all. `lacks`: image to be sent -> what is lacking.

    `proxy` is None where it does not matter to the target.
    """

    containers: tuple[ContainerFacts, ...] = ()
    foreign: tuple[Foreign, ...] = ()
    images: frozenset[str] = frozenset()
    lacks: Mapping[str, Lacking] = {}
    proxy: ProxyFacts | None = None

    def of(self, service: str) -> tuple[ContainerFacts, ...]:
        return tuple(found for found in self.containers if found.service == service)

    def running(self, service: str) -> tuple[ContainerFacts, ...]:
        return tuple(found for found in self.of(service) if found.is_running)

    def find(self, name: str) -> ContainerFacts | None:
        return next((found for found in self.containers if found.name == name), None)

    def stopped_last(self, service: str) -> tuple[ContainerFacts, ...]:
        """The containers of a service that were stopped together last, one for each number.

        They are alike. Those that `shipit scale` stopped before have the highest numbers, and have ended before number 1.
        """
        found = sorted(self.of(service), key=_ended_s)
        if not found:
            return ()
        last = found[-1]
        alike = {
            one.number: one for one in found if (one.spec, one.image, one.marks) == (last.spec, last.image, last.marks)
        }
        since_s = _ended_s(alike[min(alike)]) - _TOGETHER_S
        return tuple(alike[number] for number in sorted(alike) if _ended_s(alike[number]) >= since_s)

    @property
    def services(self) -> tuple[str, ...]:
        """The services that run."""
        return tuple(sorted({found.service for found in self.containers if found.is_running and found.service}))


class ProbeFacts(NamedTuple):
    """The answer of a container to GET of its health path: a status, or 0 and the reason why there is none."""

    path: str
    status: int
    reason: str = ""

    @property
    def is_good(self) -> bool:
        return 200 <= self.status < 400

    @property
    def summary(self) -> str:
        return f"GET {self.path} answers {self.status}" if self.status else f"GET {self.path}: {self.reason}"


class Unreached(NamedTuple):
    """The error of a host that does not answer. `ran` says what the run saw there last, and when; empty where it never did."""

    where: str
    what: str
    hint: str = ""
    retryable: bool = False
    ran: str = ""


class DockerObserved(NamedTuple):
    """`hosts` by their addresses. `probes`: id of a container -> its answer; empty where none was asked.

    `unreached` are the hosts of the target that do not answer; they are not among `hosts`.
    """

    hosts: Mapping[str, HostFacts] = {}
    probes: Mapping[str, ProbeFacts] = {}
    unreached: Mapping[str, Unreached] = {}

    def running_names(self) -> dict[str, frozenset[str]]:
        """Host -> names of the containers that run there."""
        return {
            host: frozenset(found.name for found in facts.containers if found.is_running and found.service)
            for host, facts in self.hosts.items()
        }
