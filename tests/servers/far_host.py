"""A Docker host of its own: an engine in a network namespace, which this machine reaches at one address."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from tests.servers.engine import DockerEngine
from tests.servers.install import find
from tests.servers.sshd import Sshd


class FarHost:
    """Its ports are its own: it can publish those that this machine publishes, too. No registry of the tests is reached from it."""

    def __init__(self, folder: Path, ssh_folder: Path) -> None:
        number = os.getpid()
        self._name = f"sdn{number}"
        subnet = f"10.{180 + number % 10}.{number // 10 % 250}"
        self.address = f"{subnet}.2"
        far = ("netns", "exec", self._name, find("ip"))
        self._run("netns", "add", self._name)
        self._run("link", "add", self._link, "type", "veth", "peer", "name", "far0", "netns", self._name)
        self._run("address", "add", f"{subnet}.1/24", "dev", self._link)
        self._run("link", "set", self._link, "up")
        self._run(*far, "link", "set", "lo", "up")
        self._run(*far, "address", "add", f"{self.address}/24", "dev", "far0")
        self._run(*far, "link", "set", "far0", "up")
        self._within = (find("nsenter"), f"--net=/run/netns/{self._name}")
        self._ssh_folder = ssh_folder
        self.engine = DockerEngine(folder, within=self._within)

    def sshd(self, docker_host: str) -> Sshd:
        """An sshd of the host, for an engine at a unix socket. The caller stops it."""
        return Sshd(self._ssh_folder, docker_host, self.address, self._within)

    def unplug(self) -> None:
        """From now on nothing arrives there, and nothing comes back: not even the end of a connection."""
        self._run("link", "set", self._link, "down")

    def plug(self) -> None:
        self._run("link", "set", self._link, "up")

    @property
    def _link(self) -> str:
        """This machine's end of the cable."""
        return f"{self._name}-0"

    def _run(self, *words: str) -> None:
        subprocess.run([find("ip"), *words], check=True, capture_output=True)

    def stop(self) -> None:
        self.engine.stop()
        self._run("link", "delete", self._link)
        self._run("netns", "delete", self._name)
