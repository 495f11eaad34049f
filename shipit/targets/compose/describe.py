"""The status of a Compose project. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

from shipit.release import Place, Status, Unit
from shipit.targets.compose.observed import ComposeObserved, ContainerFacts


def describe(target: str, place: Place, observed: ComposeObserved, urls: tuple[str, ...]) -> Status:
    """A unit for each container of the project."""
    return Status(target, place, "", tuple(_unit(one) for one in observed.containers), urls)


def _unit(one: ContainerFacts) -> Unit:
    is_ready = one.state == "running" and one.health in ("", "healthy")
    state = f"{one.state}, {one.health}" if one.health else one.state
    error = "" if one.is_running or one.has_ended_well else one.ended
    wanted, ready = (None, None) if one.has_ended_well else (1, int(is_ready))
    since = one.started_at if one.is_running else ""
    return Unit(one.name, state, one.image, wanted, ready, one.restarts, since, error, one.made.run)


def urls_of(host: str, observed: ComposeObserved) -> Iterator[str]:
    """The ports of the host that running containers publish; of another machine, those that can be reached from here."""
    name = urlsplit(host).hostname or "localhost"
    running = [one for one in observed.containers if one.is_running]
    ports = {port for one in running for port in one.ports}
    if name not in ("localhost", "127.0.0.1", "::1"):
        ports = {port for one in running for port in one.ports if port not in one.local_ports}
    for port in sorted(ports):
        yield f"http://{name}" if port == 80 else f"http://{name}:{port}"
