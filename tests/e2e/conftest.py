"""What the tests on real servers share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import started
from tests.e2e.web_place import WebPlace
from tests.servers.cluster import Cluster, namespace_of
from tests.servers.engine import DockerEngine
from tests.servers.far_host import FarHost
from tests.servers.registry import RegistryServer
from tests.servers.sshd import Sshd


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
    server = started(lambda: Sshd(server_folder / "ssh", engine.host))
    yield server.port, server.folder
    server.stop()


@pytest.fixture(scope="session")
def far_host(ssh: tuple[int, Path], server_folder: Path) -> Iterator[FarHost]:
    """Another host, behind an sshd that the `ssh` of the same folder reaches."""
    _, folder = ssh
    server = started(lambda: FarHost(server_folder, folder))
    yield server
    server.stop()
