"""One swarm as the place of a target: its manager, its services, and the reading of both."""

from __future__ import annotations

from collections.abc import Mapping

from shipit.config.process_environment import ProcessEnvironment
from shipit.config.project import Project
from shipit.release import (
    Place,
)
from shipit.targets.engine.connection import Hosts, engine_addresses
from shipit.targets.session import Session
from shipit.targets.swarm import KIND
from shipit.targets.swarm.client import SwarmClient
from shipit.targets.swarm.config import SwarmConfig
from shipit.targets.swarm.contents import secret_text
from shipit.targets.swarm.judge import Limits
from shipit.targets.swarm.look import Reader
from shipit.targets.swarm.observed import SwarmObserved
from shipit.targets.swarm.setting import Setting
from shipit.targets.swarm.spec import stack_service_name
from shipit.targets.swarm.stack_wanted import stack_name
from shipit.targets.swarm.wanted import Services


class SwarmPlace:
    """The services of one target in one swarm."""

    kind = KIND

    def __init__(
        self,
        name: str,
        config: SwarmConfig,
        project: Project,
        environment: ProcessEnvironment,
        services: Services,
    ) -> None:
        self.name = name
        self.config = config
        self.project = project
        self.services = services
        self.owner = self.services.owner
        self.environment = environment
        self.hosts = Hosts(engine_addresses([config.host] if config.host else [], environment))
        self.place = Place("swarm", f"{self.owner.prefix} in the swarm of {self.hosts.names[0]}")

    def observe(self, session: Session) -> SwarmObserved:
        client = self._client(session)
        if session.release is None:
            client.check_manager()
        return self._reader(client, session).observe()

    def _client(self, session: Session) -> SwarmClient:
        return SwarmClient.of(self.hosts.client(self.hosts.names[0], session))

    def _reader(self, client: SwarmClient, session: Session) -> Reader:
        adopts = self._stack_names if self.config.take_over else ()
        return Reader(client, self.owner, self._secrets, session, self._files(session), adopts)

    def _setting(self, session: Session) -> Setting:
        read = self.project.folder.read
        return Setting(self.name, self.owner, self._client(session), session, self._secrets, read, self._files(session))

    def _files(self, session: Session) -> Mapping[str, str]:
        """Source -> value of the secrets that are files of the project; read once in a run. Raises: ShipitError."""

        def read() -> dict[str, str]:
            paths = self.services.secret_paths
            found = {source: secret_text(self.project.folder.read(paths[source]), paths[source]) for source in paths}
            session.environment.redactor.add(found.values())
            return found

        return session.clients.once(("secret files", self.name), read)

    @property
    def _stack(self) -> str:
        """The stack of a stack file; empty for services of deploy.yml."""
        return stack_name(self.owner, self.config) if self.config.file else ""

    @property
    def _stack_names(self) -> frozenset[str]:
        """The names that docker gives the services of the stack file."""
        return frozenset(stack_service_name(self._stack, name) for name in self.services.names)

    @property
    def _limits(self) -> Limits:
        services = self.services
        return Limits(self.config.pending, self.config.restarts_allowed, services.longest_wait_s, services.undecided_s)

    @property
    def _secrets(self) -> frozenset[str]:
        return frozenset([*self.project.secrets_for(self.name), *self.services.secret_variables])
