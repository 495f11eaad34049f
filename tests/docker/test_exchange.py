"""Exchanges with a program in a container, as an engine answers them."""

from __future__ import annotations

import contextlib
import json
import socketserver
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from shipit.docker.address import EngineAddress
from shipit.docker.client import Engine
from shipit.docker.exchange import exchange
from shipit.errors import RemoteError
from tests.docker.answering_engine import VERSION, Server

MADE = (201, json.dumps({"Id": "e1"}).encode())


@pytest.fixture
def engine(server: Server) -> Iterator[Engine]:
    found = Engine(EngineAddress(f"unix://{server.server_address!s}"), {})
    assert found.is_reachable()
    yield found
    found.close()


def test_the_output_is_read_until_the_program_ends(server: Server, engine: Engine) -> None:
    server.answers |= {"POST /containers/c/exec": MADE, "POST /exec/e1/start": (200, b"\1\0\0\0\0\0\0\2hi")}
    assert exchange(engine, "c", ["nc"], b"", 30.0) == b"\1\0\0\0\0\0\0\2hi"
    assert [line for line, _ in server.requests][-1].endswith("/exec/e1/start")
    assert server.requests[-1][1]["Upgrade"] == "tcp"


@pytest.mark.parametrize(
    ("answers", "what"),
    [
        (
            {"POST /containers/c/exec": (409, b'{"message": "container c is not running"}')},
            "container c is not running",
        ),
        ({"POST /containers/c/exec": MADE, "POST /exec/e1/start": (500, b'{"message": "no nc"}')}, "no nc"),
        ({"POST /containers/c/exec": (201, b"{}")}, "Id"),
    ],
)
def test_what_the_engine_refuses_is_said(
    server: Server, engine: Engine, answers: dict[str, tuple[int, bytes]], what: str
) -> None:
    server.answers |= answers
    with pytest.raises(RemoteError, match=what):
        exchange(engine, "c", ["nc"], b"", 30.0)


def test_a_connection_that_ends_without_an_answer_is_an_error(server: Server, engine: Engine) -> None:
    server.is_stopped = True
    with pytest.raises(RemoteError, match="lost the connection"):
        exchange(engine, "c", ["nc"], b"", 30.0)


def test_an_output_without_an_end_is_an_error(tmp_path: Path) -> None:
    path = f"{tmp_path}/s"
    with dripping(path) as requests, pytest.raises(RemoteError, match=r"has no end after 2 s|lost the connection"):
        engine = Engine(EngineAddress(f"unix://{path}"), {})
        assert engine.is_reachable()
        try:
            exchange(engine, "c", ["nc"], b"", 2.0)
        finally:
            engine.close()
    assert any(line.endswith("/exec/e1/start") for line in requests)


@contextlib.contextmanager
def dripping(path: str) -> Iterator[list[str]]:
    """An engine whose program writes a byte now and then, until the connection is closed."""
    requests: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.reply(200, VERSION)

        def do_POST(self) -> None:
            requests.append(self.path)
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if not self.path.endswith("/start"):
                self.reply(201, {"Id": "e1"})
                return
            self.wfile.write(b"HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n")
            self.close_connection = True
            with contextlib.suppress(OSError):
                while True:
                    self.wfile.write(b"x")
                    time.sleep(0.02)

        def reply(self, status: int, value: Any) -> None:
            body = json.dumps(value).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    class Listener(socketserver.ThreadingUnixStreamServer):
        daemon_threads = False

    with Listener(path, Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield requests
        finally:
            server.shutdown()
            thread.join()
