"""Character classes such as `[a-z]` in the patterns of Go's filepath.Match. Pure.

Source: Go's path/filepath, `matchChunk` and `getEsc`.
"""

from __future__ import annotations

from shipit.image.patterns.automaton import Ranges, complement


def parse_class(pattern: str, start: int) -> tuple[Ranges, int]:
    """The characters that the class at index `start` matches, and the index after its closing bracket.

    Raises: ValueError when the class is malformed.
    """
    is_negated = pattern.startswith("[^", start)
    at = first = start + 1 + is_negated
    ranges: list[tuple[int, int]] = []
    while not (at > first and pattern.startswith("]", at)):
        low, at = _character(pattern, at)
        high = low
        if pattern.startswith("-", at):
            high, at = _character(pattern, at + 1)
        if low <= high:
            ranges.append((low, high))
    return (complement(ranges) if is_negated else tuple(ranges)), at + 1


def _character(pattern: str, at: int) -> tuple[int, int]:
    """The code point at an index, without its escape, and the next index."""
    malformed = ValueError(f"the pattern {pattern!r} has an unclosed [ or an invalid range")
    if pattern[at : at + 1] in ("", "-", "]"):
        raise malformed
    at += pattern[at] == "\\"
    # Bytes that are not UTF-8 are kept as lone surrogates; Go refuses them in a class.
    if at + 1 >= len(pattern) or "\udc80" <= pattern[at] <= "\udcff":
        raise malformed
    return ord(pattern[at]), at + 1
