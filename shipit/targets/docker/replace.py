"""Replaces the containers of a service on one host: the old ones are kept, and run again when a new one is not ready."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from shipit.config.author import read_author
from shipit.errors import DeployFailed, Interrupted, RemoteError, ShipitError
from shipit.events import Event, Log, StepApplied
from shipit.targets.docker.look import present, read_container
from shipit.targets.docker.observed import ContainerFacts
from shipit.targets.docker.owned import is_own, make_network
from shipit.targets.docker.parse import parse_foreign
from shipit.targets.docker.proxy.route import dial
from shipit.targets.docker.proxy.switch import Switch
from shipit.targets.docker.ready import await_ready
from shipit.targets.docker.render import create_body
from shipit.targets.docker.resting import start_container, stop_container
from shipit.targets.docker.send import send_image
from shipit.targets.docker.setting import Setting
from shipit.targets.docker.steps import ReplaceService
from shipit.targets.engine.client import HostClient
from shipit.targets.engine.copied import copied_body, without_networks
from shipit.targets.engine.owner import SERVICE, origin_labels
from shipit.targets.engine.secret_files import copy_files, give_files
from shipit.targets.engine.superseded import superseded_error

# How long bringing back the old containers may take, also when the deadline has passed.
_UNDO_S = 120.0


class Replacement:
    """One step, at its host."""

    def __init__(self, step: ReplaceService, client: HostClient, setting: Setting) -> None:
        self.step, self.client, self.setting = step, client, setting
        self._created: list[str] = []
        self._started: list[str] = []
        self._stopped: list[str] = []
        self._has_switched = False
        # The addresses that the proxy leads to since then.
        self._serving: list[str] = []
        self._switch = Switch(client, setting)

    def run(self) -> Iterator[Event]:
        """Raises: DeployFailed with the last lines of what crashed; the old containers run then as they did."""
        bodies = self._bodies()
        old = self._old()
        self._check_ports()
        if self.step.route:
            self._switch.check(self.step.route)
        is_stop_first = self.step.order == "stop-first"
        try:
            if is_stop_first:
                self._stop(old)
            new = [self._make(name, body) for name, body in bodies.items()]
            new += [self._existing(name) for name in self.step.start]
            for container in new:
                self._start(container)
            yield from self._await(new)
            self._lead()
        except ShipitError as error:
            self._undo(error)
            raise
        yield from self._drain(old)
        self._stop(old)
        facts = {
            "host": self.step.host,
            "containers": [*bodies, *self.step.start],
            "stopped": [one.name for one in old],
        }
        yield StepApplied(self.step.id, self.setting.target, facts)

    def _bodies(self) -> dict[str, dict[str, Any]]:
        """Name -> body of the request that creates it. Values are checked before anything is changed."""
        step, owner = self.step, self.setting.owner
        if not step.create:
            return {}
        if step.spec is None:
            like = self.client.container(step.like)
            if like is None:
                raise DeployFailed(
                    f"{step.like} is not on {step.host} any more", where=step.service, hint="scale again"
                )
            return {name: copied_body(like, number) for name, number in step.create.items()}
        values = self.setting.session.planned_values(step.marks, self.setting.target)
        image = send_image(step.spec.image, self.client, self.setting, step.id).id if step.spec.is_sent else ""
        session = self.setting.session
        origin = origin_labels(session.run, session.commit, read_author(session.environment))
        bodies = {
            name: create_body(owner, step.spec, number, values, step.marks, image)
            for name, number in step.create.items()
        }
        return {name: {**body, "Labels": {**origin, **body["Labels"]}} for name, body in bodies.items()}

    def _rows(self) -> list[ContainerFacts]:
        """The containers of the service."""
        rows = self.client.containers(self.setting.owner.filters)
        own = (row["Id"].required() for row in rows if row["Labels"].texts().get(SERVICE, "") == self.step.service)
        return [one for name in own if (one := self._read(name))]

    def _read(self, name: str, client: HostClient | None = None) -> ContainerFacts | None:
        return read_container(client or self.client, name, self.setting.secrets, self.setting.session)

    def _old(self) -> list[ContainerFacts]:
        """The running containers that the new ones replace. Raises: DeployFailed where somebody else started others."""
        own = {*self.step.create, *self.step.start}
        running = [one for one in self._rows() if one.is_running]
        for one in running:
            is_planned = one.id in self.step.known or (one.name in own and self._is_made(one))
            if not is_planned:
                what = f"{one.name} runs on {self.step.host} since the plan was made"
                raise superseded_error(what, self.setting.target, one.made)
        return [one for one in running if one.name in self.step.stop and not (one.name in own and self._is_made(one))]

    def _is_made(self, found: ContainerFacts) -> bool:
        """True when a container is what this step makes, as after a crash in the middle of it."""
        spec = self.step.spec
        if found.name in self.step.start or spec is None:
            return True
        return found.spec == spec.hash and dict(found.marks) == dict(self.step.marks)

    def _check_ports(self) -> None:
        """Raises: DeployFailed where another container publishes a port that the service needs."""
        wanted = (
            {(port.host, port.protocol) for port in self.step.spec.publish if port.host} if self.step.spec else set()
        )
        if not wanted:
            return
        own = {row["Id"].text() for row in self.client.containers(self.setting.owner.filters)}
        for row in self.client.containers():
            if row["Id"].text() in own:
                continue
            other = parse_foreign(row)
            if taken := [str(port) for port in other.ports if (port.host, port.protocol) in wanted]:
                what = f"the port {taken[0]} of {self.step.host} is taken by the container {other.name}"
                raise DeployFailed(what, where=self.setting.target, hint="publish another port, or stop that container")

    def _make(self, name: str, body: Mapping[str, Any]) -> ContainerFacts:
        """Create a container; one that was created by an earlier attempt is used."""
        make_network(self.client, self.setting.owner)
        self._make_volumes()
        first, others = without_networks(body)
        if self.step.spec:
            others = dict.fromkeys(self.step.spec.networks, self.step.spec.names)
        for _ in range(2):
            if self.client.create(name, first):
                self._created.append(name)
                break
            found = self._own(name)
            if found is not None and self._is_made(found):
                break
            if found is not None:
                # It has the name, and other settings: it is replaced as the others are.
                self.client.rename(found.id, f"{name}-{found.id[:6]}")
        self._join(name, others)
        if name in self._created:
            self._give_files(name)
        return self._existing(name)

    def _give_files(self, name: str) -> None:
        """Upload the secrets that a new container has as files: those of the step, or of the container that it is like."""
        if self.step.spec is None:
            if like := self.client.container(self.step.like):
                copy_files(self.client, like, name)
            return
        marks = {key: mark for key, mark in self.step.marks.items() if key in self.step.spec.secret_files}
        if marks:
            give_files(self.client, name, self.setting.session.planned_values(marks, self.setting.target))

    def _join(self, name: str, networks: Mapping[str, Sequence[str]]) -> None:
        """Connect a container to the networks that it is not in: an earlier attempt may have ended before it did so."""
        if networks and (found := self.client.container(name)):
            joined = found["NetworkSettings"]["Networks"].map()
            for network, aliases in networks.items():
                if network not in joined:
                    self.client.connect(network, name, aliases)

    def _own(self, name: str) -> ContainerFacts | None:
        """The container of a name. Raises: DeployFailed where it is not of this target."""
        return self._read(name) if is_own(self.client, name, self.setting) else None

    def _existing(self, name: str) -> ContainerFacts:
        return present(self._own(name), name, self.step.host, self.setting)

    def _make_volumes(self) -> None:
        for volume in self.step.spec.volumes if self.step.spec else ():
            if volume.is_named:
                self.client.create_volume(volume.source, self.setting.owner.labels)

    def _start(self, container: ContainerFacts) -> None:
        if not container.is_running:
            self._started.append(container.name)
            try:
                start_container(self.client, container.id)
            except RemoteError as error:
                what = f"{container.name} can't be started on {self.step.host}: {error.what}"
                raise DeployFailed(what, where=self.setting.target) from None

    def _await(self, new: list[ContainerFacts]) -> Iterator[Event]:
        for one in new:
            yield Log(self.setting.target, self.step.service, f"started {one.name} on {self.step.host}")
        await_ready([one.name for one in new], self.step, self.client, self.setting, self._read)

    def _lead(self) -> None:
        """Make the proxy lead to the containers that serve from now on. Old ones that run still answer what they have."""
        route = self.step.route
        if route is None:
            return
        self._serving = [dial(self._existing(name).id, route.port) for name in self.step.serving]
        self._switch.check_names(self._serving)
        self._has_switched = True
        if self._serving:
            self._switch.lead(route, self._serving)
        else:
            self._switch.remove(self.step.service)

    def _drain(self, old: list[ContainerFacts]) -> Iterator[Event]:
        route = self.step.route
        draining = [one for one in old if one.name not in self._stopped]
        if route is None or not draining or not self.step.serving:
            return
        yield from self._switch.drain(route, [dial(one.id, route.port) for one in draining], self._serving)

    def _lead_back(self, client: HostClient) -> None:
        """Make the proxy lead to the containers that ran before, when it may lead to the new ones."""
        route = self.step.route
        if route and self._has_switched and self.step.known:
            dials = [dial(one, route.port) for one in self.step.known]
            Switch(client, self.setting).lead(route, dials)

    def _stop(self, old: list[ContainerFacts]) -> None:
        for one in old:
            if one.name not in self._stopped:
                self._stopped.append(one.name)
                stop_container(self.client, one.id)

    def _stop_new(self, client: HostClient) -> None:
        for name in self._created:
            client.remove(name)
        for name in self._started:
            if name not in self._created:
                stop_container(client, name)

    def _undo(self, error: ShipitError) -> None:
        """Remove what was created, stop what was started, start what was stopped; the error says what was read after that."""
        client = self.client.within(_UNDO_S)
        try:
            if self.step.order != "stop-first":
                self._lead_back(client)
            self._stop_new(client)
            for name in self._stopped:
                start_container(client, name)
            if self.step.order == "stop-first":
                self._lead_back(client)
            found = [one for name in self.step.stop if (one := self._read(name, client)) and one.is_running]
        except Interrupted:
            raise
        except ShipitError as second:
            error.what += f"; bringing back the old containers failed, too: {second}"
            return
        running = {one.name: one for one in found}
        started = [name for name in self._stopped if name in running]
        if started:
            error.what += f"; {', '.join(started)} was started again"
        others = [one for one in found if one.name not in started]
        if serving := [one.name for one in others if one.is_serving]:
            error.what += f"; {', '.join(serving)} serves on"
        error.what += "".join(f"; {one.name} {one.runs_as}" for one in others if not one.is_serving)
        if ended := [name for name in self.step.stop if name not in running]:
            error.what += f"; {', '.join(ended)} does not run"
