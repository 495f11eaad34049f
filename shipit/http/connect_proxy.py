"""A connection to a server through a proxy of HTTP or SOCKS 5.

Source: RFC 9110, section 9.3.6 (CONNECT); RFC 7617 (Basic).
"""

from __future__ import annotations

import base64
import http.client
from typing import Any
from urllib.parse import unquote, urlsplit

from shipit.errors import RemoteError
from shipit.http.pace import Pace
from shipit.http.sockets import PacedSocket, open_socket
from shipit.http.socks import ask_socks

_PORTS = {"http": 80, "socks5": 1080, "socks5h": 1080}


def open_through(proxy: str, host: str, port: int, pace: Pace, connect_s: float) -> PacedSocket:
    """A connection to a host through a proxy. Raises: RemoteError, OSError, and as `Pace.wait` does."""
    parts = urlsplit(proxy)
    where = f"{parts.scheme}://{parts.hostname}"
    if parts.scheme not in _PORTS or not parts.hostname:
        what = f"this needs a proxy of {', '.join(_PORTS)}, not of {parts.scheme}"
        raise RemoteError(what, where=where, hint=_HINT)
    sock = open_socket(parts.hostname, parts.port or _PORTS[parts.scheme], pace, connect_s, is_proxy=True)
    try:
        if parts.scheme == "http":
            _connect(sock, parts, host, port, pace)
        else:
            ask_socks(sock, parts, host, port, pace)
    except BaseException:
        sock.close()
        raise
    return sock


_HINT = "set another proxy-url in the kubeconfig, or HTTPS_PROXY"


def _connect(sock: PacedSocket, proxy: Any, host: str, port: int, pace: Pace) -> None:
    pace.sending()
    name = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    lines = [f"CONNECT {name} HTTP/1.1", f"Host: {name}"]
    if proxy.username is not None:
        both = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}"
        lines.append(f"Proxy-Authorization: Basic {base64.b64encode(both.encode()).decode()}")
    sock.sendall("".join(f"{line}\r\n" for line in (*lines, "")).encode("latin-1"))
    pace.head()
    response = http.client.HTTPResponse(sock, method="CONNECT")
    try:
        response.begin()
        if response.status != 200:
            what = f"the proxy opened no connection to {host}: {response.status}"
            raise RemoteError(what, where=f"CONNECT {proxy.hostname}", hint="check the proxy's rules and its login")
    finally:
        response.close()
