"""What the tests of the engine's client share."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from tests.docker.answering_engine import Server


@pytest.fixture
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    # The path of a socket has at most 107 bytes.
    with Server(tmp_path_factory.mktemp("engine") / "docker.sock") as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.is_over.set()
        server.shutdown()
        thread.join()
