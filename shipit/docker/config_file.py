"""What Docker's config.json and podman's auth.json hold, parsed into values: what is odd in one is a warning. Pure.

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


class Entry(NamedTuple):
    """What stands under one name of `auths`; each part may be empty."""

    username: str = ""
    password: str = ""
    identity_token: str = ""

    @property
    def is_empty(self) -> bool:
        return not self.identity_token and not (self.username and self.password)


class DockerConfig(NamedTuple):
    """`entries` and `helpers` have the names as they are written; `store` is the helper of every other host."""

    origin: str
    entries: Mapping[str, Entry] = {}
    helpers: Mapping[str, str] = {}
    store: str = ""

    def own(self, host: str) -> Iterator[Entry]:
        """The entries for a host, what docker writes first."""
        names = [name for name in self.entries if is_key_of(name, host)]
        yield from (self.entries[name] for name in sorted(names, key=lambda name: name != host_key(host)))

    def helpers_for(self, host: str) -> list[str]:
        """The helpers to ask for a host, its own first."""
        own = [name for key, name in self.helpers.items() if is_key_of(key, host)]
        return [*own[:1], *([self.store] if self.store else [])]


def host_key(host: str) -> str:
    """The name under which docker keeps the credentials of a host."""
    return HUB_KEY if host == DOCKER_HUB else host


def is_key_of(key: str, host: str) -> bool:
    """Whether a name, such as `host`, `https://host` or `https://host/v2/`, is that of a host.

    One with a path and without a scheme is a namespace of podman's, unless the path is that of an API.
    """
    rest = key.strip().lower()
    has_scheme = rest.startswith(("https://", "http://"))
    name, _, path = rest.removeprefix("https://").removeprefix("http://").partition("/")
    if not has_scheme and path.rstrip("/") not in ("", "v1", "v2"):
        return False
    return (name in _HUB_HOSTS) if host == DOCKER_HUB else name == host.lower()


def parse_docker_config(text: str, origin: str, warn: Warn) -> DockerConfig:
    """What a configuration says; what is not understood is passed over, and warned of."""
    try:
        config = parse_json(text)
    except ValueError:
        warn(f"{origin} is not JSON and is passed over")
        return DockerConfig(origin)
    if not isinstance(config, dict):
        warn(f"{origin} should be a JSON object, and is passed over")
        return DockerConfig(origin)
    return docker_config_of(config, origin, warn)


def docker_config_of(config: Mapping[str, Any], origin: str, warn: Warn) -> DockerConfig:
    """The same of a configuration that is parsed."""
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
    """Every text that may be a password or token in a configuration, for whichever host."""
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
    warn(f"{origin}: {key} should be an object, and is passed over")
    return {}


def _entry(value: Any, key: str, origin: str, warn: Warn) -> Entry:
    if value is None:
        return Entry()
    if not isinstance(value, dict):
        warn(f"{origin}: auths for {key} should be an object")
        return Entry()
    texts = {name: _text(value.get(name), name, key, origin, warn) for name in _FIELDS}
    if texts["username"] and texts["password"]:
        return Entry(texts["username"], texts["password"], texts["identitytoken"])
    if not texts["auth"]:
        return Entry(identity_token=texts["identitytoken"])
    pair = _decoded(texts["auth"])
    if pair is None:
        warn(f"{origin} has an auth that is not base64")
        return Entry(identity_token=texts["identitytoken"])
    username, colon, password = pair.partition(":")
    if not colon and not texts["identitytoken"]:
        warn(f"{origin}: auth for {key} should be a user, a colon and a password, in base64")
    return Entry(username, password.rstrip("\0"), texts["identitytoken"])


_FIELDS = ("username", "password", "auth", "identitytoken")


def _text(value: Any, name: str, key: str, origin: str, warn: Warn) -> str:
    if value is None or isinstance(value, str):
        return value or ""
    warn(f"{origin}: {name} for {key} should be text")
    return ""


def _decoded(auth: str) -> str | None:
    """The text of an auth; None where it is not base64, or not UTF-8. Line breaks and missing padding are borne."""
    plain = "".join(auth.split()).rstrip("=")
    try:
        return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return None
