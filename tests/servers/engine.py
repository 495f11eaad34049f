"""Docker engines for tests, separate from any engine that runs on this machine."""

from __future__ import annotations

import itertools
import json
import os
import platform
import socket
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from tests.servers.install import SYSTEM_PATH, compose_plugin, find, modern_folder
from tests.servers.process import Background, Unavailable

_NUMBERS = itertools.count()


class DockerEngine:
    """A dockerd on a unix socket. `host` is its DOCKER_HOST; containerd runs inside it.

    Debian's own (20.10) or, `modern`, the next release's (26.1) with the containerd image store. One that runs `beside`
    the first needs a bridge of its own: one without any would take the usual one down. `arguments` and `variables` are
    added to its command and environment. `within` is what the command has before it to run in another network namespace.
    """

    def __init__(
        self,
        folder: Path,
        *,
        modern: bool = False,
        beside: bool = False,
        arguments: tuple[str, ...] = (),
        variables: Mapping[str, str] | None = None,
        within: tuple[str, ...] = (),
    ) -> None:
        if platform.system() != "Linux" or os.geteuid() != 0:
            raise Unavailable("a Docker engine needs Linux and root")
        self._own_bridge, self._within = "", within
        path, program = SYSTEM_PATH, ""
        if modern:
            root = modern_folder()
            if not (root / "usr/sbin/dockerd").is_file():
                raise Unavailable("the newer Docker engine is not unpacked (python -m tests.servers.install)")
            path, program = f"{root}/usr/bin:{root}/usr/sbin:{SYSTEM_PATH}", f"{root}/usr/sbin/dockerd"
        # A unix socket's path has to be short.
        self._run = Path(tempfile.mkdtemp(prefix="sde-", dir="/tmp"))
        self.host = f"unix://{self._run}/docker.sock"
        config = self._run / "daemon.json"
        config.write_text(json.dumps({"features": {"containerd-snapshotter": True}} if modern else {}))
        name = f"{self._run.name}-modern" if modern else self._run.name
        command = [*within, program or find("dockerd"), "--data-root", str(folder / self._run.name)]
        command += ["--config-file", str(config), "--exec-root", str(self._run / "exec")]
        if modern or beside:
            command += ["--bridge", self._bridge()]
        command += ["-H", self.host, "--pidfile", str(self._run / "pid"), *arguments]
        folder.mkdir(parents=True, exist_ok=True)
        self._process = Background(name, command, folder, {"PATH": path, **(variables or {})})
        self._process.wait_until(lambda: answers_ping(self.host), 180)

    def _bridge(self) -> str:
        """Create a bridge for this engine: the other engine uses docker0."""
        number = next(_NUMBERS)
        name = f"sde{os.getpid() % 100000}-{number}"
        subprocess.run([find("ip"), "link", "add", name, "type", "bridge"], check=False, capture_output=True)
        address = f"10.{200 + os.getpid() % 50}.{(os.getpid() // 50 + number) % 250}.1/24"
        for words in (["address", "add", address, "dev", name], ["link", "set", name, "up"]):
            subprocess.run([find("ip"), *words], check=False, capture_output=True)
        self._own_bridge = name
        return name

    def docker(self, *words: str) -> str:
        """The output of a docker command on this engine."""
        command = [find("docker"), "--host", self.host, *words]
        return subprocess.run(command, capture_output=True, check=True, text=True, timeout=120).stdout.strip()

    def stop(self) -> None:
        # Those of networks stay when an engine stops, and each has a part of the addresses that all engines share.
        bridges = [*self._bridges(), *([self._own_bridge] if self._own_bridge else [])]
        self._process.stop(20)
        for name in bridges:
            subprocess.run([*self._within, find("ip"), "link", "delete", name], check=False, capture_output=True)
            if not self._within:
                _forget_rules(name)

    def _bridges(self) -> list[str]:
        """The interfaces of the networks that were made on this engine; none where it does not answer any more."""
        try:
            rows = self.docker(
                "network", "ls", "--no-trunc", "--filter", "driver=bridge", "--filter", "type=custom", "--quiet"
            )
        except (subprocess.SubprocessError, OSError):
            return []
        return [f"br-{identity[:12]}" for identity in rows.split()]


def _forget_rules(bridge: str) -> None:
    """Remove the firewall's rules for a bridge: an engine that stops leaves them, and each later start reads all of them."""
    iptables = [find("iptables"), "--wait"]
    for table in ("filter", "nat"):
        listed = subprocess.run([*iptables, "-t", table, "-S"], check=False, capture_output=True, text=True, timeout=60)
        for words in map(str.split, listed.stdout.splitlines()):
            if words[0] == "-A" and bridge in words:
                subprocess.run([*iptables, "-t", table, "-D", *words[1:]], check=False, capture_output=True, timeout=60)


def install_buildx(docker_config: Path) -> None:
    """Give a Docker configuration folder the buildx plugin, as its user would have installed it."""
    plugin = modern_folder() / "usr/libexec/docker/cli-plugins/docker-buildx"
    if not plugin.is_file():
        raise Unavailable("buildx is not unpacked (python -m tests.servers.install)")
    (docker_config / "cli-plugins").mkdir(parents=True, exist_ok=True)
    (docker_config / "cli-plugins/docker-buildx").symlink_to(plugin)


def install_compose(docker_config: Path) -> None:
    """Give a Docker configuration folder the Compose plugin, as its user would have installed it."""
    plugin = compose_plugin()
    (docker_config / "cli-plugins").mkdir(parents=True, exist_ok=True)
    (docker_config / "cli-plugins/docker-compose").symlink_to(plugin)


def path_without_docker(folder: Path) -> str:
    """A PATH with what builds need beside a docker command."""
    folder.mkdir(exist_ok=True)
    for program in ("git", "sh"):
        (folder / program).symlink_to(find(program))
    return str(folder)


def answers_ping(host: str) -> bool:
    """True when the engine at `unix://PATH` answers."""
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(5)
        probe.connect(host.removeprefix("unix://"))
        probe.sendall(b"GET /_ping HTTP/1.0\r\n\r\n")
        return b"200 OK" in probe.recv(100)
