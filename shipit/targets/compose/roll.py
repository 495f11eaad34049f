"""Replaces the containers of a service start-first: new ones beside the old ones, which are removed when the new ones are ready."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from shipit.errors import DeployFailed, ShipitError
from shipit.events import Event, Log
from shipit.targets.compose.content import Content, wanted_of
from shipit.targets.compose.drain import before_stop
from shipit.targets.compose.observed import ContainerFacts
from shipit.targets.compose.program import last_lines
from shipit.targets.compose.ready import await_needs, await_ready
from shipit.targets.compose.setting import Setting
from shipit.targets.compose.steps import RollService
from shipit.targets.compose.up import (
    check_known,
    containers_of,
    content_of,
    keep,
    labelled,
    marked_containers,
    run_alone,
)
from shipit.targets.engine.client import HostClient
from shipit.targets.engine.superseded import superseded_error

# Seconds to remove new containers in, also when the deadline has passed.
_UNDO_S = 120.0


class Roll:
    """One step, at its engine."""

    def __init__(self, step: RollService, client: HostClient, setting: Setting) -> None:
        self.step, self.client, self.setting = step, client, setting
        # Old containers in which `before_stop` ran may not serve any more.
        self._is_draining = False

    def run(self) -> Iterator[Event]:
        """Raises: DeployFailed with the last lines of a new container that failed: the new ones are removed, the old ones run on."""
        content = content_of(self.step, self.client, self.setting)
        yield from keep(content, self.step, self.client, self.setting)
        check_known(self.step, content, self.client, self.setting)
        await_needs(self.step.awaits, self.client, self.setting)
        # The wait may be long.
        check_known(self.step, content, self.client, self.setting)
        old, new = self._divided(content, self.client)
        # Compose would start one that has ended, and count it.
        self._remove(one for one in (*self._known(old), *new) if not one.is_running)
        try:
            yield from self._start(content)
            yield from self._drain(content)
            check_known(self.step, content, self.client, self.setting)
            old, new = self._divided(content, self.client)
            if len(new) < self.step.quantity:
                raise superseded_error(f"a new container of {self.step.service} was removed", self.setting.target)
        except ShipitError as error:
            self._undo(content, error)
            raise
        self._remove([*self._known(old), *new[self.step.quantity :]])

    def _known(self, containers: Iterable[ContainerFacts]) -> list[ContainerFacts]:
        """Those that the plan knew."""
        return [one for one in containers if one.id in self.step.known]

    def _containers(self, client: HostClient) -> list[ContainerFacts]:
        found = containers_of(client, self.setting, self.step.service)
        return sorted(found, key=lambda one: one.number)

    def _divided(self, content: Content, client: HostClient) -> tuple[list[ContainerFacts], list[ContainerFacts]]:
        """The containers that are replaced, and those that are as wanted, also by an earlier attempt."""
        wanted = wanted_of(content, self.setting.session.mark).services[self.step.service]
        found = sorted(marked_containers(client, self.setting, self.step.service), key=lambda one: one.number)
        new = list(wanted.keeps(found))
        return [one for one in found if one not in new], new

    def _start(self, content: Content) -> Iterator[Event]:
        """Start what is missing of the new containers, and wait until all of them are ready."""
        service, quantity = self.step.service, self.step.quantity
        old, new = self._divided(content, self.client)
        if len(new) < quantity:
            both = {service: len(old) + quantity}
            given = labelled(content, self.client, self.setting)
            done = run_alone(given, ["--no-recreate"], [service], both, self.setting)
            _, new = self._divided(content, self.client)
            if len(new) < quantity or (done.code and any(one.state == "created" for one in new)):
                lines = last_lines(done.errors)
                said = lines[-1] if lines else f"{service} has {len(new)} of {quantity} new containers"
                what = f"docker compose up {done.how}: {said}"
                raise DeployFailed(what, where=self.setting.target, detail=lines[:-1])
        for one in new:
            yield Log(self.setting.target, service, f"started {one.name}")
        await_ready(service, [one.id for one in new], self.client, self.setting, self.setting.steady_s)

    def _drain(self, content: Content) -> Iterator[Event]:
        """Let the old containers end their requests; the new ones have to be ready afterwards, too."""
        old, new = self._divided(content, self.client)
        for one in old if self.step.before_stop else ():
            self._is_draining = True
            yield from before_stop(one, self.step.service, self.step.before_stop, self.client, self.setting)
        if old:
            waiting = f"the requests to the old containers of {self.step.service}"
            self.setting.session.deadline.sleep(self.step.drain_s, waiting)
            await_ready(self.step.service, [one.id for one in new], self.client, self.setting)

    def _remove(self, containers: Iterable[ContainerFacts]) -> None:
        """Anonymous volumes may have data: they stay, as with `docker compose down`."""
        for one in containers:
            self.setting.session.fence()
            self.client.stop(one.id)
            self.client.remove(one.id, keeps_volumes=True)

    def _undo(self, content: Content, error: ShipitError) -> None:
        """Remove the new containers that this run made, if old ones serve; the error says what was read after that."""
        client = self.client.within(_UNDO_S)
        try:
            self.setting.session.fence()
            old, new = self._divided(content, client)
            if not any(one.is_serving for one in old):
                return
            # The `before_stop` of an earlier attempt may have run in the old ones.
            stays = self._is_draining or (self.step.before_stop and self._known(new))
            for one in () if stays else new:
                client.remove(one.id)
            found = self._containers(client)
        except ShipitError as second:
            error.what += f"; removing the new containers failed, too: {second}"
            return
        if stays:
            error.what += f"; {', '.join(one.name for one in found if one.is_running)} run until the next deploy"
        elif names := [one.name for one in found if one.is_serving]:
            error.what += f"; {', '.join(names)} {'serves' if len(names) == 1 else 'serve'} on"
