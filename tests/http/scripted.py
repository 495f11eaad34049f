"""A server that answers with bytes as they are written down, and keeps what it was sent."""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import threading
from collections.abc import Callable, Sequence

from tests.waits import wait_until

Step = bytes | Callable[[socket.socket], None]
Start = Callable[..., "ScriptedServer"]


class ScriptedServer:
    """Each connection is answered by the steps of its script in turn, one per request; then it is closed.

    `heads` are the requests as they came, `connections` how many there were. A step that has `reads_body` overrides that
    of the server.
    """

    def __init__(
        self,
        *scripts: Sequence[Step],
        context: ssl.SSLContext | None = None,
        reads_body: bool = True,
        greeting: bytes = b"",
        host: str = "127.0.0.1",
    ) -> None:
        self._scripts, self._context, self._reads_body = scripts, context, reads_body
        self._greeting = greeting
        self.heads: list[bytes] = []
        self.bodies: list[bytes] = []
        self.connections = 0
        self._open: dict[threading.Thread, socket.socket] = {}
        self._listener = socket.create_server((host, 0))
        self.port = self._listener.getsockname()[1]
        self.url = f"{'https' if context else 'http'}://{host}:{self.port}"
        self._accepting = threading.Thread(target=self._accept, daemon=True, name="accepting")
        self._accepting.start()

    def wait_until_closed(self, number: int = 1) -> None:
        """Wait until the script of so many connections is over, and they are closed."""
        wait_until("the server closes", lambda: sum(not thread.is_alive() for thread in tuple(self._open)) >= number)

    def stop(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._accepting.join()
        for thread, connection in tuple(self._open.items()):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            thread.join()

    def _accept(self) -> None:
        for script in self._scripts:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            thread = threading.Thread(target=self._serve, args=(client, script), daemon=True, name="scripted")
            self._open[thread] = client
            thread.start()

    def _serve(self, plain: socket.socket, script: Sequence[Step]) -> None:
        with contextlib.suppress(OSError), plain:
            client = self._context.wrap_socket(plain, server_side=True) if self._context else plain
            with client:
                client.sendall(self._greeting)
                for step in script:
                    self._read(client, getattr(step, "reads_body", self._reads_body))
                    if callable(step):
                        step(client)
                    else:
                        client.sendall(step)

    def _read(self, client: socket.socket, with_body: bool) -> None:
        data = b""
        while b"\r\n\r\n" not in data:
            if not (more := client.recv(65536)):
                return
            data += more
        head, _, rest = data.partition(b"\r\n\r\n")
        self.heads.append(head)
        body = bytearray(rest)
        length = next(
            (int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")), 0
        )
        while with_body and len(body) < length:
            if not (more := client.recv(65536)):
                break
            body += more
        self.bodies.append(bytes(body))


def answer(body: bytes = b"", status: str = "200 OK", *headers: str) -> bytes:
    """An answer with its length."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def deaf(client: socket.socket) -> None:
    """Reads and sends nothing until the connection is closed, by the client or when the server stops."""
    poller = select.poll()
    poller.register(client, select.POLLRDHUP)
    poller.poll()


class Cut:
    """Takes so many bytes of a request's body, and hangs up."""

    reads_body = False

    def __init__(self, amount: int) -> None:
        self._amount = amount

    def __call__(self, client: socket.socket) -> None:
        left = self._amount
        while left and (data := client.recv(min(65536, left))):
            left -= len(data)
