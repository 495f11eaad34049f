"""Restarts the containers of a service one after the other, each when the one before is ready."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from shipit.errors import DeadlinePassed, DeployFailed, ShipitError
from shipit.events import Event, Log
from shipit.targets.compose.drain import before_stop
from shipit.targets.compose.observed import ContainerFacts, left_beside
from shipit.targets.compose.origin import with_labels
from shipit.targets.compose.program import last_lines
from shipit.targets.compose.ready import await_ready
from shipit.targets.compose.setting import Setting
from shipit.targets.compose.steps import RestartContainers
from shipit.targets.compose.up import containers_of, kept_content, labelled, run_alone
from shipit.targets.engine.client import HostClient
from shipit.targets.engine.owner import BESIDE

# Seconds to look at what serves on, or to remove a container that is not ready, also when the deadline has passed.
_UNDO_S = 30.0


class Restart:
    """One step, at its engine."""

    def __init__(self, step: RestartContainers, client: HostClient, setting: Setting) -> None:
        self.step, self.client, self.setting = step, client, setting

    def run(self) -> Iterator[Event]:
        """Raises: DeployFailed for a container that is not ready again: the others are not restarted, and serve on."""
        own = [one for one in self._containers() if one.name in self.step.names]
        if self.step.before_stop and self.step.file:
            yield from self._replace(own)
            return
        beside = self._start_beside(own[0]) if self.step.file and own else []
        for one in own:
            others = [other for other in (*own, *beside) if other is not one]
            if others:
                self._drain(one)
            self.setting.session.fence()
            self.client.restart(one.name)
            yield Log(self.setting.target, self.step.service, f"restarted {one.name}")
            self._await(one, others)
        for one in beside:
            self._remove(one)

    def _replace(self, own: Sequence[ContainerFacts]) -> Iterator[Event]:
        """One more container for each, which is removed then: what `before_stop` does in a container is for one that ends."""
        for one in left_beside(self._containers()):
            if one.is_serving:
                yield from self._leave(one)
            self._remove(one)
        for one in own:
            # It stays: with one more label than the others, Compose would recreate some of them at the next deploy.
            self._start_more({})
            yield from self._leave(one)
            self._remove(one)
            yield Log(self.setting.target, self.step.service, f"replaced {one.name}")

    def _leave(self, one: ContainerFacts) -> Iterator[Event]:
        yield from before_stop(one, self.step.service, self.step.before_stop, self.client, self.setting)

    def _remove(self, one: ContainerFacts) -> None:
        self._drain(one)
        self.setting.session.fence()
        self.client.stop(one.id)
        # Anonymous volumes may have data, as where a service is rolled.
        self.client.remove(one.id, keeps_volumes=True)

    def _containers(self) -> list[ContainerFacts]:
        return sorted(containers_of(self.client, self.setting, self.step.service), key=lambda one: one.number)

    def _start_beside(self, like: ContainerFacts) -> list[ContainerFacts]:
        """The containers that serve while `like` restarts: one that a killed restart left, or a new one. Raises: as `_start_more`."""
        return self._left_beside(like) or self._start_more({BESIDE: like.id})

    def _start_more(self, labels: Mapping[str, str]) -> list[ContainerFacts]:
        """One more container of the service, when it is ready. Raises: DeployFailed, after it was removed."""
        service, before = self.step.service, {one.id for one in self._containers()}
        content = kept_content(self.step.file, self.client, self.setting)
        given = with_labels(labelled(content, self.client, self.setting), service, labels)
        done = run_alone(given, ["--no-recreate"], (service,), {service: len(before) + 1}, self.setting)
        new = [one for one in self._containers() if one.id not in before]
        if not new or (done.code and any(one.state == "created" for one in new)):
            lines = last_lines(done.errors)
            said = lines[-1] if lines else "no container was made"
            for one in new:
                self.client.within(_UNDO_S).remove(one.id)
            raise DeployFailed(f"docker compose up {done.how}: {said}", where=self.setting.target, detail=lines[:-1])
        try:
            await_ready(service, [one.id for one in new], self.client, self.setting, self.setting.steady_s)
        except ShipitError:
            for one in new:
                self.client.within(_UNDO_S).remove(one.id)
            raise
        return new

    def _left_beside(self, like: ContainerFacts) -> list[ContainerFacts]:
        """The containers that a killed restart of `like` left and that serve; others that it left are removed."""
        found = [one for one in left_beside(self._containers()) if one.beside == like.id]
        for one in found:
            if not one.is_serving:
                self.setting.session.fence()
                self.client.remove(one.id, keeps_volumes=True)
        return [one for one in found if one.is_serving]

    def _drain(self, one: ContainerFacts) -> None:
        if self.step.drain_s:
            self.setting.session.deadline.sleep(self.step.drain_s, f"the requests to {one.name}")

    def _await(self, one: ContainerFacts, others: Sequence[ContainerFacts]) -> None:
        try:
            await_ready(self.step.service, [one.id], self.client, self.setting, self.setting.steady_s)
        except (DeployFailed, DeadlinePassed) as error:
            client = self.client.within(_UNDO_S)
            found = containers_of(client, self.setting, self.step.service)
            ids = {other.id for other in others}
            names = [other.name for other in found if other.id in ids and other.is_serving]
            if names and self.step.file:
                # Compose counts both, and would keep the one with the lower number, which is not ready.
                client.remove(one.id, keeps_volumes=True)
                error.what += f"; {one.name} was removed"
            if names:
                error.what += f"; {', '.join(names)} {'serves' if len(names) == 1 else 'serve'} on"
            raise
