"""The client and the values with which a step is applied."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from shipit.docker.client import auth_header
from shipit.errors import DeployFailed
from shipit.reference import parse_reference
from shipit.targets.engine.owner import Owner
from shipit.targets.engine.superseded import superseded_error
from shipit.targets.session import Session
from shipit.targets.swarm.client import SwarmClient
from shipit.targets.swarm.look import Reader


class Setting(NamedTuple):
    """The target, its manager and the session of a step. `secrets` are names of variables; `read` gives the bytes of a project's file."""

    target: str
    owner: Owner
    client: SwarmClient
    session: Session
    secrets: frozenset[str]
    read: Callable[[str], bytes]

    @property
    def reader(self) -> Reader:
        return Reader(self.client, self.owner, self.secrets, self.session)

    def login(self, image: str) -> str:
        """The value of X-Registry-Auth for an image; empty for none."""
        ref = parse_reference(image)
        found = self.session.registries.credentials(ref) if self.session.registries else None
        if found is None:
            return ""
        return auth_header(ref.registry, (found.username, found.password, found.identity_token))

    def superseded(self, what: str) -> DeployFailed:
        return superseded_error(what, self.target)
