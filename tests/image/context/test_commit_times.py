"""Commit times from the output of git log."""

from __future__ import annotations

import pytest

from shipit.image.context.commit_times import commit_times


@pytest.mark.parametrize(
    ("output", "times"),
    [
        (b"", {}),
        (b"\x01200\0\nnew\0both\0\x01100\0\nold\0both\0", {"new": 200, "both": 200, "old": 100}),
        (b"\x01200\0\x01100\0\nold\0", {"old": 100}),
        (b"\x01100\0\n\xe9 caf\nx\0", {"\udce9 caf\nx": 100}),
        (b"stray\0", {"stray": 0}),
    ],
)
def test_the_newest_commit_of_each_file_counts(output: bytes, times: dict[str, int]) -> None:
    assert commit_times(output.split(b"\0")) == times
