"""The client of a host whose engine gives the answers that a test sets."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from shipit.clock import Clock, Deadline
from shipit.docker.address import EngineAddress
from shipit.docker.client import Engine
from shipit.targets.engine.client import HostClient
from tests.docker.answering_engine import Server


@contextmanager
def answering_host(folder: Path, answers: Mapping[str, Any]) -> Iterator[tuple[HostClient, Server]]:
    """`answers`: `METHOD /path` -> a body as bytes or as a value for JSON; None is 204 without a body."""
    path = folder / "docker.sock"
    path.unlink(missing_ok=True)
    with Server(path) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        for name, body in answers.items():
            server.answers[name] = (200, body if isinstance(body, bytes) else json.dumps(body).encode())
            if body is None:
                server.answers[name] = (204, b"")
        engine = Engine(EngineAddress(f"unix://{server.server_address!s}"), {})
        try:
            assert engine.is_reachable()
            yield HostClient(engine, "engine", Deadline(Clock())), server
        finally:
            engine.close()
            server.shutdown()
            thread.join()
