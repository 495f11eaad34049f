"""Who we are to a registry: Docker's config.json and its helpers, podman's auth.json.

Source: docs.docker.com/reference/cli/docker/login, "Credential stores"; containers-auth.json(5).
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from shipit.clock import Clock, Deadline
from shipit.config.environment import Environment
from shipit.files import Missing, Unreadable, read_text
from shipit.image.engine.address import docker_folder
from shipit.process import ProgramFailed
from shipit.reference import DOCKER_HUB, ImageRef
from shipit.registry.helper import call_helper
from shipit.threads import Once

_HUB_KEYS = ("https://index.docker.io/v1/", "index.docker.io", "docker.io", "registry-1.docker.io")


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

    A helper or file that is broken is a warning, told once.
    """

    def __init__(self, environment: Environment, warn: Callable[[str], None], deadline: Deadline | None = None) -> None:
        self.environment = environment
        self.deadline = deadline or Deadline(Clock())
        self._told: set[str] = set()
        self._warn = warn
        self._configs = list(_configs(environment, self._warned))
        for _, config in self._configs:
            environment.redactor.add(secrets_in(config))
        self._found: Once[str, Credentials | None] = Once()

    def find(self, ref: ImageRef) -> Credentials | None:
        """The credentials for a repository, from the first place that has some; None means anonymous."""
        keys = repository_keys(ref)
        scoped = next(
            (key for key in keys if any(key in (config.get("auths") or {}) for _, config in self._configs)), ""
        )
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
        keys = host_keys(host)
        for origin, config in self._configs:
            auths = config.get("auths") or {}
            if scoped in auths and (found := _from_entry(auths[scoped], origin, self._warned)):
                return found
            helper = own_helper(config, host)
            for name in filter(None, (helper, config.get("credsStore"))):
                if found := _from_helper(str(name), keys[0], self.environment, self._warned):
                    return found
            for key in keys:
                if isinstance(auths.get(key), dict) and (found := _from_entry(auths[key], origin, self._warned)):
                    return found
        return None


def secrets_in(config: Mapping[str, Any]) -> Iterator[str]:
    """Every password and token that a configuration holds, for whichever host."""
    auths = config.get("auths")
    for entry in auths.values() if isinstance(auths, dict) else ():
        if isinstance(entry, dict):
            yield from (str(entry.get(key) or "") for key in ("password", "identitytoken", "registrytoken", "auth"))
            try:
                yield base64.b64decode(str(entry.get("auth") or "")).decode().partition(":")[2].rstrip("\0")
            except ValueError:
                continue


def own_helper(config: Mapping[str, Any], host: str) -> str | None:
    """The helper that a configuration names for one host."""
    helpers = config.get("credHelpers") or {}
    return next((str(helpers[key]) for key in host_keys(host) if key in helpers), None)


def host_keys(host: str) -> tuple[str, ...]:
    """The names under which a host's credentials may stand; the first is the one that docker writes."""
    return _HUB_KEYS if host == DOCKER_HUB else (host, f"https://{host}", f"https://{host}/v1/", f"https://{host}/v2/")


def repository_keys(ref: ImageRef) -> tuple[str, ...]:
    """The names under which a repository's own credentials may stand, the longest first: podman keeps them by namespace."""
    parts = ref.repository.split("/")
    return tuple(f"{ref.registry}/{'/'.join(parts[:count])}" for count in range(len(parts), 0, -1))


def docker_config_file(environment: Environment) -> Path:
    return docker_folder(environment.variables, environment.home) / "config.json"


def _configs(environment: Environment, warn: Callable[[str], None]) -> Iterator[tuple[str, dict[str, Any]]]:
    if inline := environment.get("DOCKER_AUTH_CONFIG"):
        yield from _parsed("DOCKER_AUTH_CONFIG", inline, warn)
    docker = docker_config_file(environment)
    podman = [environment.get("REGISTRY_AUTH_FILE")]
    if runtime := environment.get("XDG_RUNTIME_DIR"):
        podman.append(f"{runtime}/containers/auth.json")
    podman.append(str(environment.home / ".config/containers/auth.json"))
    for file in (docker, *(Path(name) for name in podman if name)):
        try:
            text = read_text(file)
        except Missing:
            continue
        except Unreadable as error:
            warn(f"{file} {error.what}, and is passed over")
            continue
        yield from _parsed(str(file), text, warn)


def _parsed(origin: str, text: str, warn: Callable[[str], None]) -> Iterator[tuple[str, dict[str, Any]]]:
    try:
        config = json.loads(text)
    except ValueError:
        warn(f"{origin} is not JSON and is passed over")
        return
    if isinstance(config, dict):
        yield origin, config


def _from_entry(entry: dict[str, Any], origin: str, warn: Callable[[str], None]) -> Credentials | None:
    token = str(entry.get("identitytoken") or "")
    if entry.get("username") and entry.get("password"):
        return Credentials(str(entry["username"]), str(entry["password"]), token, origin=origin)
    try:
        decoded = base64.b64decode(str(entry.get("auth") or ""), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        warn(f"{origin} has an auth that is not base64")
        return None
    username, colon, password = decoded.partition(":")
    if not colon and not token:
        return None
    return Credentials(username, password.rstrip("\0"), token, origin=origin)


def _from_helper(name: str, key: str, environment: Environment, warn: Callable[[str], None]) -> Credentials | None:
    program = f"docker-credential-{name}"
    try:
        done = call_helper(name, "get", key, environment)
    except ProgramFailed as error:
        warn(f"{program} gave no credentials for {key}: it {error.reason}")
        return None
    if done.code != 0:
        if b"not found" not in done.output:
            warn(f"{program} gave no credentials for {key}: it {done.how}")
        return None
    try:
        answer = json.loads(done.output)
        username, secret = str(answer["Username"]), str(answer["Secret"])
    except (ValueError, KeyError, TypeError):
        warn(f"{program} gave an answer for {key} that is not understood")
        return None
    if username == "<token>":
        return Credentials("", "", secret, origin=program)
    return Credentials(username, secret, origin=program)
