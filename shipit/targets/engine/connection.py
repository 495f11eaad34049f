"""The connections of a run to the engines of a target, each made once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from urllib.parse import urlsplit

from shipit.config.process_environment import ProcessEnvironment
from shipit.docker.address import EngineAddress, find_engine, find_named_engine
from shipit.docker.client import Engine
from shipit.errors import RemoteError, ShipitError
from shipit.targets.engine.client import HostClient
from shipit.targets.session import Session


def engine_addresses(names: Sequence[str], environment: ProcessEnvironment) -> dict[str, EngineAddress]:
    """Address -> engine, in the order of deploy.yml; the engine that the docker command uses where it names none."""
    variables, home = environment.variables, environment.home
    found = [find_named_engine(name, variables, home, "hosts:") for name in names]
    return {address.host: address for address in found or [find_engine(variables, home, lambda text: None)]}


# Of Docker 20.10.
_LEAST_API = (1, 41)


class Hosts:
    """The engines of a target by their addresses."""

    def __init__(self, addresses: Mapping[str, EngineAddress]) -> None:
        self._addresses = addresses

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._addresses)

    def client(self, host: str, session: Session) -> HostClient:
        """Raises: RemoteError where no engine answers, or the target does not have this host."""
        if host not in self._addresses:
            raise RemoteError("is no host of the target", where=host, hint="make a new plan")
        engine = session.clients.once(("docker engine", host), partial(self._connect, host, session))
        return HostClient(engine, host, session.deadline)

    def _connect(self, host: str, session: Session) -> Engine:
        address = self._addresses[host]
        engine = Engine(address, session.environment.variables)
        try:
            is_reachable = engine.is_reachable()
        except ShipitError as error:
            raise RemoteError(error.what, where=host, hint=error.hint) from None
        if not is_reachable:
            engine.close()
            what = f"no Docker engine answers: {engine.unreachable_reason}"
            raise RemoteError(what, where=str(address), hint=_hint(host, is_denied=engine.is_denied))
        if not engine.has_api(*_LEAST_API):
            engine.close()
            what = f"{engine.title} is too old: it has no API {'.'.join(map(str, _LEAST_API))}"
            raise RemoteError(
                what, where=str(address), hint="install Docker 20.10 or newer: https://docs.docker.com/engine/install"
            )
        return engine


def _hint(host: str, *, is_denied: bool) -> str:
    """The hint where no engine answers."""
    parts = urlsplit(host)
    if is_denied:
        return "add your user to the group of the socket: sudo usermod -aG docker $USER, then log in again"
    if parts.scheme != "ssh":
        return f"check: docker --host {host} version"
    user = parts.username or "USER"
    return f"check: docker --host {host} version; Docker has to run there, and {user} be in its group: sudo usermod -aG docker {user}"
