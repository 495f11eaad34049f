"""One engine as the place of a target: the project, its compose file, and the reading of both."""

from __future__ import annotations

from shipit.config.process_environment import ProcessEnvironment
from shipit.config.project import Project
from shipit.release import Place
from shipit.targets.compose import KIND
from shipit.targets.compose.config import ComposeConfig
from shipit.targets.compose.file import ComposeFile
from shipit.targets.compose.judge import Limits
from shipit.targets.compose.look import observe
from shipit.targets.compose.observed import ComposeObserved
from shipit.targets.compose.reading import ComposeSource
from shipit.targets.engine.client import HostClient
from shipit.targets.engine.connection import Hosts, engine_addresses
from shipit.targets.engine.owner import Owner
from shipit.targets.session import Session


class ComposePlace:
    """The services of a compose file on one engine."""

    kind = KIND

    def __init__(self, name: str, config: ComposeConfig, project: Project, environment: ProcessEnvironment) -> None:
        self.name = name
        self.config = config
        self.project = project
        self.owner = Owner(project.app, project.environment, name)
        self.compose_project = config.project or self.owner.prefix
        addresses = engine_addresses((config.host,) if config.host else (), environment)
        self.hosts = Hosts(addresses)
        [self.host] = self.hosts.names
        self.place = Place("compose", f"{self.compose_project} on {self.host}")
        self.source = ComposeSource(
            name, config, project, environment, self.owner, self.compose_project, addresses[self.host]
        )
        self._file: ComposeFile | None = None

    def observe(self, session: Session) -> ComposeObserved:
        content = self.source.rendered(session, session.release) if session.release else None
        client = self._client(session)
        return observe(client, self.compose_project, self.owner, self._secrets, content, session)

    def _observe_kept(self, session: Session) -> ComposeObserved:
        """The project without what deploy.yml and the compose file want there."""
        return observe(self._client(session), self.compose_project, self.owner, self._secrets, None, session)

    def _plain_file(self) -> ComposeFile:
        """Read once: it does not change while a command runs."""
        if self._file is None:
            self._file = self.source.plainly()
        return self._file

    def _client(self, session: Session) -> HostClient:
        return self.hosts.client(self.host, session)

    @property
    def _limits(self) -> Limits:
        return Limits(self.config.pending, self.config.restarts_allowed)

    @property
    def _secrets(self) -> frozenset[str]:
        return frozenset(self.project.secrets_for(self.name))
