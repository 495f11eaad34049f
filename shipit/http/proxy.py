"""Chooses the proxy for a URL. Pure.

Source: the rules that curl, Go and Python share for NO_PROXY: `*`, hosts, `.domains`, CIDR blocks, an optional port.
"""

from __future__ import annotations

import ipaddress
from functools import lru_cache
from urllib.parse import urlsplit

from shipit.config.process_environment import ProcessEnvironment


@lru_cache(256)
def is_loopback(host: str) -> bool:
    """Whether a host name or address is this machine's own."""
    name = host.strip("[]").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def proxy_for(url: str, environment: ProcessEnvironment) -> str | None:
    """The proxy for a URL, or None. A loopback address never goes through one, as in Go's clients."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if is_loopback(host) or _is_exempt(host, parts.port, environment.no_proxy):
        return None
    return environment.proxy(parts.scheme)


def _is_exempt(host: str, port: int | None, no_proxy: str) -> bool:
    for rule in (rule.strip().lower() for rule in no_proxy.split(",")):
        if not rule:
            continue
        name, _, rule_port = rule.rpartition(":") if rule.count(":") == 1 else (rule, "", "")
        if rule_port and str(port) != rule_port:
            continue
        if name == "*" or _matches(host.lower(), name or rule):
            return True
    return False


def _matches(host: str, rule: str) -> bool:
    try:
        return ipaddress.ip_address(host) in ipaddress.ip_network(rule, strict=False)
    except ValueError:
        domain = rule.removeprefix("*").lstrip(".")
        return host == domain or host.endswith(f".{domain}")
