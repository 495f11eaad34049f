"""Logs in to a registry: checks the credentials, then stores them where docker does.

Source: docs.docker.com/reference/cli/docker/login, "Credential stores" and "Credential helper protocol".
"""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

from shipit.clock import Clock, Deadline
from shipit.config.process_environment import ProcessEnvironment
from shipit.docker.config_file import docker_config_from, host_key, is_key_of
from shipit.docker.credential_helper import call_helper
from shipit.errors import UsageError
from shipit.events import Emit
from shipit.files import Missing, Unreadable, read_text, write_file
from shipit.http.transport import Transport
from shipit.json_text import parse_json
from shipit.process import ProgramFailed
from shipit.registry.client import RegistryClient
from shipit.registry.credentials import Credentials, docker_config_file
from shipit.registry.wire import RegistryWire


def check_login(host: str, credentials: Credentials, environment: ProcessEnvironment, clock: Clock, emit: Emit) -> None:
    """Check that a registry accepts the credentials. Raises: RemoteError when it refuses them, or does not answer."""
    RegistryClient(RegistryWire(host, Transport(environment, Deadline(clock)), emit, credentials)).check()


def store_login(host: str, credentials: Credentials, environment: ProcessEnvironment) -> str:
    """Store credentials where docker does; returns the place, for people.

    Raises: UsageError when Docker's config.json or its helper refuses them.
    """
    file = docker_config_file(environment)
    config = _read(file)
    key = host_key(host)
    helper = _helper(config, host)
    if helper:
        answer = {"ServerURL": key, "Username": credentials.username, "Secret": credentials.password}
        _call(helper, "store", json.dumps(answer), environment)
        _write(file, {**config, "auths": {**(config.get("auths") or {}), key: {}}})
        return f"docker-credential-{helper}"
    pair = base64.b64encode(f"{credentials.username}:{credentials.password}".encode()).decode()
    environment.redactor.add((credentials.password, pair))
    _write(file, {**config, "auths": {**(config.get("auths") or {}), key: {"auth": pair}}})
    return str(file)


def erase_login(host: str, environment: ProcessEnvironment) -> list[str]:
    """Remove the credentials of a host; returns the places that had some.

    Raises: UsageError when Docker's config.json can't be read or written.
    """
    file = docker_config_file(environment)
    config = _read(file)
    places = []
    if helper := _helper(config, host):
        for key in _stored(helper, environment):
            if is_key_of(key, host):
                _call(helper, "erase", key, environment)
                places.append(f"docker-credential-{helper}")
    auths = config.get("auths") or {}
    kept = {key: value for key, value in auths.items() if not is_key_of(key, host)}
    if len(kept) < len(auths):
        _write(file, {**config, "auths": kept})
        places.append(str(file))
    return list(dict.fromkeys(places))


def _stored(helper: str, environment: ProcessEnvironment) -> list[str]:
    """The hosts that a helper has credentials for."""
    try:
        found = parse_json(_call(helper, "list", "", environment) or "{}") or {}
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise UsageError(f"docker-credential-{helper} list gave an invalid answer")
    return list(found)


def _helper(config: dict[str, Any], host: str) -> str:
    helpers = docker_config_from(config, "", lambda text: None).helpers_for(host)
    return helpers[0] if helpers else ""


def _read(file: Path) -> dict[str, Any]:
    try:
        config = parse_json(read_text(file))
    except Missing:
        return {}
    except (Unreadable, ValueError) as error:
        reason = error.reason if isinstance(error, Unreadable) else "it is not JSON"
        raise UsageError(f"can't be read: {reason}", where=str(file), hint="correct it; nothing was changed") from None
    if not isinstance(config, dict) or not isinstance(config.get("auths"), dict | None):
        raise UsageError("should be a JSON object with auths", where=str(file), hint="correct it; nothing was changed")
    return config


def _write(file: Path, config: dict[str, Any]) -> None:
    """Write the file atomically, readable by its owner only; a symbolic link is followed."""
    target = file.resolve()
    try:
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_file(target, (json.dumps(config, indent="\t") + "\n").encode(), mode=0o600)
    except OSError as error:
        raise UsageError(f"can't be written: {error.strerror}", where=str(file)) from None


def _call(helper: str, verb: str, text: str, environment: ProcessEnvironment) -> str:
    program = f"docker-credential-{helper}"
    try:
        done = call_helper(helper, verb, text, environment)
    except ProgramFailed as error:
        hint = "install it, or remove it from Docker's config.json"
        raise UsageError(f"{program} {error.reason}", hint=hint) from None
    if done.code != 0:
        said = (done.errors or done.output).decode("utf-8", "replace").strip().splitlines()
        raise UsageError(f"{program} {verb} {done.how}{f': {said[-1]}' if said else ''}")
    return done.output.decode("utf-8", "replace")
