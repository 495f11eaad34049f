"""SOCKS 5: asks a proxy to connect to a server. The proxy resolves the name.

Source: RFC 1928; RFC 1929 (username and password).
"""

from __future__ import annotations

import ipaddress
from typing import Any
from urllib.parse import unquote

from shipit.errors import RemoteError
from shipit.http.pace import Pace
from shipit.http.sockets import PacedSocket

_VERSION, _CONNECT, _LOGIN_VERSION = b"\x05", b"\x01", b"\x01"
_NO_LOGIN, _PASSWORD = 0, 2
_IPV4, _NAME, _IPV6 = 1, 3, 4
_ADDRESS_BYTES = {_IPV4: 4, _IPV6: 16}
_LONGEST = 255
_REPLIES = {
    1: "general failure",
    2: "not allowed by its rules",
    3: "network unreachable",
    4: "host unreachable",
    5: "connection refused",
    6: "TTL expired",
    7: "command not supported",
    8: "address type not supported",
}


def ask_socks(sock: PacedSocket, proxy: Any, host: str, port: int, pace: Pace) -> None:
    """Make a connection to a proxy one to a host. `proxy` is its URL, split.

    Raises: RemoteError, OSError, and as `Pace.wait` does.
    """
    pace.sending()
    methods = bytes([_NO_LOGIN, _PASSWORD] if proxy.username else [_NO_LOGIN])
    sock.sendall(_VERSION + bytes([len(methods)]) + methods)
    pace.head()
    version, method = _exactly(sock, 2, proxy)
    if version != _VERSION[0]:
        raise _failed(proxy, "the proxy does not speak SOCKS 5", "check proxy-url in the kubeconfig, or HTTPS_PROXY")
    if method == _PASSWORD and proxy.username:
        _log_in(sock, proxy)
    elif method != _NO_LOGIN:
        raise _failed(proxy, "the proxy wants another login", "put user:password@ into its URL")
    sock.sendall(_VERSION + _CONNECT + b"\0" + _address(host, proxy) + port.to_bytes(2, "big"))
    _, code, _, kind = _exactly(sock, 4, proxy)
    if code:
        why = _REPLIES.get(code, f"reply {code}")
        raise _failed(proxy, f"the proxy opened no connection to {host}: {why}", "check the proxy's rules")
    length = _exactly(sock, 1, proxy)[0] if kind == _NAME else _ADDRESS_BYTES.get(kind, 0)
    _exactly(sock, length + 2, proxy)


def _log_in(sock: PacedSocket, proxy: Any) -> None:
    user, password = (unquote(part or "").encode() for part in (proxy.username, proxy.password))
    if max(len(user), len(password)) > _LONGEST:
        raise _failed(proxy, f"user and password should be at most {_LONGEST} bytes", "check its URL")
    sock.sendall(_LOGIN_VERSION + bytes([len(user)]) + user + bytes([len(password)]) + password)
    if _exactly(sock, 2, proxy)[1]:
        raise _failed(proxy, "the proxy does not accept the login", "check user and password in its URL")


def _address(host: str, proxy: Any) -> bytes:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        name = host.encode("ascii")
        if len(name) > _LONGEST:
            raise _failed(proxy, f"a host name should be at most {_LONGEST} bytes", "check the server's URL") from None
        return bytes([_NAME, len(name)]) + name
    return bytes([_IPV4 if address.version == 4 else _IPV6]) + address.packed


def _exactly(sock: PacedSocket, count: int, proxy: Any) -> bytes:
    found = b""
    while len(found) < count:
        data = sock.recv(count - len(found))
        if not data:
            raise _failed(proxy, "the proxy closed the connection", "check the proxy")
        found += data
    return found


def _failed(proxy: Any, what: str, hint: str) -> RemoteError:
    return RemoteError(what, where=f"{proxy.scheme}://{proxy.hostname}", hint=hint)
