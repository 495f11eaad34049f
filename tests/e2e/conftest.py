"""What the tests on real servers share."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.web_place import WebPlace
from tests.servers.cluster import Cluster, namespace_of
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
