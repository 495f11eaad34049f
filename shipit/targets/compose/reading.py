"""Reads the compose file of a target with `docker compose config`, and renders it for a release."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import NamedTuple

from shipit.clock import Clock, Deadline
from shipit.config.dotenv import read_dotenv
from shipit.config.model import DotenvConfig
from shipit.config.process_environment import ProcessEnvironment
from shipit.config.project import Project
from shipit.docker.address import EngineAddress
from shipit.errors import DeployFailed, RemoteError
from shipit.release import Image, ImageUse, Release
from shipit.targets.compose.config import ComposeConfig, usual_files
from shipit.targets.compose.content import Content, starting_variables
from shipit.targets.compose.file import GIVEN, ComposeFile, parse_file, plain
from shipit.targets.compose.program import ComposeProgram, compose_variables, unset_variables
from shipit.targets.compose.render import render_file
from shipit.targets.compose.secret_values import may_be_secret, secrets_within
from shipit.targets.engine.own_images import own_images
from shipit.targets.engine.owner import Owner
from shipit.targets.image_uses import image_use
from shipit.targets.session import Session

# Stands for the value of a secret where only the services of the file are wanted: a port and a path take it, too.
PLACEHOLDER = "1"
_READ_S = 120.0


class ComposeSource(NamedTuple):
    """The compose file of one target."""

    name: str
    config: ComposeConfig
    project: Project
    environment: ProcessEnvironment
    owner: Owner
    compose_project: str
    address: EngineAddress

    def plainly(self) -> ComposeFile:
        """The file without values of secrets, for what does not depend on them. Raises: ShipitError."""
        clock = Clock()
        secrets = dict.fromkeys(self.project.secrets_for(self.name), PLACEHOLDER)
        values = {**self.project.env, **secrets}
        return self._read(self._program(values, clock, Deadline(clock, clock.now() + _READ_S)))

    def uses(self, file: ComposeFile) -> dict[str, ImageUse]:
        """Service -> how its image of deploy.yml is used. Raises: DeployFailed."""
        names = own_images(self.name, self.config.images, self.project, file.services.values())
        return {service: self._use(name) for service, name in names.items()}

    def rendered(self, session: Session, release: Release) -> Content:
        """The rendered file of a release; read once in a run. Raises: ShipitError."""
        images = {image.use: image for image in release.images}
        key = ("compose file", self.name, tuple(sorted(image.pinned for image in release.images)))
        return session.clients.once(key, partial(self._rendered, session, lambda use: images[use]))

    def unset(self, session: Session) -> tuple[str, ...]:
        """The variables of the file that have no value."""
        return self._read_with(session).unset

    def rendered_again(self, session: Session, images: Mapping[str, str], platforms: Mapping[str, str]) -> Content:
        """The rendered file with the images of a step: service -> pinned image."""
        key = ("compose file", self.name, tuple(sorted(set(images.values()))))
        return session.clients.once(key, partial(self._render, session, images, platforms))

    def program(self, session: Session, variables: Mapping[str, str]) -> ComposeProgram:
        return self._program(variables, session.clock, session.deadline)

    def _rendered(self, session: Session, find: Callable[[ImageUse], Image]) -> Content:
        uses = self.uses(self._read_with(session))
        images = {service: find(use) for service, use in uses.items()}
        platforms = {self.image_name(image): image.use.platform for image in images.values()}
        return self._render(session, {service: self.image_name(image) for service, image in images.items()}, platforms)

    def image_name(self, image: Image) -> str:
        """The name of an image in the rendered file: pinned, or that under which it is sent to the engine."""
        return image.pinned if image.repository else self.owner.image_name(image.name, image.config_digest)

    def _render(self, session: Session, images: Mapping[str, str], platforms: Mapping[str, str]) -> Content:
        file, program = self._read_with(session), self.program(session, self._values(session))
        variables = starting_variables(file, program.variables)
        text = render_file(self.owner, file, images, variables)
        hashes = program.hashes(text)
        if missing := [name for name in file.services if name not in hashes]:
            what = f"the output has no hash of the service {missing[0]}"
            raise RemoteError(what, where="docker compose config --hash", hint="update the Compose plugin of docker")
        return Content(text.decode(), hashes, images, platforms, variables, session.commit)

    def _read_with(self, session: Session) -> ComposeFile:
        def read() -> ComposeFile:
            return self._read(self.program(session, self._values(session)))

        return session.clients.once(("compose file as written", self.name), read)

    def _values(self, session: Session) -> dict[str, str]:
        return {**session.env, **session.secrets}

    def _program(self, values: Mapping[str, str], clock: Clock, deadline: Deadline) -> ComposeProgram:
        variables = compose_variables(self.environment.variables, values, self.address, self.config.host)
        return ComposeProgram(variables, self.compose_project, self.project.root, clock, deadline)

    def _read(self, program: ComposeProgram) -> ComposeFile:
        if self.environment.is_untrusted:
            what = "the compose file of an untrusted project is not read: it may name any file of this machine"
            raise DeployFailed(what, where=self.name, hint="deploy it from a trusted checkout")
        done = program.config(self._files(), self.config.profiles, "--format", "json")
        file = parse_file(done.output)
        tell_secrets(self.environment, self.project, file)
        return file._replace(unset=unset_variables(done.errors))

    @property
    def merged(self) -> tuple[str, ...]:
        """The file and its override, where deploy.yml names none and there are both."""
        found = () if self.config.file else usual_files(self.project.folder)
        return found if len(found) > 1 else ()

    def _files(self) -> list[str]:
        found = self.config.file or usual_files(self.project.folder)
        return [str(self.project.folder.checked(name)) for name in found]

    def _use(self, name: str) -> ImageUse:
        is_sent = self.config.load or self.project.images[name].repository is None
        return image_use(self.project, name, is_sent=is_sent)


def tell_secrets(environment: ProcessEnvironment, project: Project, file: ComposeFile) -> None:
    """Tell the redactor the secrets of the file: its contents, and the values of variables that are named like a secret.

    Those of the process and of `.env` may stand anywhere in the file: only what it has somewhere is told, because they have
    values of other programs, too.
    """
    redactor, folder = environment.redactor, project.root
    for service in file.services.values():
        redactor.add(value for name, value in service.env.items() if may_be_secret(name, value, folder))
    for kind in GIVEN:
        rows = file.of_kind(kind).values()
        redactor.add(plain(str(row["content"])) for row in rows if row.get("content"))
    for variables in (environment.variables, usual_variables(project, environment.variables)):
        redactor.add(secrets_within(file, variables, folder))


def usual_variables(project: Project, process: Mapping[str, str]) -> Mapping[str, str]:
    """The variables of the `.env` beside deploy.yml, which Compose reads by itself; none where it can't be read."""
    values, _ = read_dotenv((DotenvConfig(path=".env", required=False),), project.folder, project.source, process)
    return values
