"""What the events of a watch change in a list of objects."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import pytest

from shipit.errors import RemoteError
from shipit.http.fields import Field
from shipit.targets.kubernetes.watch_events import (
    LONGEST_LINE,
    Entry,
    InvalidWatch,
    after,
    entry_of,
    lines_of,
    parse_watch_event,
)

A, B = Entry("u-a", "5", "a at 5"), Entry("u-b", "6", "b at 6")
KNOWN = {"a": A, "b": B}


def parse(item: Field) -> str:
    return f"{item['metadata']['name'].text()} at {item['metadata']['resourceVersion'].text()}"


def event(kind: str, name: str = "", version: str = "", uid: str = "") -> bytes:
    metadata = {"name": name, "uid": uid or f"u-{name}", "resourceVersion": version}
    return json.dumps({"type": kind, "object": {"metadata": metadata}}).encode()


@pytest.mark.parametrize(
    ("line", "changed"),
    [
        (event("ADDED", "c", "9"), {"c": Entry("u-c", "9", "c at 9")}),
        (event("MODIFIED", "a", "9"), {"a": Entry("u-a", "9", "a at 9")}),
        # An object that was deleted and created again, whose first event was not seen.
        (event("ADDED", "a", "9", uid="new"), {"a": Entry("new", "9", "a at 9")}),
        (event("MODIFIED", "c", "9"), {"c": Entry("u-c", "9", "c at 9")}),
        (event("DELETED", "a", "9"), {"a": None}),
        # Resource versions that are not numbers can't be compared: the order of the stream counts.
        (event("MODIFIED", "a", "opaque"), {"a": Entry("u-a", "opaque", "a at opaque")}),
        (event("MODIFIED", "a", "10"), {"a": Entry("u-a", "10", "a at 10")}),
        (event("MODIFIED", "a", "9" * 5000), {"a": Entry("u-a", "9" * 5000, f"a at {'9' * 5000}")}),
    ],
)
def test_an_event_changes_one_object(line: bytes, changed: dict[str, Any]) -> None:
    wanted = {name: entry for name, entry in {**KNOWN, **changed}.items() if entry}
    assert dict(after(KNOWN, parse_watch_event(line, "GET x"), parse)) == wanted


@pytest.mark.parametrize(
    "line",
    [
        event("BOOKMARK", version="99"),
        event("MODIFIED", "a", "5"),
        event("MODIFIED", "a", "4"),
        event("ADDED", "a", "4", uid="older"),
        event("DELETED", "a", "9", uid="of an earlier object"),
        event("DELETED", "a", "4"),
        event("DELETED", "c", "9"),
    ],
    ids=["bookmark", "the same", "an older one", "an earlier object", "deleted before", "deleted late", "unknown"],
)
def test_an_event_that_is_late_changes_nothing(line: bytes) -> None:
    assert after(KNOWN, parse_watch_event(line, "GET x"), parse) is KNOWN


def test_an_object_of_the_same_version_is_not_parsed_again() -> None:
    def fail(item: Field) -> str:
        raise AssertionError("parsed")

    item = Field(json.loads(event("X", "a", "5"))["object"], "GET x")
    assert entry_of(item, fail, KNOWN) == ("a", A)


def test_an_error_event_has_its_code() -> None:
    line = b'{"type": "ERROR", "object": {"kind": "Status", "code": 410, "reason": "Expired"}}'
    found = parse_watch_event(line, "GET x")
    assert (found.type, found.code) == ("ERROR", 410)
    assert after(KNOWN, found, parse) is KNOWN


@pytest.mark.parametrize(
    "line",
    [
        b"<html>",
        b"[]",
        b'"ADDED"',
        b'{"kind": "ConfigMapList", "items": []}',
        b'{"type": "ADDED"}',
        b'{"type": "ADDED", "object": []}',
        event("EXPLODED", "a", "1"),
        b'{"type": "ADDED", "object": ' + b"[" * 200 + b"]" * 200 + b"}",
    ],
)
def test_what_is_no_event_is_refused(line: bytes) -> None:
    with pytest.raises(InvalidWatch):
        parse_watch_event(line, "GET x")


def test_an_event_without_a_version_is_refused() -> None:
    with pytest.raises(RemoteError, match="resourceVersion should be there"):
        parse_watch_event(event("ADDED", "a", ""), "GET x")


@pytest.mark.parametrize(
    ("pieces", "lines"),
    [
        ([b"one\ntwo\n"], [b"one", b"two"]),
        ([b"o", b"n", b"e\nt", b"wo\n\n\r\n"], [b"one", b"two"]),
        ([b"one\nunfinished"], [b"one"]),
        ([], []),
    ],
)
def test_lines_are_joined_from_pieces(pieces: Iterable[bytes], lines: list[bytes]) -> None:
    assert list(lines_of(pieces, "GET x")) == lines


def test_an_endless_line_is_refused() -> None:
    taken = []

    def endless() -> Iterable[bytes]:
        while True:
            taken.append(1)
            yield b"x" * 65536

    with pytest.raises(InvalidWatch, match="longer than 8 MiB"):
        list(lines_of(endless(), "GET x"))
    assert len(taken) <= LONGEST_LINE // 65536 + 1
