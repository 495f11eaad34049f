"""Forwards TCP connections to a server, and cuts all of them off when it is told to."""

from __future__ import annotations

import contextlib
import socket
import threading

from tests.servers.relay import relay


class CutProxy:
    """Listens on `host` for a server at `upstream`, HOST:PORT; what it forwards is not looked at."""

    def __init__(self, upstream: str) -> None:
        name, _, port = upstream.rpartition(":")
        self._upstream = (name, int(port))
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.host = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self._open: dict[threading.Thread, tuple[socket.socket, socket.socket]] = {}
        self._accepting = threading.Thread(target=self._accept, daemon=True, name="cut proxy")
        self._accepting.start()

    @property
    def count(self) -> int:
        """How many connections are open."""
        return len(self._open)

    def cut(self) -> None:
        """End all connections."""
        left = dict(self._open)
        for pair in left.values():
            for connection in pair:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
        for thread in left:
            thread.join(60)

    def stop(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._accepting.join()
        self.cut()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
                server = socket.create_connection(self._upstream)
            except OSError:
                return
            thread = threading.Thread(target=self._serve, args=(client, server), daemon=True, name="forwarded")
            self._open[thread] = (client, server)
            thread.start()

    def _serve(self, client: socket.socket, server: socket.socket) -> None:
        with client, server:
            relay(client, server)
        self._open.pop(threading.current_thread(), None)
