"""Finds the credentials for a registry: Docker's config.json and its helpers, podman's auth.json.

Source: docs.docker.com/reference/cli/docker/login, "Credential stores"; containers-auth.json(5).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from shipit.clock import Clock, Deadline
from shipit.config.folder import project_folder
from shipit.config.process_environment import ProcessEnvironment
from shipit.docker.address import docker_folder
from shipit.docker.config_file import AuthEntry, DockerConfig, host_key, parse_docker_config, secrets_in
from shipit.docker.credential_helper import call_helper
from shipit.files import Missing, Unreadable, is_within, read_text
from shipit.json_text import parse_json
from shipit.process import ProgramFailed
from shipit.reference import ImageRef
from shipit.threads import Once


@dataclass(frozen=True)
class Credentials:
    """A user and a secret, or an identity token. `preemptive` sends them before being asked."""

    username: str
    password: str = field(repr=False)
    identity_token: str = field(default="", repr=False)
    preemptive: bool = False
    origin: str = ""


class CredentialFinder:
    """Finds credentials in $DOCKER_AUTH_CONFIG, Docker's config.json, then podman's auth.json, each read once.

    A broken helper or file is one warning.
    """

    def __init__(
        self, environment: ProcessEnvironment, warn: Callable[[str], None], deadline: Deadline | None = None
    ) -> None:
        self.environment = environment
        self.deadline = deadline or Deadline(Clock())
        self._told: set[str] = set()
        self._warn = warn
        self._configs = list(_configs(environment, self._warned))
        self._found: Once[str, Credentials | None] = Once()

    def find(self, ref: ImageRef) -> Credentials | None:
        """The credentials for a repository, from the first source that has some; None means anonymous."""
        keys = repository_keys(ref)
        scoped = next((key for key in keys if any(key in config.entries for config in self._configs)), "")
        key = scoped or ref.registry
        ask = partial(self._learnt, ref.registry, scoped)
        return self._found.get(key, ask, self.deadline, f"credentials for {ref.registry}")

    def _learnt(self, host: str, scoped: str) -> Credentials | None:
        found = self._look(host, scoped)
        self.environment.redactor.add((found.password, found.identity_token) if found else ())
        return found

    def _warned(self, text: str) -> None:
        if text not in self._told:
            self._told.add(text)
            self._warn(text)

    def _look(self, host: str, scoped: str) -> Credentials | None:
        for config in self._configs:
            if scoped in config.entries and (found := _from_entry(config.entries[scoped], config.origin)):
                return found
            for name in config.helpers_for(host) if self._may_run(config.origin) else ():
                if found := self._from_helper(name, host_key(host)):
                    return found
            for entry in config.entries_for(host):
                if found := _from_entry(entry, config.origin):
                    return found
        return None

    def _may_run(self, origin: str) -> bool:
        """Whether the helpers of a configuration may be run: not those of a file in an untrusted project."""
        within = project_folder(self.environment.cwd, self.environment).within
        if within is None or origin == "DOCKER_AUTH_CONFIG" or not is_within(self.environment.cwd / origin, within):
            return True
        self._warned(f"{origin} is a file of the project: helpers that it names are not run with --untrusted")
        return False

    def _from_helper(self, name: str, key: str) -> Credentials | None:
        program = f"docker-credential-{name}"
        try:
            done = call_helper(name, "get", key, self.environment, self.deadline)
        except ProgramFailed as error:
            self._warned(f"{program} gave no credentials for {key}: it {error.reason}")
            return None
        if done.code != 0:
            if b"not found" not in done.output:
                self._warned(f"{program} gave no credentials for {key}: it {done.how}")
            return None
        try:
            answer = parse_json(done.output)
            username, secret = answer["Username"], answer["Secret"]
        except (ValueError, KeyError, TypeError):
            username = secret = None
        if not isinstance(username, str) or not isinstance(secret, str):
            self._warned(f"{program} gave an answer for {key} that is invalid")
            return None
        if username == "<token>":
            return Credentials("", "", secret, origin=program)
        return Credentials(username, secret, origin=program)


def repository_keys(ref: ImageRef) -> tuple[str, ...]:
    """The keys of a repository's own credentials, the longest first: podman stores them by namespace."""
    parts = ref.repository.split("/")
    return tuple(f"{ref.registry}/{'/'.join(parts[:count])}" for count in range(len(parts), 0, -1))


def docker_config_file(environment: ProcessEnvironment) -> Path:
    return docker_folder(environment.variables, environment.home) / "config.json"


def _configs(environment: ProcessEnvironment, warn: Callable[[str], None]) -> Iterator[DockerConfig]:
    for origin, text in _texts(environment, warn):
        # Masked before any message about it.
        environment.redactor.add(secrets_in(text))
        yield parse_docker_config(text, origin, warn)


def _texts(environment: ProcessEnvironment, warn: Callable[[str], None]) -> Iterator[tuple[str, str]]:
    if inline := environment.get("DOCKER_AUTH_CONFIG"):
        yield "DOCKER_AUTH_CONFIG", inline
    docker = docker_config_file(environment)
    podman = [environment.get("REGISTRY_AUTH_FILE")]
    if runtime := environment.get("XDG_RUNTIME_DIR"):
        podman.append(f"{runtime}/containers/auth.json")
    podman.append(str(environment.home / ".config/containers/auth.json"))
    for file in (docker, *(Path(name) for name in podman if name)):
        try:
            yield str(file), read_text(file)
        except Missing:
            continue
        except Unreadable as error:
            warn(f"{file} {error.what}, and is passed over")


def _from_entry(entry: AuthEntry, origin: str) -> Credentials | None:
    return None if entry.is_empty else Credentials(*entry, origin=origin)
