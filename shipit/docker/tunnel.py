"""A tunnel to an engine over ssh: a local socket that runs `docker system dial-stdio` there for each connection.

Source: docs.docker.com/engine/security/protect-access, "Use SSH to protect the Docker daemon socket".
"""

from __future__ import annotations

import atexit
import contextlib
import shlex
import shutil
import socket
import subprocess
import tempfile
import threading
from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

from shipit.errors import BuildError
from shipit.process import ProgramFailed, started_program

_BLOCK = 64 * 1024
# A host that is switched off sends nothing: ssh asks it after ten seconds of silence, and gives up after three times.
_ALIVE = ("-o", "ServerAliveInterval=10", "-o", "ServerAliveCountMax=3")


def ssh_command(host: str) -> list[str]:
    """The command that connects to the engine at `ssh://[USER@]HOST[:PORT]`, without prompts.

    Raises: BuildError when the address is invalid.
    """
    return [*_ssh(host), "docker", "system", "dial-stdio"]


def ssh_program(host: str, words: Sequence[str]) -> list[str]:
    """The command that runs a program on the host. Raises: as `ssh_command`."""
    return [*_ssh(host), shlex.join(words)]


def ssh_forward(host: str, address: str, port: int) -> list[str]:
    """The command that connects its standard streams to a port that the host can reach. Raises: as `ssh_command`."""
    *options, end, name = _ssh(host)
    return [*options, "-W", f"[{address}]:{port}" if ":" in address else f"{address}:{port}", end, name]


def _ssh(host: str) -> list[str]:
    """The command line of ssh up to the name of the host."""
    parts = urlsplit(host)
    if not parts.hostname or parts.hostname.startswith("-") or parts.password or parts.path not in ("", "/"):
        raise BuildError(
            "is not an engine's address", where=host, hint="write ssh://USER@HOST, or ssh://USER@HOST:PORT"
        )
    command = ["ssh", "-o", "BatchMode=yes", "-o", "ConnectTimeout=10", *_ALIVE, "-T"]
    if parts.username:
        command += ["-l", parts.username]
    if parts.port:
        command += ["-p", str(parts.port)]
    return [*command, "--", parts.hostname]


def forwarded(command: Sequence[str], variables: Mapping[str, str]) -> socket.socket:
    """A socket to the standard streams of a program, which ends when the socket is closed."""
    own, other = socket.socketpair()

    def serve() -> None:
        with other, contextlib.suppress(ProgramFailed), started_program(command, variables=variables) as process:
            _relay(process, other)
            _shut(other)

    threading.Thread(target=serve, daemon=True).start()
    return own


class Tunnel:
    """A unix socket at `address`, private to this user, until the process ends or `close` is called.

    `last_error` is the last line that ssh wrote on standard error, or why it did not start.
    """

    def __init__(self, host: str, variables: Mapping[str, str]) -> None:
        self._command = ssh_command(host)
        self._variables = dict(variables)
        self._folder = tempfile.mkdtemp(prefix="shipit-ssh-")
        self.address = f"unix://{self._folder}/s"
        self.last_error = ""
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(f"{self._folder}/s")
        self._listener.listen()
        threading.Thread(target=self._accept, daemon=True).start()
        atexit.register(self.close)

    def close(self) -> None:
        # It ends the thread that waits for a connection.
        _shut(self._listener)
        self._listener.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            try:
                with started_program(self._command, variables=self._variables) as process:
                    self._serve_with(process, connection)
            except ProgramFailed as error:
                self.last_error = f"ssh {error.reason}"

    def _serve_with(self, process: subprocess.Popen[bytes], connection: socket.socket) -> None:
        assert process.stderr
        if _relay(process, connection):
            # A process that ssh left in the background may hold its standard error open.
            _shut(connection)
        message = process.stderr.read(_BLOCK).decode("utf-8", "replace").strip()
        if message:
            self.last_error = message.splitlines()[-1]
        _shut(connection)


def _relay(process: subprocess.Popen[bytes], connection: socket.socket) -> bool:
    """Pass on what the program and the connection send each other, until the program's output ends; True where it wrote any."""
    assert process.stdout
    has_written = False
    threading.Thread(target=_forward, args=(connection, process), daemon=True).start()
    with contextlib.suppress(OSError):
        while data := process.stdout.read(_BLOCK):
            has_written = True
            connection.sendall(data)
    return has_written


def _shut(connection: socket.socket) -> None:
    """End a connection for which the other thread may wait, which would keep it open."""
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


def _forward(connection: socket.socket, process: subprocess.Popen[bytes]) -> None:
    assert process.stdin
    try:
        while data := connection.recv(_BLOCK):
            process.stdin.write(data)
    except (OSError, ValueError):
        # Either side is closed.
        pass
    with contextlib.suppress(OSError):
        process.stdin.close()
