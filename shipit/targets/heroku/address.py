"""The addresses of Heroku's API and registry, and which URLs from its answers are requested. Pure."""

from __future__ import annotations

import socket
from urllib.parse import SplitResult, urlsplit

from shipit.config.process_environment import ProcessEnvironment
from shipit.errors import RemoteError
from shipit.http.proxy import is_loopback

API = "https://api.heroku.com"
REGISTRY = "registry.heroku.com"


def api_address(environment: ProcessEnvironment) -> tuple[str, str]:
    """The API's URL and the registry's host; SHIPIT_HEROKU_API and SHIPIT_HEROKU_REGISTRY override them, for a stand-in."""
    api = (environment.get("SHIPIT_HEROKU_API") or API).rstrip("/")
    return api, environment.get("SHIPIT_HEROKU_REGISTRY") or REGISTRY


def host_of_api(base: str) -> str:
    """The host name of an API's URL; empty when the URL is invalid."""
    parts = _split(base)
    return (parts.hostname if parts else "") or ""


def check_api(base: str) -> None:
    """Raises: RemoteError unless a token may be sent there: over https, or to this machine."""
    parts = _split(base)
    if parts is None or parts.scheme not in ("http", "https") or not parts.hostname:
        raise RemoteError("SHIPIT_HEROKU_API should be a URL that begins with https://", where=base)
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        hint = "SHIPIT_HEROKU_API may be plain http on a loopback address only"
        raise RemoteError("a token is only sent over https", where=base, hint=hint)


def is_trusted_url(url: str, base: str, *, schemes: tuple[str, ...] = ("https",)) -> bool:
    """Whether to request a URL from an answer of the API at `base`: https, a public host, no password in it.

    A stand-in on this machine may use its own address. A name that resolves to a private address is allowed: over https
    it needs a valid certificate.
    """
    parts, own = _split(url), _split(base)
    if parts is None or own is None or not parts.hostname or "@" in parts.netloc or not url.isprintable():
        return False
    if is_loopback(own.hostname or ""):
        return parts.scheme in ("http", "https", *schemes) and is_loopback(parts.hostname)
    return parts.scheme in schemes and _is_public(parts.hostname)


def _split(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return None
    return parts


def _is_public(host: str) -> bool:
    """Whether a host is a domain name, and not an IP address in any form that resolvers accept."""
    name = host.rstrip(".").lower()
    if "." not in name or ":" in name or is_loopback(name) or name.endswith((".local", ".internal")):
        return False
    try:
        socket.inet_aton(name)
    except (OSError, ValueError):
        return True
    return False
