"""Restarts the containers of a service on one host one after the other, while the others serve."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from shipit.errors import DeadlinePassed, DeployFailed, ShipitError
from shipit.events import Event, Log, StepApplied
from shipit.targets.docker.look import present, read_container
from shipit.targets.docker.observed import ContainerFacts
from shipit.targets.docker.owned import is_own
from shipit.targets.docker.proxy.route import dial
from shipit.targets.docker.proxy.switch import Switch
from shipit.targets.docker.ready import await_ready, not_serving
from shipit.targets.docker.replace import Replacement
from shipit.targets.docker.resting import stop_container
from shipit.targets.docker.setting import Setting
from shipit.targets.docker.steps import ReplaceService, RestartService
from shipit.targets.engine.client import HostClient
from shipit.targets.engine.owner import SERVICE

# Seconds to stop a container that is not ready, also when the deadline has passed.
_UNDO_S = 120.0


class Restart:
    """One step, at its host."""

    def __init__(self, step: RestartService, client: HostClient, setting: Setting) -> None:
        self.step, self.client, self.setting = step, client, setting
        self._switch = Switch(client, setting)

    def run(self) -> Iterator[Event]:
        """Raises: DeployFailed for a container that is not ready again: the others are not restarted, and serve on."""
        names = [name for name in self.step.names if is_own(self.client, name, self.setting)]
        beside = [self.step.beside] if self.step.beside and names else []
        if beside:
            yield from self._start_beside(names[0])
        for name in names:
            others = [other for other in (*names, *beside) if other != name]
            yield from self._lead(others, [name])
            self.setting.session.fence()
            self.client.restart(name)
            yield Log(self.setting.target, self.step.service, f"restarted {name} on {self.step.host}")
            self._await(name, others)
        yield from self._lead(names, beside)
        for name in beside:
            self.client.stop(name)
            self.client.remove(name)

    def _start_beside(self, like: str) -> Iterator[Event]:
        """Start a container like the only one, and wait until it is ready. Raises: DeployFailed, after it was removed."""
        step = self.step
        copy = ReplaceService(
            step.id,
            step.summary,
            host=step.host,
            service=step.service,
            like=like,
            marks={},
            create={step.beside: step.number},
            known=self._running(),
            health=step.health,
        )
        for event in Replacement(copy, self.client, self.setting).run():
            if not isinstance(event, StepApplied):
                yield event

    def _running(self) -> tuple[str, ...]:
        """The ids of the containers of the service."""
        rows = self.client.containers(self.setting.owner.filters)
        return tuple(row["Id"].required() for row in rows if row["Labels"].texts().get(SERVICE) == self.step.service)

    def _lead(self, serving: Sequence[str], away: Sequence[str]) -> Iterator[Event]:
        """Make the proxy lead to some containers, and wait until others have answered their requests."""
        route = self.step.route
        if route is None or not serving:
            return
        dials = [dial(self._existing(name).id, route.port) for name in serving]
        self._switch.check_names(dials)
        self._switch.lead(route, dials)
        if away:
            yield from self._switch.drain(route, [dial(self._existing(name).id, route.port) for name in away], dials)

    def _await(self, name: str, others: Sequence[str]) -> None:
        try:
            await_ready([name], self.step, self.client, self.setting, self._read)
        except (DeployFailed, DeadlinePassed) as error:
            client = self.client.within(_UNDO_S)
            found = [one for other in others if (one := self._read(other, client)) and one.is_running]
            away = {one.name: reason for one in found if (reason := not_serving(one, self.step, client, self.setting))}
            serving = [one.name for one in found if one.name not in away]
            if serving == [self.step.beside] and not away:
                # A deploy keeps the one of both that runs.
                try:
                    stop_container(client, name)
                except ShipitError as second:
                    error.what += f"; stopping {name} failed, too: {second}"
            if serving:
                error.what += f"; {', '.join(serving)} {'serves' if len(serving) == 1 else 'serve'} on"
            error.what += "".join(f"; {other} {reason}" for other, reason in away.items())
            raise

    def _read(self, name: str, client: HostClient | None = None) -> ContainerFacts | None:
        return read_container(client or self.client, name, self.setting.secrets, self.setting.session)

    def _existing(self, name: str) -> ContainerFacts:
        return present(self._read(name), name, self.step.host, self.setting)
