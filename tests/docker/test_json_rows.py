"""Streams of JSON rows that arrive in chunks of any size."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from shipit.docker.json_rows import LONGEST_ROW, json_rows

ROWS = st.lists(st.dictionaries(st.text(max_size=5), st.text(max_size=20) | st.integers(), max_size=3), max_size=5)


@given(ROWS, st.integers(1, 9))
def test_rows_are_the_same_for_any_size_of_chunks(rows: list[dict[str, str | int]], size: int) -> None:
    data = b"\r\n".join(json.dumps(row).encode() for row in rows)
    assert list(json_rows(data[at : at + size] for at in range(0, len(data), size))) == rows


def test_lines_that_are_not_objects_are_skipped() -> None:
    lines = [b'{"a": 1}', b"", b"[1]", b"null", b"{", b"\xff", b"[" * 9000, b'{"b": 2}']
    assert list(json_rows([b"\n".join(lines)])) == [{"a": 1}, {"b": 2}]


def test_a_row_that_is_too_long_is_skipped() -> None:
    chunk = b"x" * (1024 * 1024)
    long = [b'{"a": "', *[chunk] * (LONGEST_ROW // len(chunk) + 1), b'"}\n']
    assert list(json_rows([b'{"b": 1}\n', *long, b'{"c": 2}\n'])) == [{"b": 1}, {"c": 2}]
