"""Answers of an engine that are large, odd or hostile."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from shipit.errors import RemoteError
from shipit.http.fields import Field
from shipit.targets.engine.facts import name_of, published_port
from shipit.targets.engine.frames import frames
from shipit.targets.log_times import unix_time
from tests.targets.answering_host import answering_host


def frame(stream: int, data: bytes) -> bytes:
    return bytes([stream, 0, 0, 0]) + len(data).to_bytes(4, "big") + data


def test_frames_are_divided_and_a_terminal_has_none() -> None:
    data = frame(1, b"out") + frame(2, b"") + frame(2, b"err")
    assert list(frames([data[:5], data[5:]])) == [(1, b"out"), (2, b""), (2, b"err")]
    assert list(frames([frame(3, b"Error grabbing logs") + frame(1, b"out")])) == [
        (2, b"Error grabbing logs"),
        (1, b"out"),
    ]
    assert list(frames([frame(1, b"out") + b"plain text"])) == [(1, b"out"), (1, b"plain text")]
    assert list(frames([frame(1, b"cut")[:-1]])) == [(1, b"cu")] and list(frames([b"short"])) == []


def test_a_log_of_many_short_lines_is_read_in_linear_time(tmp_path: Path) -> None:
    lines = [b"2026-01-31T12:00:00Z line %d\n" % number for number in range(500_000)]
    with answering_host(tmp_path, {"GET /containers/web/logs": b"".join(frame(1, line) for line in lines)}) as (
        client,
        _,
    ):
        assert client.log("web", {"tail": "all"}) == b"".join(lines)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-01-31T12:00:09.5Z", "1769860809.500000000"),
        ("2026-02-30T12:00:09Z", ""),
        ("0000-01-01T00:00:00Z", ""),
        ("", ""),
        ("yesterday", ""),
    ],
)
def test_times_as_an_engine_takes_them(text: str, expected: str) -> None:
    assert unix_time(text) == expected


@pytest.mark.parametrize(("text", "port"), [("8080", 8080), ("65536", 0), ("9" * 5000, 0), ("-1", 0), ("\u0663", 0)])
def test_ports_of_a_host(text: str, port: int) -> None:
    assert published_port(Field({"HostPort": text}, "x")) == port


def test_a_container_without_a_name_is_called_by_its_id() -> None:
    rows: list[dict[str, Any]] = [{"Names": ["/web-1"], "Id": "1"}, {"Names": [], "Id": "2"}, {"Id": "3"}]
    assert [name_of(Field(row, "x")) for row in rows] == ["web-1", "2", "3"]
    with pytest.raises(RemoteError):
        name_of(Field({}, "x"))


@pytest.mark.parametrize(("code", "expected"), [("137", 137), ("9" * 5000, -1), ("", -1), ("-1", -1)])
def test_the_exit_code_of_an_event(tmp_path: Path, code: str, expected: int) -> None:
    events = {"Actor": {"Attributes": {"exitCode": code}}}
    with answering_host(tmp_path, {"GET /events": events}) as (client, _):
        assert client.last_exit_code("web", "2026-01-31T12:00:09Z") == expected
