"""Parses the ports of EXPOSE. Pure.

Source: github.com/moby/buildkit 0.34, frontend/dockerfile/dockerfile2llb/convert_expose.go.
"""

from __future__ import annotations

import ipaddress
import re

_LAST_PORT = 65_535


def parse_ports(word: str) -> list[str]:
    """The ports of `8080`, `53/udp`, `8000-8002` or `127.0.0.1:80:8080`, such as `8080/tcp`; only the last part counts.

    Raises: ValueError.
    """
    wrong = ValueError(f"EXPOSE should name ports such as 8080, 8000-8010 or 53/udp, found {word!r}")
    *published, inside = word.split(":")
    ports, _, protocol = inside.partition("/")
    first, last = _range(ports, wrong)
    if protocol.lower() not in ("", "tcp", "udp", "sctp"):
        raise wrong
    if published and published[-1]:
        low, high = _range(published[-1], wrong)
        if last != first and high - low != last - first:
            raise wrong
    if address := ":".join(published[:-1]):
        try:
            ipaddress.ip_address(address[1:-1] if address.startswith("[") and address.endswith("]") else address)
        except ValueError:
            raise wrong from None
    return [f"{port}/{protocol.lower() or 'tcp'}" for port in range(first, last + 1)]


def _range(text: str, wrong: ValueError) -> tuple[int, int]:
    match = re.fullmatch(r"\+?(\d{1,9})(?:-\+?(\d{1,9}))?", text, re.ASCII)
    if match is None:
        raise wrong
    first, last = int(match[1]), int(match[2] or match[1])
    if not first <= last <= _LAST_PORT:
        raise wrong
    return first, last
