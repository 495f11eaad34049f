"""Wildcards in the sources of COPY and ADD, as Go's filepath.Match."""

from __future__ import annotations

import pytest

from shipit.image.patterns.copy_pattern import has_wildcard, matching_paths, split_glob

PATHS = ["a", "ab", "ab/c", "b", "b/a", "b/a/x", "b/]", "c-d", "caf\xe9", "x*y", "x/y/z"]


@pytest.mark.parametrize(
    ("pattern", "matches"),
    [
        ("a*", ["a", "ab"]),
        ("?", ["a", "b", "x"]),
        ("*/a", ["b/a"]),
        ("*/*", ["ab/c", "b/]", "b/a", "x/y"]),
        ("[ab]", ["a", "b"]),
        ("[^a]", ["b", "x"]),
        ("[a-b]*", ["a", "ab", "b"]),
        ("[b-a]", []),
        ("b/[\\]]", ["b/]"]),
        ("x\\*y", ["x*y"]),
        ("caf?", ["caf\xe9"]),
        ("[\\a-c]-d", ["c-d"]),
        ("*", ["a", "ab", "b", "c-d", "caf\xe9", "x", "x*y"]),
    ],
)
def test_patterns(pattern: str, matches: list[str]) -> None:
    paths = [*PATHS, "x", "x/y"]
    assert sorted(matching_paths(paths, pattern)) == matches


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("a\\", "ends in a"),
        ("[", "unclosed"),
        ("[a", "unclosed"),
        ("[]a]", "unclosed"),
        ("[a-]", "unclosed"),
        ("[-a]", "unclosed"),
        ("[\\", "unclosed"),
    ],
)
def test_malformed_patterns_are_refused(pattern: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        list(matching_paths(PATHS, pattern))


@pytest.mark.parametrize(
    ("pattern", "parts"),
    [
        ("a/b", ("a/b", "")),
        ("a/*/c", ("a", "*/c")),
        ("*", ("", "*")),
        ("a\\*/b", ("a\\*/b", "")),
        ("", ("", "")),
    ],
)
def test_a_pattern_is_split_at_its_first_wildcard(pattern: str, parts: tuple[str, str]) -> None:
    assert split_glob(pattern) == parts
    assert has_wildcard(pattern) == bool(parts[1])
