"""The values of secrets that a run has read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress

from shipit.clock import Clock
from shipit.config.process_environment import ProcessEnvironment
from shipit.config.project import Project
from shipit.config.secret_source import SecretSource
from shipit.config.secrets import resolve_secrets, runs_program
from shipit.errors import ConfigErrors
from shipit.events import Emit, Warned


class SecretValues:
    """Reads secrets once; each value is redacted in all output from then on."""

    def __init__(self, project: Project, environment: ProcessEnvironment, clock: Clock, emit: Emit) -> None:
        self._project, self._environment, self._clock, self._emit = project, environment, clock, emit
        self._held: dict[str, str] = {}
        self._build: dict[str, Mapping[str, str]] = {}

    @property
    def held(self) -> Mapping[str, str]:
        """Name -> value of the secrets that were read so far."""
        return self._held

    def read(self, names: Iterable[str], *, may_skip: bool = False) -> None:
        """Read the secrets of these names.

        `may_skip` is for what changes no place: a secret of an untrusted file that comes from a program is not read
        then, and a warning says so; its value stays unknown.
        """
        wanted, sources = set(names), self._project.secrets
        skipped = {name for name in wanted if self._environment.is_untrusted and runs_program(sources[name])}
        self._held |= self._read(wanted - skipped if may_skip else wanted, sources, "secrets")
        for name in sorted(skipped if may_skip else ()):
            self._emit(Warned("", f"the secret {name} is not read: no program is run with --untrusted"))
            self._held[name] = f"not read: {name}"

    def read_near(self, names: Iterable[str]) -> None:
        """Read those of these secrets that are in the environment or in files, and leave out what can't be read.

        For what needs no secret: their values are masked then.
        """
        for name in set(names):
            if not runs_program(self._project.secrets[name]):
                with suppress(ConfigErrors):
                    self._held |= self._read([name], self._project.secrets, "secrets")

    def of_target(self, target: str) -> dict[str, str]:
        """Name -> value of the secrets that a target gets, as far as they were read."""
        return {name: self._held[name] for name in self._project.secrets_for(target) if name in self._held}

    def of_build(self, image: str) -> Mapping[str, str]:
        """Id -> value of the secrets that the build of an image mounts."""
        build = self._project.images[image].build
        if build is None or not build.secrets:
            return {}
        if image not in self._build:
            self._build[image] = self._read(build.secrets, build.secrets, f"images.{image}.build.secrets")
        return self._build[image]

    def _read(self, names: Iterable[str], sources: Mapping[str, SecretSource], path: str) -> Mapping[str, str]:
        folder, known = self._project.folder, self._project.names
        return resolve_secrets(names, sources, folder, self._environment, path, known=known, clock=self._clock)
