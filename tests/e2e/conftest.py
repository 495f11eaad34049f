"""What the tests on real servers share."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from shipit.rehearsal.dyno import free_port
from tests.conftest import started
from tests.e2e.web_place import WebPlace
from tests.servers.cluster import Cluster, namespace_of
from tests.servers.engine import DockerEngine
from tests.servers.install import find
from tests.servers.process import Background, accepts
from tests.servers.registry import RegistryServer


@pytest.fixture
def web(
    tmp_path: Path,
    cluster: Cluster,
    registry_server: RegistryServer,
    python_base: str,
    request: pytest.FixtureRequest,
) -> WebPlace:
    """The workload web in a namespace of its own."""
    name = namespace_of(request.node)
    cluster.kubectl("create", "namespace", name)
    return WebPlace(tmp_path / "shop", cluster, registry_server.host, name, python_base)


@pytest.fixture(scope="session")
def ssh(engine: DockerEngine, server_folder: Path) -> Iterator[tuple[int, Path]]:
    """A real sshd whose sessions reach the engine: its port, and a folder with an `ssh` that knows its key."""
    folder = server_folder / "ssh"
    (folder / "bin").mkdir(parents=True)
    for name in ("host", "user"):
        command = [started(lambda: find("ssh-keygen")), "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)]
        subprocess.run(command, check=True)
    shutil.copy(folder / "user.pub", folder / "authorized_keys")
    port = free_port()
    settings = [
        f"Port {port}",
        "ListenAddress 127.0.0.1",
        f"HostKey {folder / 'host'}",
        f"AuthorizedKeysFile {folder / 'authorized_keys'}",
        "StrictModes no",
        "UsePAM no",
        "PidFile none",
        f"SetEnv DOCKER_HOST={engine.host}",
    ]
    (folder / "sshd_config").write_text("\n".join(settings) + "\n")
    Path("/run/sshd").mkdir(exist_ok=True)
    command = [started(lambda: find("sshd")), "-D", "-e", "-f", str(folder / "sshd_config")]
    server = Background("sshd", command, folder)
    started(lambda: server.wait_until(lambda: accepts(port), 120))
    known = f"[127.0.0.1]:{port} {(folder / 'host.pub').read_text()}"
    (folder / "known_hosts").write_text(known)
    (folder / "config").write_text(f"IdentityFile {folder / 'user'}\nUserKnownHostsFile {folder / 'known_hosts'}\n")
    wrapper = folder / "bin/ssh"
    wrapper.write_text(f'#!/bin/sh\nexec {find("ssh")} -F {folder / "config"} "$@"\n')
    wrapper.chmod(0o755)
    yield port, folder
    server.stop()
