"""Who we are to a registry: Docker's config.json and its helpers, podman's auth.json.

Source: docs.docker.com/reference/cli/docker/login, "Credential stores"; containers-auth.json(5).
"""

from __future__ import annotations

import base64
import binascii
import json
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from shipit.config.environment import Environment
from shipit.reference import DOCKER_HUB

HELPER_TIMEOUT_S = 15
_HUB_KEYS = ("https://index.docker.io/v1/", "index.docker.io", "docker.io", "registry-1.docker.io")


@dataclass(frozen=True)
class Credentials:
    """A user and a secret, or an identity token. `preemptive` sends them before being asked."""

    username: str
    password: str = field(repr=False)
    identity_token: str = field(default="", repr=False)
    preemptive: bool = False
    origin: str = ""


def find_credentials(host: str, environment: Environment, warn: Callable[[str], None]) -> Credentials | None:
    """The credentials for a registry host, from the first place that has some; None means anonymous.

    Looks in $DOCKER_AUTH_CONFIG, Docker's config.json (that host's helper, the store, auths), then podman's auth.json.
    A helper or file that is broken is a warning.
    """
    keys = _HUB_KEYS if host == DOCKER_HUB else (host, f"https://{host}", f"https://{host}/v1/", f"https://{host}/v2/")
    for origin, config in _configs(environment, warn):
        helper = next((config["credHelpers"][key] for key in keys if key in (config.get("credHelpers") or {})), None)
        for name in filter(None, (helper, config.get("credsStore"))):
            for key in keys[:1]:
                if found := _from_helper(str(name), key, environment, warn):
                    return found
        for key in keys:
            entry = (config.get("auths") or {}).get(key)
            if isinstance(entry, dict) and (found := _from_entry(entry, origin, warn)):
                return found
    return None


def _configs(environment: Environment, warn: Callable[[str], None]) -> Iterator[tuple[str, dict[str, Any]]]:
    if inline := environment.get("DOCKER_AUTH_CONFIG"):
        yield from _parsed("DOCKER_AUTH_CONFIG", inline, warn)
    docker = Path(environment.get("DOCKER_CONFIG") or environment.home / ".docker") / "config.json"
    podman = [environment.get("REGISTRY_AUTH_FILE")]
    if runtime := environment.get("XDG_RUNTIME_DIR"):
        podman.append(f"{runtime}/containers/auth.json")
    podman.append(str(environment.home / ".config/containers/auth.json"))
    for file in (docker, *(Path(name) for name in podman if name)):
        try:
            text = file.read_text()
        except OSError:
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
        done = subprocess.run(
            [program, "get"],
            input=key,
            env=dict(environment.variables),
            capture_output=True,
            text=True,
            timeout=HELPER_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        reason = "it did not answer in time" if isinstance(error, subprocess.TimeoutExpired) else "it is not installed"
        warn(f"{program} gave no credentials for {key}: {reason}")
        return None
    if done.returncode != 0:
        if "not found" not in done.stdout:
            warn(f"{program} gave no credentials for {key}: it ended with {done.returncode}")
        return None
    try:
        answer = json.loads(done.stdout)
        username, secret = str(answer["Username"]), str(answer["Secret"])
    except (ValueError, KeyError, TypeError):
        warn(f"{program} gave an answer for {key} that is not understood")
        return None
    if username == "<token>":
        return Credentials("", "", secret, origin=program)
    return Credentials(username, secret, origin=program)
