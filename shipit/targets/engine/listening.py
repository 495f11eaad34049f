"""The ports of a host on which programs listen, as Linux tells them. Pure.

Source: proc_net(5), /proc/net/tcp and /proc/net/udp: addresses are bytes in the order of the machine, in hexadecimal digits.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Iterator

from shipit.targets.engine.container_values import Publish

FILES = ("/proc/net/tcp", "/proc/net/tcp6", "/proc/net/udp", "/proc/net/udp6")
_ROW = re.compile(r"\s*[0-9]+: ([0-9A-F]{8}|[0-9A-F]{32}):([0-9A-F]{4}) [0-9A-F]+:[0-9A-F]{4} (0A|07) ")
# The states TCP_LISTEN, and TCP_CLOSE, which a UDP socket without a peer has.
_PROTOCOLS = {"0A": "tcp", "07": "udp"}
_EVERY = ("", "0.0.0.0", "::")


def parse_listening(text: str) -> frozenset[Publish]:
    """The sockets in the text of these files together, as ports that the host has."""
    return frozenset(_rows(text.splitlines()))


def _rows(lines: Iterable[str]) -> Iterator[Publish]:
    for line in lines:
        if row := _ROW.match(line):
            digits, port, state = row.groups()
            yield Publish(0, int(port, 16), _address(digits), _PROTOCOLS[state])


def _address(digits: str) -> str:
    """Each group of four bytes is turned around, as on the machines that Docker runs on."""
    groups = (bytes.fromhex(digits[at : at + 8])[::-1] for at in range(0, len(digits), 8))
    found = ipaddress.ip_address(b"".join(groups))
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return str(mapped or found)


def collide(one: Publish, other: Publish) -> bool:
    """True for two ports of a host that can't be had by two programs."""
    is_same = (one.host, one.protocol) == (other.host, other.protocol)
    return is_same and (one.ip == other.ip or one.ip in _EVERY or other.ip in _EVERY)
