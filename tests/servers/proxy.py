"""An HTTPS proxy that terminates TLS for given names and forwards the requests to a server on loopback."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Mapping
from pathlib import Path

from tests.servers.certificates import Authority, server_context
from tests.servers.relay import relay


class TlsProxy:
    """Answers CONNECT for the names in `routes`: name -> 127.0.0.1:PORT. Others are refused, and noted in `refused`.

    `tunnels` are names whose server ends TLS itself.
    """

    def __init__(self, folder: Path, routes: Mapping[str, str], tunnels: Mapping[str, str] | None = None) -> None:
        authority = Authority(folder)
        authority.issue("proxy", "proxy", names=tuple(routes))
        self.ca_file = folder / "ca.crt"
        self.routes = dict(routes)
        self.tunnels = dict(tunnels or {})
        self.connected: list[str] = []
        self.refused: list[str] = []
        self._context = server_context(folder, "proxy")
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._open: dict[threading.Thread, socket.socket] = {}
        self._accepting = threading.Thread(target=self._accept, daemon=True, name="proxy")
        self._accepting.start()

    def stop(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._accepting.join()
        for thread, connection in tuple(self._open.items()):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            thread.join(5)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._serve, args=(client,), daemon=True, name="proxied")
            self._open[thread] = client
            thread.start()

    def _serve(self, client: socket.socket) -> None:
        with client:
            head = b""
            while b"\r\n\r\n" not in head:
                chunk = client.recv(4096)
                if not chunk:
                    return
                head += chunk
            name = head.split()[1].decode().rpartition(":")[0]
            if name not in self.routes and name not in self.tunnels:
                self.refused.append(name)
                client.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
                return
            self.connected.append(name)
            client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            host, _, port = (self.tunnels.get(name) or self.routes[name]).partition(":")
            try:
                with (
                    client if name in self.tunnels else self._context.wrap_socket(client, server_side=True) as secured,
                    socket.create_connection((host, int(port))) as server,
                ):
                    relay(secured, server)
            except OSError:
                return
