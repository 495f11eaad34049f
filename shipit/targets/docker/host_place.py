"""The hosts of a target, its services there, and what is observed."""

from __future__ import annotations

from shipit.config.process_environment import ProcessEnvironment
from shipit.config.project import Project
from shipit.release import (
    Place,
    Seen,
    Verdict,
)
from shipit.targets.docker.config import DockerConfig
from shipit.targets.docker.judge import Limits
from shipit.targets.docker.look import observe
from shipit.targets.docker.observed import DockerObserved
from shipit.targets.docker.plan_back import Way
from shipit.targets.docker.reach import Aim, check_distinct, check_reached, judge_reached, with_last_sights
from shipit.targets.docker.wanted import Services
from shipit.targets.engine.client import HostClient
from shipit.targets.engine.connection import Hosts, engine_addresses
from shipit.targets.session import Session


class HostPlace:
    """The hosts, and what every part of the target reads of them."""

    def __init__(self, name: str, config: DockerConfig, project: Project, environment: ProcessEnvironment) -> None:
        self.name = name
        self.config = config
        self.project = project
        self.services = Services(name, config, project)
        self.owner = self.services.owner
        self.hosts = Hosts(engine_addresses(config.hosts, environment))
        self.place = Place("docker", f"{self.owner.prefix} on {', '.join(self.hosts.names)}")

    def observe(self, session: Session) -> DockerObserved:
        found = observe(self.hosts, self.owner, self._secrets, session, has_proxy=bool(self.services.routes()))
        found = with_last_sights(found, self._sights(session), session.clock.wall_s())
        if session.is_planning:
            # Nothing is built for a plan that can't be made.
            check_reached(found)
            check_distinct(found)
        return found

    def _sights(self, session: Session) -> dict[str, str]:
        """What the run saw on each host last."""
        return session.clients.once(("docker hosts as seen", self.place.identity), dict)

    def _judge_reached(self, observed: DockerObserved, seen: Seen, aim: Aim | None = None) -> Verdict | None:
        return judge_reached(observed, seen, self.config.pending, aim)

    def _way(self, service: str) -> Way:
        config = self.services.configs.get(service)
        return Way(config.order, self.services.health(service), self.services.route(service)) if config else Way()

    def _first(self, session: Session) -> HostClient:
        return self.hosts.client(self.hosts.names[0], session)

    @property
    def _limits(self) -> Limits:
        return Limits(self.config.pending, self.config.restarts_allowed)

    @property
    def _secrets(self) -> frozenset[str]:
        return frozenset(self.project.secrets_for(self.name))
