"""Podman's service, which serves the API of Docker."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

from tests.servers.engine import answers_ping
from tests.servers.install import find
from tests.servers.process import Background, Unavailable
from tests.waits import wait_until

# Without a cgroup manager of systemd, and with limits that a machine without CAP_SYS_RESOURCE allows.
SETTINGS = """[containers]
default_ulimits = ["nofile=1024:1024", "nproc=4096:4096"]
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
{engine}
[network]
network_config_dir = "{folder}/networks"
{network}
"""


class Podman:
    """The service on a unix socket, with images and containers of its own. `host` is its DOCKER_HOST.

    `netavark` is the folder with the programs of networks in which containers find each other by name.
    """

    def __init__(self, folder: Path, netavark: Path | None = None) -> None:
        if os.geteuid() != 0:
            raise Unavailable("Podman needs root here")
        # A unix socket's path has to be short.
        self._run = Path(tempfile.mkdtemp(prefix="sdp-", dir="/tmp"))
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "networks").mkdir(exist_ok=True)
        engine = f'helper_binaries_dir = ["{netavark}", "/usr/lib/podman"]' if netavark else ""
        network = 'network_backend = "netavark"' if netavark else ""
        (folder / "containers.conf").write_text(SETTINGS.format(folder=folder, engine=engine, network=network))
        self._variables = {"CONTAINERS_CONF": str(folder / "containers.conf")}
        self._command = [find("podman"), "--root", str(folder / "root"), "--runroot", str(self._run / "run")]
        self._layers = folder / "root/overlay"
        self.host = f"unix://{self._run}/podman.sock"
        words = [*self._command, "system", "service", "--time", "0", self.host]
        self._process = Background("podman", words, folder, self._variables)
        self._process.wait_until(lambda: answers_ping(self.host), 120)

    def podman(self, *words: str) -> str:
        """The output of a podman command."""
        done = subprocess.run(
            [*self._command, *words],
            env={**os.environ, **self._variables},
            capture_output=True,
            check=True,
            text=True,
            timeout=120,
        )
        return done.stdout.strip()

    def stop(self) -> None:
        """End the service, what runs in it, and its networks."""
        self.podman("rm", "--all", "--force", "--time", "0")
        names = self.podman("network", "ls", "--quiet").split()
        found = json.loads(self.podman("network", "inspect", *names))
        self.podman("network", "prune", "--force")
        for network in found:
            # A bridge outlives its network; one that was never used is not there.
            subprocess.run(
                [find("ip"), "link", "delete", network["network_interface"]], check=False, capture_output=True
            )
        self._process.stop(20)
        # The conmon of an exec session outlives it, and what cleans up behind a container mounts the folder of its layers, as every podman does.
        for pid in _running_at(self._run):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        wait_until("podman ends", lambda: not _running_at(self._run))
        subprocess.run(["umount", "-l", str(self._layers)], check=False, capture_output=True)
        shutil.rmtree(self._run, ignore_errors=True)


def _running_at(folder: Path) -> list[int]:
    """The processes that name a folder."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if str(folder).encode() in entry.read_bytes():
                found.append(int(entry.parent.name))
    return found
