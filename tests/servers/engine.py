"""A Docker engine of our own, beside any that runs here."""

from __future__ import annotations

import os
import platform
import socket
import tempfile
from pathlib import Path

from tests.servers.install import SYSTEM_PATH, find
from tests.servers.process import Background, Unavailable


class DockerEngine:
    """A dockerd on a unix socket. `host` is its DOCKER_HOST; containerd runs inside it."""

    def __init__(self, folder: Path) -> None:
        if platform.system() != "Linux" or os.geteuid() != 0:
            raise Unavailable("a Docker engine needs Linux and root")
        # A unix socket's path has to be short.
        self._run = Path(tempfile.mkdtemp(prefix="sde-", dir="/tmp"))
        self.host = f"unix://{self._run}/docker.sock"
        command = [find("dockerd"), "--data-root", str(folder / "engine"), "--exec-root", str(self._run / "exec")]
        command += ["-H", self.host, "--pidfile", str(self._run / "pid")]
        self._process = Background("dockerd", command, folder, {"PATH": SYSTEM_PATH})
        self._process.wait_until(self._answers, 60)

    def _answers(self) -> bool:
        with socket.socket(socket.AF_UNIX) as probe:
            probe.settimeout(5)
            probe.connect(self.host.removeprefix("unix://"))
            probe.sendall(b"GET /_ping HTTP/1.0\r\n\r\n")
            return b"200 OK" in probe.recv(100)

    def stop(self) -> None:
        self._process.stop(20)
