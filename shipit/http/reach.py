"""Where an address is: on this machine, on its link, or anywhere else. A server may not send us from one of them to another. Pure.

A server elsewhere that redirects to `127.0.0.1` or to a cloud's metadata service would have us attack our own network.
Source: RFC 3927 and RFC 4291 (link-local addresses).
"""

from __future__ import annotations

import ipaddress
import socket
from enum import Enum
from functools import lru_cache

_MACHINE_NAMES = ("localhost", "ip6-localhost", "ip6-loopback")
_LINK_NAMES = ("metadata.google.internal",)
# Metadata services of AWS (over IPv6), Alibaba and Azure, whose addresses are not link-local.
_METADATA = frozenset(map(ipaddress.ip_address, ("fd00:ec2::254", "100.100.100.200", "168.63.129.16")))
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class Reach(Enum):
    """`LINK` are link-local addresses and the metadata services of clouds."""

    MACHINE = "this machine"
    LINK = "its link"
    ELSEWHERE = "elsewhere"

    def may_lead_to(self, other: Reach) -> bool:
        """Whether a server here may name a URL there."""
        return other in (self, Reach.ELSEWHERE)


@lru_cache(256)
def reach_of(host: str) -> Reach:
    """Where a host name or address is, however it is written; a name that has to be resolved is elsewhere."""
    name = host.strip("[]").partition("%")[0].rstrip(".").lower()
    if name in _MACHINE_NAMES or name.endswith(".localhost"):
        return Reach.MACHINE
    if name in _LINK_NAMES:
        return Reach.LINK
    address = _address(name)
    if address is None:
        return Reach.ELSEWHERE
    if address.is_loopback or address.is_unspecified:
        return Reach.MACHINE
    return Reach.LINK if address.is_link_local or address in _METADATA else Reach.ELSEWHERE


def _address(name: str) -> Address | None:
    """The address that a resolver takes a name for; the IPv4 address inside an IPv6 address that contains one."""
    try:
        found = ipaddress.ip_address(name)
    except ValueError:
        try:
            # Resolvers accept 127.1, 0x7f000001 and 2130706433, too.
            return ipaddress.IPv4Address(socket.inet_aton(name))
        except (OSError, ValueError):
            return None
    if isinstance(found, ipaddress.IPv6Address):
        if found in _NAT64 or (int(found) >> 32 == 0 and int(found) > 1):
            return ipaddress.IPv4Address(int(found) & 0xFFFFFFFF)
        return found.ipv4_mapped or found.sixtofour or found
    return found
