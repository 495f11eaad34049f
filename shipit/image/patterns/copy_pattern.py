"""Patterns of COPY and ADD as steps to match. Pure.

Source: Go's path/filepath, `Match`; github.com/tonistiigi/fsutil, copy/copy.go, `ResolveWildcards`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from shipit.image.patterns.automaton import LAST, Automaton, Ranges, Step, complement

_SEGMENT: Ranges = ((0, ord("/") - 1), (ord("/") + 1, LAST))


def split_glob(pattern: str) -> tuple[str, str]:
    """The folders before the first part that holds a wildcard, and that part with all behind it; either may be empty."""
    parts = pattern.split("/")
    first = next((number for number, part in enumerate(parts) if has_wildcard(part)), len(parts))
    return "/".join(parts[:first]), "/".join(parts[first:])


def has_wildcard(text: str) -> bool:
    """Whether a `*`, `?` or `[` in it is not escaped."""
    at = 0
    while at < len(text):
        if text[at] in "*?[":
            return True
        at += 2 if text[at] == "\\" else 1
    return False


def matching(paths: Iterable[str], pattern: str) -> Iterator[str]:
    """The paths that a pattern matches, folders before what is in them; nothing below one that it matches.

    Raises: ValueError for a pattern that is malformed.
    """
    automaton = Automaton([glob_steps(pattern)])
    inside = {"": automaton.start}
    for path in sorted(paths, key=lambda path: path.split("/")):
        folder, _, name = path.rpartition("/")
        before = inside.get(folder)
        if before is None:
            continue
        state = automaton.after(before, name)
        if state.matched:
            yield path
        elif state.bits:
            inside[path] = automaton.after(state, "/")


def glob_steps(pattern: str) -> tuple[Step, ...]:
    """Raises: ValueError."""
    steps: list[Step] = []
    at = 0
    while at < len(pattern):
        if pattern[at] == "*":
            steps.append(Step(_SEGMENT, "many"))
        elif pattern[at] == "?":
            steps.append(Step(_SEGMENT))
        elif pattern[at] == "[":
            ranges, at = _class(pattern, at)
            steps.append(Step(ranges))
            continue
        else:
            at += pattern[at] == "\\"
            if at >= len(pattern):
                raise ValueError(f"the pattern {pattern!r} ends in a \\")
            steps.append(Step(((ord(pattern[at]), ord(pattern[at])),)))
        at += 1
    return tuple(steps)


def _class(pattern: str, start: int) -> tuple[Ranges, int]:
    """The characters of a class in brackets, and where it ends."""
    is_negated = pattern.startswith("[^", start)
    at = first = start + 1 + is_negated
    ranges: list[tuple[int, int]] = []
    while not (at > first and pattern.startswith("]", at)):
        low, at = _class_char(pattern, at)
        high = low
        if pattern.startswith("-", at):
            high, at = _class_char(pattern, at + 1)
        if low <= high:
            ranges.append((low, high))
    return (complement(ranges) if is_negated else tuple(ranges)), at + 1


def _class_char(pattern: str, at: int) -> tuple[int, int]:
    malformed = ValueError(f"the pattern {pattern!r} has a [ that is never closed, or a range in it that is none")
    if pattern[at : at + 1] in ("", "-", "]"):
        raise malformed
    at += pattern[at] == "\\"
    if at + 1 >= len(pattern):
        raise malformed
    return ord(pattern[at]), at + 1
