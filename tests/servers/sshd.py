"""A real sshd whose sessions reach a Docker engine."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from shipit.rehearsal.dyno import free_port
from tests.servers.install import find
from tests.servers.process import Background, accepts


class Sshd:
    """Listens at `address`:`port`. `folder` has the keys of all of them, and `bin/ssh`, which knows these.

    `within` is what a command has before it to run in another network namespace.
    """

    def __init__(
        self, folder: Path, docker_host: str, address: str = "127.0.0.1", within: tuple[str, ...] = ()
    ) -> None:
        self.folder, self.address, self.port = folder, address, free_port()
        if not (folder / "user").exists():
            _make_keys(folder)
        settings = [
            f"Port {self.port}",
            f"ListenAddress {address}",
            f"HostKey {folder / 'host'}",
            f"AuthorizedKeysFile {folder / 'authorized_keys'}",
            "StrictModes no",
            "UsePAM no",
            "PidFile none",
            f"SetEnv DOCKER_HOST={docker_host}",
        ]
        config = folder / f"sshd-{self.port}.config"
        config.write_text("\n".join(settings) + "\n")
        Path("/run/sshd").mkdir(exist_ok=True)
        self._server = Background(f"sshd-{self.port}", [*within, find("sshd"), "-D", "-e", "-f", str(config)], folder)
        self._server.wait_until(lambda: accepts(self.port, address), 120)
        with (folder / "known_hosts").open("a") as known:
            known.write(f"[{address}]:{self.port} {(folder / 'host.pub').read_text()}")

    @property
    def host(self) -> str:
        return f"ssh://root@{self.address}:{self.port}"

    def stop(self) -> None:
        self._server.stop()


def _make_keys(folder: Path) -> None:
    (folder / "bin").mkdir(parents=True)
    for name in ("host", "user"):
        command = [find("ssh-keygen"), "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)]
        subprocess.run(command, check=True)
    shutil.copy(folder / "user.pub", folder / "authorized_keys")
    (folder / "config").write_text(f"IdentityFile {folder / 'user'}\nUserKnownHostsFile {folder / 'known_hosts'}\n")
    wrapper = folder / "bin/ssh"
    wrapper.write_text(f'#!/bin/sh\nexec {find("ssh")} -F {folder / "config"} "$@"\n')
    wrapper.chmod(0o755)
