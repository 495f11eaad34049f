"""A SOCKS 5 proxy. Source: RFC 1928, RFC 1929."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable

from tests.servers.relay import relay

_NAMES = {b"\x01": 4, b"\x04": 16}


class SocksProxy:
    """Connects every host to `upstream`, HOST:PORT, and keeps the names. With a `login`, USER:PASSWORD, it asks for that.

    `reply` is the code of its answers: 0 for a connection.
    """

    def __init__(self, upstream: str, login: str = "", reply: int = 0) -> None:
        name, _, port = upstream.rpartition(":")
        self._upstream, self._login, self._reply = (name, int(port)), login, reply
        self.connected: list[str] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.host = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self._open: dict[threading.Thread, socket.socket] = {}
        self._accepting = threading.Thread(target=self._accept, daemon=True, name="socks proxy")
        self._accepting.start()

    def stop(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._accepting.join()
        for thread, client in tuple(self._open.items()):
            with contextlib.suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)
            thread.join(5)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._serve, args=(client,), daemon=True, name="socks client")
            self._open[thread] = client
            thread.start()

    def _serve(self, client: socket.socket) -> None:
        with client, contextlib.suppress(OSError), client.makefile("rb") as incoming:
            methods = incoming.read(incoming.read(2)[1])
            if self._login and not self._is_known(client, incoming.read, methods):
                return
            if not self._login:
                client.sendall(b"\x05\x00")
            _, _, _, kind = incoming.read(4)
            length = incoming.read(1)[0] if kind == 3 else _NAMES[bytes([kind])]
            address = incoming.read(length)
            port = int.from_bytes(incoming.read(2), "big")
            name = address.decode() if kind == 3 else socket.inet_ntop(_FAMILIES[kind], address)
            self.connected.append(f"{name}:{port}")
            client.sendall(bytes([5, self._reply, 0, 1, 127, 0, 0, 1, 0, 0]))
            if not self._reply:
                self._forward(client)

    def _is_known(self, client: socket.socket, read: Callable[[int], bytes], methods: bytes) -> bool:
        if 2 not in methods:
            client.sendall(b"\x05\xff")
            return False
        client.sendall(b"\x05\x02")
        parts = []
        read(1)
        for _ in range(2):
            parts.append(read(read(1)[0]).decode())
        is_right = ":".join(parts) == self._login
        client.sendall(b"\x01\x00" if is_right else b"\x01\x01")
        return is_right

    def _forward(self, client: socket.socket) -> None:
        with socket.create_connection(self._upstream) as server:
            relay(client, server)


_FAMILIES = {1: socket.AF_INET, 4: socket.AF_INET6}
