"""Parses Docker's config.json and podman's auth.json into values; unexpected content gives a warning. Pure.

Source: docs.docker.com/reference/cli/docker/login; docker/cli, config/configfile; containers-auth.json(5).
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from shipit.json_text import parse_json
from shipit.reference import DOCKER_HUB

Warn = Callable[[str], None]
_HUB_HOSTS = ("docker.io", "index.docker.io", "registry-1.docker.io")
HUB_KEY = "https://index.docker.io/v1/"


class AuthEntry(NamedTuple):
    """The credentials of one key of `auths`; each field may be empty."""

    username: str = ""
    password: str = ""
    identity_token: str = ""

    @property
    def is_empty(self) -> bool:
        return not self.identity_token and not (self.username and self.password)


class DockerConfig(NamedTuple):
    """A config.json. `origin` is its file or variable.

    `entries`: key of `auths` -> credentials. `helpers`: key of `credHelpers` -> helper, such as `osxkeychain`.
    `store` is `credsStore`, the helper for all other hosts; empty when there is none.
    """

    origin: str
    entries: Mapping[str, AuthEntry] = {}
    helpers: Mapping[str, str] = {}
    store: str = ""

    def entries_for(self, host: str) -> Iterator[AuthEntry]:
        """The entries for a host, the one under docker's own key first."""
        keys = [key for key in self.entries if is_key_of(key, host)]
        yield from (self.entries[key] for key in sorted(keys, key=lambda key: key != host_key(host)))

    def helpers_for(self, host: str) -> list[str]:
        """The helpers to call for a host, its own first."""
        own = [name for key, name in self.helpers.items() if is_key_of(key, host)]
        return [*own[:1], *([self.store] if self.store else [])]


def host_key(host: str) -> str:
    """The key under which docker stores the credentials of a host."""
    return HUB_KEY if host == DOCKER_HUB else host


def is_key_of(key: str, host: str) -> bool:
    """Whether a key, such as `host`, `https://host` or `https://host/v2/`, belongs to a host.

    A key with a path and without a scheme is one of podman's namespaces, unless the path is /v1 or /v2.
    """
    rest = key.strip().lower()
    has_scheme = rest.startswith(("https://", "http://"))
    name, _, path = rest.removeprefix("https://").removeprefix("http://").partition("/")
    if not has_scheme and path.rstrip("/") not in ("", "v1", "v2"):
        return False
    return (name in _HUB_HOSTS) if host == DOCKER_HUB else name == host.lower()


def parse_docker_config(text: str, origin: str, warn: Warn) -> DockerConfig:
    """Parse a configuration; unknown or invalid parts are ignored with a warning."""
    try:
        config = parse_json(text)
    except ValueError:
        warn(f"{origin} is not JSON and is ignored")
        return DockerConfig(origin)
    if not isinstance(config, dict):
        warn(f"{origin} should be a JSON object, and is ignored")
        return DockerConfig(origin)
    return docker_config_from(config, origin, warn)


def docker_config_from(config: Mapping[str, Any], origin: str, warn: Warn) -> DockerConfig:
    """The values of a configuration that is already parsed as JSON."""
    entries = {key: _entry(value, key, origin, warn) for key, value in _map(config, "auths", origin, warn).items()}
    helpers = _map(config, "credHelpers", origin, warn)
    for key, name in helpers.items():
        if not isinstance(name, str):
            warn(f"{origin}: credHelpers for {key} should be the name of a helper")
    store = config.get("credsStore")
    if store is not None and not isinstance(store, str):
        warn(f"{origin}: credsStore should be the name of a helper")
    known = {key: name for key, name in helpers.items() if isinstance(name, str) and name}
    return DockerConfig(origin, entries, known, store if isinstance(store, str) else "")


def secrets_in(text: str) -> Iterator[str]:
    """Every text in a configuration that may be a password or token, for redaction."""
    try:
        config = parse_json(text)
    except ValueError:
        return
    auths = config.get("auths") if isinstance(config, dict) else None
    for entry in auths.values() if isinstance(auths, dict) else ():
        for key, value in entry.items() if isinstance(entry, dict) else ():
            if isinstance(value, str) and key in ("password", "identitytoken", "registrytoken", "auth"):
                yield value
                if key == "auth":
                    yield (_decoded(value) or "").partition(":")[2].rstrip("\0")


def _map(config: Mapping[str, Any], key: str, origin: str, warn: Warn) -> Mapping[str, Any]:
    found = config.get(key)
    if found is None or isinstance(found, dict):
        return found or {}
    warn(f"{origin}: {key} should be an object, and is ignored")
    return {}


def _entry(value: Any, key: str, origin: str, warn: Warn) -> AuthEntry:
    if value is None:
        return AuthEntry()
    if not isinstance(value, dict):
        warn(f"{origin}: auths for {key} should be an object")
        return AuthEntry()
    texts = {name: _text(value.get(name), name, key, origin, warn) for name in _FIELDS}
    if texts["username"] and texts["password"]:
        return AuthEntry(texts["username"], texts["password"], texts["identitytoken"])
    if not texts["auth"]:
        return AuthEntry(identity_token=texts["identitytoken"])
    pair = _decoded(texts["auth"])
    if pair is None:
        warn(f"{origin} has an auth that is not base64")
        return AuthEntry(identity_token=texts["identitytoken"])
    username, colon, password = pair.partition(":")
    if not colon and not texts["identitytoken"]:
        warn(f"{origin}: auth for {key} should be a user, a colon and a password, in base64")
    return AuthEntry(username, password.rstrip("\0"), texts["identitytoken"])


_FIELDS = ("username", "password", "auth", "identitytoken")


def _text(value: Any, name: str, key: str, origin: str, warn: Warn) -> str:
    if value is None or isinstance(value, str):
        return value or ""
    warn(f"{origin}: {name} for {key} should be text")
    return ""


def _decoded(auth: str) -> str | None:
    """The decoded `auth`; None when it is not base64 or not UTF-8. Line breaks and missing padding are accepted."""
    plain = "".join(auth.split()).rstrip("=")
    try:
        return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return None
