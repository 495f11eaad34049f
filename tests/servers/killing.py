"""Forwards connections to an engine, and says when a request of a program was done whose answer it holds back."""

from __future__ import annotations

import contextlib
import re
import socket
import tempfile
import threading
from pathlib import Path


class HeldEngine:
    """Listens on `host` for an engine at `upstream`, both unix://. `hold` names the request whose answer does not arrive.

    The program that sent it can be killed then: the engine has done it, and the program does not know.
    """

    def __init__(self, upstream: str) -> None:
        self._upstream = upstream.removeprefix("unix://")
        self._folder = tempfile.TemporaryDirectory(prefix="held-", dir="/tmp")
        path = str(Path(self._folder.name) / "s")
        self.host = f"unix://{path}"
        # Set when the request was done whose answer is held back: one for each `hold`.
        self._done = threading.Event()
        self._pattern, self._left, self._after = b"", 0, b""
        self._lock = threading.Lock()
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(path)
        self._listener.listen()
        self._threads = [threading.Thread(target=self._accept)]
        self._open: set[socket.socket] = set()
        self._is_cut = False
        # The bytes that programs sent, and after how many all connections are cut.
        self.sent = 0
        self._most = 0
        self._threads[0].start()

    def cut(self) -> None:
        """End all connections, and every new one at once, until `heal`."""
        self._is_cut = True
        for connection in list(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def cut_after(self, most: int) -> None:
        """Cut all connections when programs have sent so many bytes from now on."""
        self.sent, self._most = 0, most

    def heal(self) -> None:
        self._is_cut, self.sent, self._most = False, 0, 0

    def hold(self, pattern: bytes, number: int = 1, after: bytes = b"") -> threading.Event:
        """Hold back the answer to the request of this number whose first bytes match a pattern.

        With `after`, requests count once these bytes were sent. The event is set when the engine has answered it.
        """
        with self._lock:
            self._pattern, self._left, self._after, self._done = pattern, number, after, threading.Event()
            return self._done

    @property
    def left(self) -> int:
        """How many requests that match are still to come, with the one whose answer is held back."""
        with self._lock:
            return self._left

    def stop(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._threads[0].join()
        for connection in list(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads[1:]:
            thread.join()
        for connection in self._open:
            connection.close()
        Path(self.host.removeprefix("unix://")).unlink()
        self._folder.cleanup()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if self._is_cut:
                client.close()
                continue
            server = socket.socket(socket.AF_UNIX)
            server.connect(self._upstream)
            self._open |= {client, server}
            held: list[threading.Event] = []
            works = [threading.Thread(target=work, args=(client, server, held)) for work in (self._ask, self._answer)]
            end = threading.Thread(target=self._close_after, args=(works, client, server))
            self._threads = [*(thread for thread in self._threads if thread.is_alive()), *works, end]
            for thread in (*works, end):
                thread.start()

    def _close_after(self, works: list[threading.Thread], *connections: socket.socket) -> None:
        for work in works:
            work.join()
        for connection in connections:
            self._open.discard(connection)
            connection.close()

    def _ask(self, client: socket.socket, server: socket.socket, held: list[threading.Event]) -> None:
        with contextlib.suppress(OSError):
            while data := client.recv(65536):
                held += self._held(data)
                server.sendall(data)
                self.sent += len(data)
                if 0 < self._most < self.sent:
                    self.cut()
        with contextlib.suppress(OSError):
            server.shutdown(socket.SHUT_WR)

    def _answer(self, client: socket.socket, server: socket.socket, held: list[threading.Event]) -> None:
        with contextlib.suppress(OSError):
            while data := server.recv(65536):
                if held:
                    held[0].set()
                else:
                    client.sendall(data)
        with contextlib.suppress(OSError):
            client.shutdown(socket.SHUT_WR)

    def _held(self, data: bytes) -> list[threading.Event]:
        with self._lock:
            if self._after in data:
                self._after = b""
            if not self._left or self._after or not re.match(self._pattern, data):
                return []
            self._left -= 1
            return [] if self._left else [self._done]
