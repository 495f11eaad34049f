"""One app, as a target names it: its configuration, its place and the images of its process types."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shipit.config.process_environment import ProcessEnvironment
from shipit.config.project import Project
from shipit.errors import RemoteError
from shipit.reference import parse_reference
from shipit.release import Place, Release
from shipit.targets.heroku import KIND
from shipit.targets.heroku.address import api_address
from shipit.targets.heroku.config import HerokuConfig
from shipit.targets.heroku.observed import NO_IMAGE
from shipit.targets.heroku.processes import Processes
from shipit.targets.session import Session

if TYPE_CHECKING:
    from shipit.targets.heroku.wanted import Wanted


class AppPlace:
    """The configuration that every method of a Heroku target needs."""

    kind = KIND

    def __init__(self, name: str, config: HerokuConfig, project: Project, environment: ProcessEnvironment) -> None:
        self.name = name
        self.config = config
        self.project = project
        self.app = config.app or project.app
        api, self.registry = api_address(environment)
        self.place = Place("heroku", f"app {self.app} at {api.split('://')[-1]}")
        self.processes = Processes(config, project, self.registry, self.app)

    def _wanted(self, release: Release) -> Wanted:
        from shipit.targets.heroku.wanted import wanted_of

        return wanted_of(self.config, self.project.env_for(self.name), self.processes.digests(release), release.marks)

    def _is_pushed(self, session: Session, process: str, short: str) -> bool | None:
        """Whether the app's registry has the tag that shipit puts beside an image of a process type."""
        if session.registries is None or not short or short == NO_IMAGE:
            return None
        reference = parse_reference(self.processes.repository(process.lower()))
        try:
            client = session.registries.client(reference)
            return client.manifest_digest(reference.repository, f"sha-{short}") is not None
        except RemoteError:
            return None
