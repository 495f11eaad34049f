"""URLs of requests: how they are shown to people, and when two have the same origin. Pure.

Source: RFC 6454, section 4 (origins).
"""

from __future__ import annotations

import re
from functools import lru_cache
from urllib.parse import urlsplit

_DEFAULT_PORTS = {"http": 80, "https": 443}
# In `https://one\@two/` urllib finds the host two, and urllib3, which requests uses, the host one.
_AMBIGUOUS = re.compile(r"[\s\\<>^`{|}\"]")
Origin = tuple[str, str, int]


@lru_cache(256)
def shown(method: str, url: str) -> str:
    """`METHOD host/path`, for people: without user, password and query, which may be credentials."""
    try:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port else ""
        return f"{method} {parts.hostname or ''}{port}{parts.path}"
    except ValueError:
        return method


def host_of(url: str) -> str:
    """The host of a URL, for people; empty where it has none."""
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def ascii_host(host: str) -> str:
    """A host in ASCII, its labels in Punycode where they are not. Raises: ValueError for an empty or a long label.

    The codec idna returns ASCII as it is, after a check of the labels; its import takes longer than many a request.
    """
    *labels, last = host.split(".")
    if host.isascii() and len(last) < 64 and all(0 < len(label) < 64 for label in labels):
        return host
    return host.encode("idna").decode()


def origin_of(url: str) -> Origin:
    """Scheme, host and port. Raises: ValueError where it is not a URL of http or https."""
    parts = urlsplit(url)
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname or not url.isprintable():
        raise ValueError("not a URL of http or https")
    check_authority(parts.netloc)
    return parts.scheme, parts.hostname, parts.port or _DEFAULT_PORTS[parts.scheme]


def is_same_origin(one: str, other: str) -> bool:
    """Whether credentials for one URL may be sent to the other."""
    try:
        return origin_of(one) == origin_of(other)
    except ValueError:
        return False


def check_authority(authority: str) -> None:
    """Check that every URL parser finds the same host between `//` and the path. Raises: ValueError."""
    if _AMBIGUOUS.search(authority):
        raise ValueError("the host has a character that is not allowed there")
