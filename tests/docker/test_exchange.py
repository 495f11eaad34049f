"""Exchanges with a program in a container, as an engine answers them."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from shipit.docker.address import EngineAddress
from shipit.docker.client import Engine
from shipit.docker.exchange import exchange
from shipit.errors import RemoteError
from tests.docker.answering_engine import Server

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
