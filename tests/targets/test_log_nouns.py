"""Times, lines and windows of logs."""

from __future__ import annotations

import itertools
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipit.targets.log_lines import LONGEST_LINE, read_lines
from shipit.targets.log_times import log_time, parse_log_time, second_before
from shipit.targets.seen_lines import SeenLines

MIB = 1024 * 1024


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("2026-01-31T12:00:00Z", "2026-01-31T12:00:00.000000000Z"),
        ("2026-01-31T12:00:00.1Z", "2026-01-31T12:00:00.100000000Z"),
        ("2026-01-31T12:00:00.123456789Z", "2026-01-31T12:00:00.123456789Z"),
        ("2026-01-31T12:00:00.123456+00:00", "2026-01-31T12:00:00.123456000Z"),
        ("2026-01-31T00:30:00.5+09:00", "2026-01-30T15:30:00.500000000Z"),
        ("0001-01-01T00:00:00+01:00", ""),
        ("2026-13-31T00:30:00+09:00", ""),
        ("2026-01-31 12:00:00Z", ""),
        ("2026-01-31T12:00:00", ""),
        ("2026-01-31T12:00:00.1234567891Z", ""),
        ("2026-99-99T99:99:99Z", ""),
        ("yesterday", ""),
        ("", ""),
        ("٢٠٢٦-01-31T12:00:00Z", ""),
    ],
)
def test_times_have_one_form(text: str, time: str) -> None:
    assert parse_log_time(text) == time


def test_times_of_the_clock_and_seconds_before() -> None:
    assert log_time(1769860800.25) == "2026-01-31T12:00:00.250000000Z"
    assert second_before("2026-01-31T12:00:00.250000000Z", 1) == "2026-01-31T11:59:59"
    assert second_before("0001-01-01T00:00:00.000000000Z", 1) == "0001-01-01T00:00:00"


def lines_of(*pieces: bytes) -> list[tuple[str, int]]:
    return [line for lines in read_lines(pieces) for line in lines]


def test_lines_are_the_same_however_a_stream_is_cut() -> None:
    text = b"one\r\n\ntwo \xc3\xa9\n\xff\nthree"
    for size in range(1, len(text) + 1):
        pieces = [text[at : at + size] for at in range(0, len(text), size)]
        assert lines_of(*pieces) == [("one", 0), ("", 0), ("two é", 0), ("\ufffd", 0), ("three", 0)]


@pytest.mark.parametrize("size", [1000, 64 * 1024, 3 * LONGEST_LINE])
def test_of_an_endless_line_the_beginning_is_kept_and_the_rest_counted(size: int) -> None:
    text = b"before\n" + b"x" * (LONGEST_LINE + 7) + b"\nafter\n" + b"y" * (2 * LONGEST_LINE)
    pieces = [text[at : at + size] for at in range(0, len(text), size)]
    assert lines_of(*pieces) == [
        ("before", 0), ("x" * LONGEST_LINE, 7), ("after", 0), ("y" * LONGEST_LINE, LONGEST_LINE),
    ]  # fmt: skip


@pytest.mark.large
@pytest.mark.parametrize("line", [b"a line of output like any other\n", b"x" * MIB])
def test_twenty_megabytes_need_little_memory(line: bytes) -> None:
    pieces = itertools.repeat((line * (MIB // len(line)))[: 64 * 1024], 20 * 16)
    tracemalloc.start()
    for _ in read_lines(pieces):
        pass
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 8 * MIB


def time_at(at_ms: int) -> str:
    return log_time(1_769_860_800 + at_ms / 1000)


Rows = list[tuple[str, str]]


@given(
    st.lists(st.tuples(st.integers(0, 400), st.sampled_from("ab")), max_size=60),
    st.lists(st.integers(0, 60), max_size=4),
    st.integers(0, 5),
)
def test_a_log_that_is_read_again_gives_each_line_once(
    steps: list[tuple[int, str]], breaks: list[int], skipped: int
) -> None:
    """The lines come with times that grow, equal ones among them; the stream breaks off after some, and is read again."""
    times = itertools.accumulate(step for step, _ in steps)
    log: Rows = [(time_at(at), text) for at, (_, text) in zip(times, steps, strict=True)]
    # As with --tail, the first lines are not asked for; those with the time of the first one that is are all or none.
    while 0 < skipped < len(log) and log[skipped - 1][0] == log[skipped][0]:
        skipped -= 1
    seen, given_out = SeenLines(1), []
    for end in (*sorted(breaks), len(log)):
        since = seen.since
        seen.read_again()
        for at, text in log[skipped if not since else 0 : end]:
            if at >= since and seen.is_new(at, text):
                given_out.append((at, text))
    assert given_out == log[skipped:]


def test_lines_of_two_outputs_may_be_out_of_order() -> None:
    log = [(time_at(at), str(at)) for at in (0, 5000, 4995, 5001, 4996, 5002)]
    seen = SeenLines(1)
    assert all(seen.is_new(*row) for row in log[:4])
    seen.read_again()
    assert seen.since == time_at(4000)[:19]
    assert [text for at, text in log if at >= seen.since and seen.is_new(at, text)] == ["4996", "5002"]


def test_the_window_is_bounded() -> None:
    seen = SeenLines(1)
    for number in range(100_000):
        assert seen.is_new(time_at(number), "line")
    assert len(seen._recent) <= 2001


def test_a_line_without_a_time_is_given_once() -> None:
    seen = SeenLines(1)
    rows = [("", "no log here"), (time_at(0), "a line"), ("", "no log here"), ("", "another note")]
    assert [seen.is_new(*row) for row in rows] == [True, True, False, True]
    seen.read_again()
    assert [seen.is_new(*row) for row in rows] == [False, False, False, False]
    for number in range(1000):
        assert seen.is_new("", str(number))
    assert len(seen._timeless) <= 100


@given(st.lists(st.binary(max_size=60) | st.sampled_from([b"\n", b"\r\n", b"\xff"]), max_size=20))
def test_no_byte_of_a_stream_is_lost(pieces: list[bytes]) -> None:
    rows = b"".join(pieces).split(b"\n")
    if rows[-1] == b"":
        rows.pop()
    assert lines_of(*pieces) == [(row.decode("utf-8", "replace").removesuffix("\r"), 0) for row in rows]
