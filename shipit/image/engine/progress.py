"""The progress of an engine's build, parsed from three formats into one value. Pure.

Source: BuildKit api/services/control/control.proto, StatusResponse; protobuf.dev/programming-guides/encoding;
the plain progress of `docker buildx build`; Docker Engine API, POST /build.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

TRACE = "moby.buildkit.trace"
# Limits: the last lines of each vertex are kept, and longer lines are split.
_LONGEST_LINE = 64 * 1024
_MOST_LINES = 200
_LONGEST_NAME = 4096
_MOST_VERTICES = 10_000
_PLAIN = re.compile(r"#(\d+) (.*)")
_PLAIN_TIMED = re.compile(r"\d+\.\d+ (.*)")
_PLAIN_STATE = re.compile(
    r"(?:DONE|CACHED|CANCELED|resolve|sha256:|extracting|transferring|naming to|unpacking to)\b.*"
)
_STEP = re.compile(r"Step (\d{1,9})/\d+ : (.*)")


@dataclass
class Vertex:
    """One vertex of a build, such as a step: its name for people, its last lines of output, and its error."""

    name: str
    lines: deque[str] = field(default_factory=lambda: deque(maxlen=_MOST_LINES))
    error: str = ""
    rest: str = ""


@dataclass
class Progress:
    """The vertices of a build by id, in order of their start. `tell` is called with each line of output."""

    tell: Callable[[str], None]
    vertices: dict[str, Vertex] = field(default_factory=dict)
    image_id: str = ""
    error: str = ""

    @property
    def failed(self) -> Vertex | None:
        return next((vertex for vertex in self.vertices.values() if vertex.error), None)

    def begin(self, key: str, name: str) -> None:
        if key not in self.vertices and len(self.vertices) < _MOST_VERTICES:
            self.vertices[key] = Vertex(name[:_LONGEST_NAME])
            if name.startswith(("[", "Step ")) and not name.startswith("[internal]"):
                self.tell(name)

    def write(self, key: str, text: str) -> None:
        """Add output of a vertex; chunks may end anywhere."""
        self.begin(key, "")
        vertex = self.vertices.get(key)
        if vertex is None:
            return
        *whole, rest = (vertex.rest + text).split("\n")
        *broken, vertex.rest = [rest[at : at + _LONGEST_LINE] for at in range(0, len(rest), _LONGEST_LINE)] or [""]
        for line in (*whole, *broken):
            self._line(vertex, line)

    def fail(self, key: str, name: str, error: str) -> None:
        self.begin(key, name)
        if key in self.vertices:
            self.vertices[key].error = error

    def flush(self) -> None:
        for vertex in self.vertices.values():
            if vertex.rest:
                self._line(vertex, vertex.rest)
                vertex.rest = ""

    def _line(self, vertex: Vertex, line: str) -> None:
        # A terminal shows what follows the last carriage return.
        shown = line.rstrip("\r").rpartition("\r")[2].rstrip()
        vertex.lines.append(shown)
        self.tell(shown)


def read_row(row: Mapping[str, Any], progress: Progress) -> None:
    """Add one JSON row of POST /build, from BuildKit or the classic builder."""
    aux = row.get("aux")
    if row.get("id") == TRACE and isinstance(aux, str):
        try:
            read_trace(base64.b64decode(aux), progress)
        except (binascii.Error, ValueError, IndexError):
            return
    elif isinstance(aux, dict) and aux.get("ID"):
        progress.image_id = str(aux["ID"])
    if text := row.get("stream"):
        _read_classic(str(text), progress)
    detail = row.get("errorDetail")
    if detail or "error" in row:
        message = detail.get("message") if isinstance(detail, dict) else None
        progress.error = str(message or row.get("error") or "the engine reported a failure without a message")


def _read_classic(text: str, progress: Progress) -> None:
    if match := _STEP.match(text):
        progress.begin(match[1], text.strip())
    elif progress.vertices:
        progress.write(list(progress.vertices)[-1], text)


def read_trace(data: bytes, progress: Progress) -> None:
    """Add one StatusResponse. Raises: ValueError or IndexError when it is truncated."""
    for number, value in _fields(data):
        if not isinstance(value, bytes):
            continue
        if number == 1:
            parts = dict(_fields(value))
            key, name, error = (_text(parts.get(index)) for index in (1, 3, 7))
            if _has_begun(parts):
                progress.begin(key, name)
            if error:
                progress.fail(key, name, error)
        elif number == 3:
            parts = dict(_fields(value))
            progress.write(_text(parts.get(1)), _text(parts.get(4)))


def _has_begun(parts: Mapping[int, int | bytes]) -> bool:
    return 5 in parts


def _text(value: int | bytes | None) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else ""


def _fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """The fields of a protobuf message in order: number and value, an integer or bytes."""
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        kind = key & 7
        if kind == 0:
            value, at = _varint(data, at)
            yield key >> 3, value
            continue
        if kind == 2:
            size, at = _varint(data, at)
        elif kind in (1, 5):
            size = 8 if kind == 1 else 4
        else:
            raise ValueError(f"wire type {kind}")
        if at + size > len(data):
            raise ValueError("the message is truncated")
        yield key >> 3, data[at : at + size]
        at += size


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if not byte & 0x80:
            return value, at
        if shift > 63:
            raise ValueError("a number is too long")


def read_plain(line: str, progress: Progress) -> None:
    """Add one line of `--progress plain`."""
    match = _PLAIN.fullmatch(line)
    if not match:
        if line.startswith("ERROR: "):
            progress.error = line.removeprefix("ERROR: ").removeprefix("failed to solve: ")
        return
    key, text = match[1], match[2]
    if key not in progress.vertices:
        progress.begin(key, text)
    elif text.startswith("ERROR: "):
        progress.fail(key, "", text.removeprefix("ERROR: "))
    elif timed := _PLAIN_TIMED.fullmatch(text):
        progress.write(key, f"{timed[1]}\n")
    elif not _PLAIN_STATE.match(text) and text != progress.vertices[key].name:
        progress.write(key, f"{text}\n")
