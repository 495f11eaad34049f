"""The health path of a container, and what its app may answer."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from shipit.clock import Clock
from shipit.config.process_environment import ProcessEnvironment
from shipit.docker.address import EngineAddress
from shipit.docker.client import Engine
from shipit.targets.docker.observed import ProbeFacts
from shipit.targets.docker.probe import probe
from shipit.targets.docker.spec import Health
from shipit.targets.engine.container_values import Publish
from shipit.targets.session import Clients, Session


class App:
    """Accepts connections, and sends each the pieces of an answer."""

    def __init__(self, *pieces: bytes, pause_s: float = 0.0) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._pieces, self._pause_s = pieces, pause_s
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            connection, _ = self._listener.accept()
            with connection:
                connection.recv(4096)
                for piece in self._pieces:
                    connection.sendall(piece)
                    if self._is_over.wait(self._pause_s):
                        return

    def close(self) -> None:
        self._is_over.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()


@pytest.fixture
def start() -> Iterator[Callable[..., App]]:
    made: list[App] = []

    def one(*pieces: bytes, pause_s: float = 0.0) -> App:
        made.append(App(*pieces, pause_s=pause_s))
        return made[-1]

    yield one
    for app in made:
        app.close()


def asked(folder: Path, port: int, limit_s: float = 60.0) -> ProbeFacts:
    clock = Clock()
    environment = ProcessEnvironment({}, folder, folder)
    session = Session(environment, clock, lambda event: None, str, clock.now() + limit_s, Clients(clock))
    engine = Engine(EngineAddress("unix:///none"), {})
    return probe(engine, Health("/up", 3000, Publish(3000, port, "127.0.0.1")), "", session)


@pytest.mark.parametrize(
    ("pieces", "facts"),
    [
        ((b"HTTP/1.1 200 OK\r\n\r\n",), ProbeFacts("/up", 200)),
        ((b"HTTP/1.0 4", b"04 No\r\n"), ProbeFacts("/up", 404)),
        ((b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 204 No\r\n\r\n",), ProbeFacts("/up", 204)),
        ((b"",), ProbeFacts("/up", 0, "no answer of http")),
        ((b"SSH-2.0-OpenSSH\r\n",), ProbeFacts("/up", 0, "no answer of http")),
        ((b"x" * 100_000,), ProbeFacts("/up", 0, "no answer of http")),
    ],
)
def test_answers(tmp_path: Path, start: Callable[..., App], pieces: tuple[bytes, ...], facts: ProbeFacts) -> None:
    found = asked(tmp_path, start(*pieces).port)
    # What is cut off while it is sent may be told as a connection that was reset.
    assert found == facts or (not facts.status and not found.status)


def test_an_answer_byte_by_byte_has_one_time_limit(tmp_path: Path, start: Callable[..., App]) -> None:
    app = start(*[b"HTTP/1.1 103 Early Hints\r\n", *[b"x: y\r\n"] * 1000], pause_s=0.2)
    began = time.monotonic()
    found = asked(tmp_path, app.port, limit_s=1.0)
    assert found == ProbeFacts("/up", 0, "no answer in time")
    # The whole answer would take more than three minutes.
    assert time.monotonic() - began < 120


def test_a_port_that_nothing_listens_on(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert asked(tmp_path, port).status == 0
