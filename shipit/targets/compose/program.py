"""Runs `docker compose`: without a shell, with a deadline and bounded output.

Values of secrets reach it by its environment and, in a rendered file, by its standard input: no file of this machine has them.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from shipit.clock import Clock, Deadline
from shipit.docker.address import EngineAddress
from shipit.errors import DeployFailed, RemoteError, ShipitError
from shipit.process import Finished, ProgramFailed, run_program

_LARGEST = 16 * 1024 * 1024
_READ_S = 60.0
_LAST_LINES, _LONGEST_LINE = 20, 500
_INSTALL = (
    "install it: the package docker-compose-plugin of docker.com, or docker-compose of Debian 13 and Ubuntu 24.04"
)
# A warning of `docker compose config`, as its log escapes it.
_UNSET, _MOST_NAMES = re.compile(r'The \\?"(\w{1,100})\\?" variable is not set'), 50
# The beginnings of version numbers that are too old.
_OLD = ("0.", "1.")
# Variables by which the docker command finds its engine, and those of its connection.
_ENGINE_NAMES = ("DOCKER_HOST", "DOCKER_CONTEXT")
_CONNECTION_NAMES = (
    *_ENGINE_NAMES, "DOCKER_API_VERSION", "DOCKER_CERT_PATH", "DOCKER_CONFIG", "DOCKER_TLS", "DOCKER_TLS_VERIFY",
)  # fmt: skip


class ComposeProgram(NamedTuple):
    """The program on one engine for one project. `folder` is what relative paths of the file are relative to."""

    variables: Mapping[str, str]
    project: str
    folder: Path
    clock: Clock
    deadline: Deadline

    def config(self, files: Sequence[str], profiles: Sequence[str], *words: str, given: bytes = b"") -> Finished:
        """`docker compose config`, which asks no engine. Raises: DeployFailed, RemoteError."""
        named = [word for file in files for word in ("--file", file)]
        named += [word for profile in profiles for word in ("--profile", profile)]
        done = self._run([*named, "config", *words], _READ_S, given)
        if done.code:
            raise self._refused("the compose file can't be used", done)
        return done

    def hashes(self, text: bytes) -> dict[str, str]:
        """Service of a rendered file -> the hash by which Compose knows what a container was created from."""
        lines = self.config(["-"], (), "--hash", "*", given=text).output.decode("utf-8", "replace").splitlines()
        pairs = (line.split() for line in lines if line.strip())
        return {pair[0]: pair[1] for pair in pairs if len(pair) == 2}

    def up(self, text: bytes, words: Sequence[str]) -> Finished:
        """`docker compose up --detach` of a rendered file. The caller checks the containers, whatever the exit code is."""
        command = ["--file", "-", "up", "--detach", "--no-build", "--quiet-pull", *words]
        return self._run(command, self.deadline.remaining_s(), text)

    def _run(self, words: Sequence[str], limit_s: float, given: bytes) -> Finished:
        docker = shutil.which("docker", path=self.variables.get("PATH"))
        if docker is None:
            raise RemoteError("the docker command is not installed", where="docker compose", hint=_INSTALL)
        command = [docker, "compose", "--ansi", "never", "--project-name", self.project]
        command += ["--project-directory", str(self.folder)]
        # A rendered file has every value; `.env` of the folder may have settings of Compose itself.
        command += ["--env-file", os.devnull] if given else []
        command += words
        limit_s = max(0.1, min(limit_s, self.deadline.remaining_s()))
        try:
            done = run_program(
                command,
                variables=self.variables,
                timeout_s=limit_s,
                folder=self.folder,
                given=given,
                clock=self.clock,
                max_bytes=_LARGEST,
            )
        except ProgramFailed as error:
            raise RemoteError(f"docker compose {error.reason}", where=f"docker compose {_verb(words)}") from None
        if done.code:
            self._check_version(docker)
        return done

    def _check_version(self, docker: str) -> None:
        """The cause of a failure may be an old Compose, or a missing one. Raises: RemoteError."""
        where = "docker compose"
        try:
            done = run_program(
                [docker, "compose", "version", "--short"], variables=self.variables, timeout_s=_READ_S, clock=self.clock
            )
        except ProgramFailed as error:
            raise RemoteError(error.reason, where=where) from None
        found = done.output.decode("utf-8", "replace").strip().lstrip("v")
        if done.code or not found[:1].isdigit():
            raise RemoteError("the Compose plugin of the docker command is not installed", where=where, hint=_INSTALL)
        if found.startswith(_OLD):
            raise RemoteError(f"Compose {found[:20]} is too old: version 2 is needed", where=where, hint=_INSTALL)

    def _refused(self, what: str, done: Finished) -> ShipitError:
        lines = last_lines(done.errors)
        return DeployFailed(f"{what}: {lines[-1] if lines else done.how}", where=self.project, detail=lines[:-1])


def _verb(words: Sequence[str]) -> str:
    return next((word for word in words if word in ("config", "up")), "")


def unset_variables(errors: bytes) -> tuple[str, ...]:
    """The variables of the file that have no value, by the warnings of Compose: they are empty there."""
    found = _UNSET.findall(errors.decode("utf-8", "replace"))
    return tuple(dict.fromkeys(found))[:_MOST_NAMES]


def last_lines(errors: bytes) -> tuple[str, ...]:
    """The last lines that Compose wrote on its standard error, without empty ones."""
    lines = [line.strip()[:_LONGEST_LINE] for line in errors.decode("utf-8", "replace").splitlines()]
    return tuple([line for line in lines if line][-_LAST_LINES:])


def compose_variables(
    variables: Mapping[str, str], own: Mapping[str, str], address: EngineAddress, host: str | None
) -> dict[str, str]:
    """The environment of the program: the process's, the variables of deploy.yml above it, and the engine of the target.

    Settings of Compose itself in the user's environment are left out: deploy.yml says which file, profiles and project.
    The variables of deploy.yml do not change the connection: Compose talks to the engine that shipit reads.
    """
    found = {key: value for key, value in variables.items() if not key.startswith("COMPOSE_")}
    found |= {key: value for key, value in own.items() if key not in _CONNECTION_NAMES}
    found["COMPOSE_IGNORE_ORPHANS"] = "true"
    if host and host.startswith("context:"):
        found = {key: value for key, value in found.items() if key not in _ENGINE_NAMES}
        return {**found, "DOCKER_CONTEXT": host.removeprefix("context:")}
    if host or not address.origin:
        found.pop("DOCKER_CONTEXT", None)
        found["DOCKER_HOST"] = address.host
    return found
