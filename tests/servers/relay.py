"""Copies the bytes of two sockets to each other."""

from __future__ import annotations

import contextlib
import socket
import threading


def relay(client: socket.socket, server: socket.socket, patience_s: float | None = 5) -> None:
    """Returns when both directions have ended, or that many seconds after the client has."""
    back = threading.Thread(target=_copy, args=(server, client), daemon=True)
    back.start()
    _copy(client, server)
    back.join(patience_s)


def _copy(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)
