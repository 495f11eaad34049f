"""A tunnel to an engine over ssh: a local socket that runs `docker system dial-stdio` there for each connection.

Source: docs.docker.com/engine/security/protect-access, "Use SSH to protect the Docker daemon socket".
"""

from __future__ import annotations

import atexit
import contextlib
import shutil
import socket
import subprocess
import tempfile
import threading
from collections.abc import Mapping
from urllib.parse import urlsplit

from shipit.errors import BuildError
from shipit.process import ProgramFailed, started_program

_BLOCK = 64 * 1024


def ssh_command(host: str) -> list[str]:
    """The command that connects to the engine at `ssh://[USER@]HOST[:PORT]`, without prompts.

    Raises: BuildError when the address is invalid.
    """
    return [*_ssh(host), "docker", "system", "dial-stdio"]


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
    command = ["ssh", "-o", "BatchMode=yes", "-o", "ConnectTimeout=10", "-T"]
    if parts.username:
        command += ["-l", parts.username]
    if parts.port:
        command += ["-p", str(parts.port)]
    return [*command, "--", parts.hostname]


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
        assert process.stdout and process.stderr
        threading.Thread(target=_forward, args=(connection, process), daemon=True).start()
        try:
            while data := process.stdout.read(_BLOCK):
                connection.sendall(data)
        except OSError:
            pass
        message = process.stderr.read(_BLOCK).decode("utf-8", "replace").strip()
        if message:
            self.last_error = message.splitlines()[-1]


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
