"""The client and the values with which a step is applied."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from shipit.docker.client import auth_header
from shipit.errors import DeployFailed
from shipit.reference import parse_reference
from shipit.targets.engine.made_by import UNKNOWN, MadeBy
from shipit.targets.engine.owner import Owner
from shipit.targets.engine.superseded import superseded_error
from shipit.targets.session import Session
from shipit.targets.swarm.client import SwarmClient
from shipit.targets.swarm.contents import secret_text
from shipit.targets.swarm.look import Reader
from shipit.targets.swarm.spec import SwarmSpec, source_of


class Setting(NamedTuple):
    """The target, its manager and the session of a step. `secrets` are names of variables; `read` gives the bytes of a project's file, `files`: source -> value of secrets that are files."""

    target: str
    owner: Owner
    client: SwarmClient
    session: Session
    secrets: frozenset[str]
    read: Callable[[str], bytes]
    files: Mapping[str, str] = {}

    @property
    def reader(self) -> Reader:
        return Reader(self.client, self.owner, self.secrets, self.session, self.files)

    def values(self, spec: SwarmSpec, marks: Mapping[str, str]) -> dict[str, str]:
        """The values of the variables and secret files of a service. Raises: DeployFailed where one is not that of the plan."""
        files = {one.name: one.file for one in spec.stack.secrets if one.file} if spec.stack else {}
        sources = {source_of(spec, name): mark for name, mark in marks.items() if name not in files}
        known = self.session.planned_values(sources, self.target)
        found = {name: known[source_of(spec, name)] for name in marks if name not in files}
        for name in files:
            found[name] = secret_text(self.read(files[name]), files[name])
            self.session.environment.redactor.add([found[name]])
            if self.session.mark(found[name]) != marks.get(name):
                what = f"{files[name]} changed since the plan was made"
                raise DeployFailed(what, where=self.target, hint="make a new plan")
        return found

    def login(self, image: str) -> str:
        """The value of X-Registry-Auth for an image; empty for none."""
        ref = parse_reference(image)
        found = self.session.registries.credentials(ref) if self.session.registries else None
        if found is None:
            return ""
        return auth_header(ref.registry, (found.username, found.password, found.identity_token))

    def superseded(self, what: str, made: MadeBy = UNKNOWN) -> DeployFailed:
        return superseded_error(what, self.target, made)
