"""One-off dynos of the stand-in: a command of a released image, with its streams at a rendezvous server.

Source: the Heroku CLI, packages/cli/src/lib/run/dyno.ts. Not documented, and chosen here: with `force_no_tty` the byte 4
ends the input, as it does at a terminal.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import secrets
import select
import signal
import socket
import ssl
import struct
import subprocess
import termios
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

_PIECE = 64 * 1024
_END_OF_INPUT = b"\x04"
# How long a client may take to connect, and to close the connection after the command has ended.
_WAIT_S, _LEAVING_S = 60.0, 0.5


class Started(NamedTuple):
    """A command that runs, and the folder with the files of its image."""

    process: subprocess.Popen[bytes]
    root: Path


class OneOff(NamedTuple):
    """A command that is started when its client has connected: `start` takes its stdin and its output."""

    env: Mapping[str, str]
    has_terminal: bool
    start: Callable[[int, int], Started]
    began: Callable[[Started], None]
    ended: Callable[[], None]


class Rendezvous:
    """Listens on loopback, with TLS when it has a `context`. `address` is the host and port that `attach_url` names."""

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        self._context = context
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self._waiting: dict[str, OneOff] = {}
        self._running: set[subprocess.Popen[bytes]] = set()
        self._threads: list[threading.Thread] = []
        self._is_over = threading.Event()
        self._accepting = threading.Thread(target=self._accept, daemon=True, name="rendezvous")
        self._accepting.start()

    def expect(self, one_off: OneOff) -> str:
        """The `attach_url` of a command."""
        secret = secrets.token_hex(16)
        self._waiting[secret] = one_off
        return f"rendezvous://{self.address}/{secret}"

    def stop(self) -> None:
        self._is_over.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for process in tuple(self._running):
            hang_up(process)
        self._accepting.join()
        for thread in self._threads:
            thread.join(5)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._serve, args=(client,), daemon=True, name="one-off")
            self._threads.append(thread)
            thread.start()

    def _serve(self, plain: socket.socket) -> None:
        with contextlib.suppress(OSError), plain:
            plain.settimeout(_WAIT_S)
            client = self._context.wrap_socket(plain, server_side=True) if self._context else plain
            with client:
                secret = _line(client)
                one_off = self._waiting.pop(secret, None)
                if one_off is None:
                    return
                client.sendall(b"rendezvous\r\n")
                self._run(client, one_off)
                _leave(client)

    def _run(self, client: socket.socket, one_off: OneOff) -> None:
        to_command, from_command, inner = _streams(one_off)
        started = one_off.start(*inner)
        process = started.process
        one_off.began(started)
        for fd in set(inner):
            os.close(fd)
        self._running.add(process)
        # A number that is closed twice may be another file by then.
        is_open = {to_command, from_command}
        try:
            _relay(client, to_command, from_command, is_open, self._is_over)
        finally:
            hang_up(process)
            self._running.discard(process)
            one_off.ended()
            for fd in is_open:
                os.close(fd)


def hang_up(process: subprocess.Popen[bytes]) -> None:
    """End a command and its children as the end of its connection does."""
    for number in (signal.SIGHUP, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0.5)


def _leave(client: socket.socket) -> None:
    """Let the client close: what it sends meanwhile is read, so that it does not lose what it has not read yet."""
    client.settimeout(_LEAVING_S)
    with contextlib.suppress(OSError):
        while client.recv(_PIECE):
            continue


def _line(client: socket.socket) -> str:
    data = b""
    while not data.endswith(b"\r\n"):
        if not (byte := client.recv(1)) or len(data) > 200:
            return ""
        data += byte
    return data.decode("ascii", "replace").strip()


def _streams(one_off: OneOff) -> tuple[int, int, tuple[int, int]]:
    """Our ends of the input and the output, and the command's: of a terminal, or of two pipes."""
    if one_off.has_terminal:
        outer, inner = pty.openpty()
        rows, columns = (int(one_off.env.get(name) or 0) for name in ("LINES", "COLUMNS"))
        fcntl.ioctl(inner, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        return outer, outer, (inner, inner)
    (theirs, to_command), (from_command, output) = os.pipe(), os.pipe()
    return to_command, from_command, (theirs, output)


def _relay(
    client: socket.socket, to_command: int, from_command: int, is_open: set[int], is_over: threading.Event
) -> None:
    """Until the command's output or the client's connection ends. What it closes leaves `is_open`."""
    is_pipe = to_command != from_command
    unsent = b""
    while not is_over.is_set():
        pending = isinstance(client, ssl.SSLSocket) and client.pending() > 0
        reading: list[Any] = [from_command, *([client] if len(unsent) < _PIECE else [])]
        writing = [to_command] if unsent and to_command in is_open else []
        ready, writable, _ = select.select(reading, writing, [], 0 if pending else 0.2)
        if from_command in ready:
            try:
                data = os.read(from_command, _PIECE)
            except OSError:  # What Linux says at the end of a terminal.
                return
            if not data:
                return
            client.sendall(data)
        if (client in ready or pending) and len(unsent) < _PIECE:
            if not (data := client.recv(_PIECE)):
                return
            unsent += data if to_command in is_open else b""
        if to_command in writable:
            with contextlib.suppress(BrokenPipeError):
                head, end, _ = unsent[:4096].partition(_END_OF_INPUT) if is_pipe else (unsent[:4096], b"", b"")
                sent = os.write(to_command, head) if head else 0
                unsent = unsent[sent:]
                if end and sent == len(head):
                    is_open.discard(to_command)
                    os.close(to_command)
                    unsent = b""
