"""Progress of builds: the plain text of buildx, and JSON rows of BuildKit and of the classic builder."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from shipit.image.engine.progress import TRACE, Progress, read_plain, read_row


def field(number: int, data: bytes) -> bytes:
    """A length-delimited field of a protobuf message of less than 128 bytes."""
    return bytes([number << 3 | 2, len(data)]) + data


def trace(*fields: bytes) -> dict[str, Any]:
    return {"id": TRACE, "aux": base64.b64encode(b"".join(fields)).decode()}


STARTED = field(5, b"")


def shown(*rows: dict[str, Any]) -> tuple[Progress, list[str]]:
    lines: list[str] = []
    progress = Progress(lines.append)
    for row in rows:
        read_row(row, progress)
    progress.flush()
    return progress, lines


def test_vertices_and_output_of_buildkit() -> None:
    step = field(1, b"sha256:1") + field(3, b"[2/2] RUN make")
    progress, lines = shown(
        trace(field(1, step)),
        trace(field(1, step + STARTED)),
        trace(field(3, field(1, b"sha256:1") + field(4, b"cc -c a.c\ncc"))),
        trace(field(3, field(1, b"sha256:1") + field(4, b" -c b.c"))),
        trace(field(1, step + STARTED + field(7, b"exit code: 2"))),
        {"aux": {"ID": "sha256:image"}},
    )
    assert lines == ["[2/2] RUN make", "cc -c a.c", "cc -c b.c"]
    assert progress.failed is not None and progress.failed.error == "exit code: 2"
    assert progress.image_id == "sha256:image"


def test_a_vertex_that_has_not_started_is_not_shown() -> None:
    progress, lines = shown(trace(field(1, field(1, b"sha256:1") + field(3, b"[2/2] RUN make"))))
    assert not lines and not progress.vertices


@pytest.mark.parametrize(
    "row",
    [
        {"id": TRACE, "aux": "%"},
        {"id": TRACE, "aux": base64.b64encode(b"\x0a\x7fshort").decode()},
        {"id": TRACE, "aux": base64.b64encode(b"\x0f").decode()},
        {"id": TRACE, "aux": base64.b64encode(b"\xff" * 20).decode()},
        {"id": TRACE, "aux": 1},
        {"aux": []},
        {"stream": ""},
        {},
    ],
)
def test_invalid_rows_are_ignored(row: dict[str, Any]) -> None:
    progress, lines = shown(row)
    assert not lines and not progress.vertices and not progress.error and not progress.image_id


@pytest.mark.parametrize(
    ("row", "error"),
    [
        ({"error": "no space left"}, "no space left"),
        ({"error": "short", "errorDetail": {"message": "long"}}, "long"),
        ({"errorDetail": {}, "error": ""}, "the engine reported a failure without a message"),
        ({"errorDetail": [1], "error": None}, "the engine reported a failure without a message"),
    ],
)
def test_errors_of_a_row(row: dict[str, Any], error: str) -> None:
    assert shown(row)[0].error == error


def test_plain_progress_of_buildx() -> None:
    lines: list[str] = []
    progress = Progress(lines.append)
    for line in (
        "#0 building with default instance",
        "#1 [internal] load build definition from Dockerfile",
        "#1 transferring dockerfile: 31B done",
        "#1 DONE 0.0s",
        "#5 [2/2] RUN make",
        "#5 0.123 cc -c a.c",
        "#5 CACHED",
        "#5 1.5 progress 10%\rprogress 100%",
        "#5 ERROR: exit code: 2",
        "------",
        "ERROR: failed to solve: exit code: 2",
    ):
        read_plain(line, progress)
    progress.flush()
    assert lines == ["[2/2] RUN make", "cc -c a.c", "progress 100%"]
    assert progress.failed is not None and progress.failed.name == "[2/2] RUN make"
    assert progress.error == "exit code: 2"


def test_a_line_without_end_is_split() -> None:
    lines: list[str] = []
    progress = Progress(lines.append)
    progress.begin("1", "[1/1] RUN yes")
    for _ in range(5):
        progress.write("1", "x" * 50_000)
    progress.flush()
    assert "".join(lines[1:]) == "x" * 250_000 and max(map(len, lines)) <= 64 * 1024
