"""Where an answer may lead: never from https to http, and from outside never to this machine or its link. Pure.

Source: RFC 9110, section 15.4; RFC 3927 and RFC 4291 (link-local addresses, which hold metadata services of clouds).
"""

from __future__ import annotations

import ipaddress
import re
import socket
from urllib.parse import urljoin, urlsplit

from shipit.errors import RemoteError
from shipit.http.failures import shown

REDIRECTS = (301, 302, 303, 307, 308)
MOST_REDIRECTS = 5
_DEFAULT_PORTS = {"http": 80, "https": 443}
_LOCAL_NAMES = ("localhost", "ip6-localhost", "ip6-loopback", "metadata.google.internal")
# In `https://one\@two/` urllib finds the host two, and urllib3, which requests asks, the host one.
_AMBIGUOUS = re.compile(r"[\s\\<>^`{|}\"]")
# Where machines of AWS (over IPv6), Alibaba and Azure find what is theirs alone, beside the addresses of the link.
_METADATA = frozenset(map(ipaddress.ip_address, ("fd00:ec2::254", "100.100.100.200", "168.63.129.16")))
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
Origin = tuple[str, str, int]


def lead(asked: str, location: str) -> str:
    """The URL that `location` leads to from a URL that was asked.

    A server behind something that ends TLS may take itself for one without: its own URLs stay with https.
    Raises: RemoteError where it is no URL of http or https, or leads where it may not.
    """
    where = shown("GET", asked).removeprefix("GET ")
    try:
        url = urljoin(asked, location)
        own, other = origin_of(asked), origin_of(url)
    except ValueError:
        raise RemoteError(f"leads to no URL: {location!r}", where=where) from None
    if own[0] == "https" and other[0] == "http":
        if own[1] != other[1] or not _is_same_port(asked, url):
            raise RemoteError(f"leads from https to http: {_plain(url)}", where=where)
        url = f"https:{url.partition(':')[2]}"
    if is_inside(other[1]) and not is_inside(own[1]):
        raise RemoteError(f"leads to an address of this machine or its link: {_plain(url)}", where=where)
    return url


def origin_of(url: str) -> Origin:
    """Scheme, host and port. Raises: ValueError where it is no URL of http or https."""
    parts = urlsplit(url)
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname or not url.isprintable():
        raise ValueError("no URL of http or https")
    check_authority(parts.netloc)
    return parts.scheme, parts.hostname, parts.port or _DEFAULT_PORTS[parts.scheme]


def check_authority(authority: str) -> None:
    """That every parser finds the same host in what stands between `//` and the path. Raises: ValueError."""
    if _AMBIGUOUS.search(authority):
        raise ValueError("a host holds a character that no host has")


def is_same_origin(one: str, other: str) -> bool:
    """Whether what is meant for one URL may be sent to the other."""
    try:
        return origin_of(one) == origin_of(other)
    except ValueError:
        return False


def is_inside(host: str) -> bool:
    """Whether a host name or address, however it is written, is this machine's own or on its link."""
    name = host.strip("[]").partition("%")[0].rstrip(".").lower()
    if name in _LOCAL_NAMES or name.endswith(".localhost"):
        return True
    address = _address(name)
    if address is None:
        return False
    return address.is_loopback or address.is_link_local or address.is_unspecified or address in _METADATA


def _address(name: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The address that a resolver takes a name for; of an IPv4 address inside of IPv6, that one."""
    try:
        found = ipaddress.ip_address(name)
    except ValueError:
        try:
            # Resolvers take 127.1, 0x7f000001 and 2130706433, too.
            return ipaddress.IPv4Address(socket.inet_aton(name))
        except (OSError, ValueError):
            return None
    if isinstance(found, ipaddress.IPv6Address):
        if found in _NAT64 or (int(found) >> 32 == 0 and int(found) > 1):
            return ipaddress.IPv4Address(int(found) & 0xFFFFFFFF)
        return found.ipv4_mapped or found.sixtofour or found
    return found


def _plain(url: str) -> str:
    """Host and path of a URL, for people: its query may be a signature."""
    return shown("", url).strip()


def _is_same_port(asked: str, url: str) -> bool:
    own, other = urlsplit(asked).port, urlsplit(url).port
    return own == other or (own == 443 and other is None)
