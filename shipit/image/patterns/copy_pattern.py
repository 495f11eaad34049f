"""Wildcards in the sources of COPY and ADD. Pure.

Source: Go's path/filepath, `Match`; github.com/tonistiigi/fsutil, copy/copy.go, `ResolveWildcards`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from shipit.image.patterns.automaton import LAST, Automaton, Ranges, Step
from shipit.image.patterns.char_class import parse_class

_SEGMENT: Ranges = ((0, ord("/") - 1), (ord("/") + 1, LAST))


def split_glob(pattern: str) -> tuple[str, str]:
    """Split before the first path component that has a wildcard; either part may be empty."""
    parts = pattern.split("/")
    first = next((number for number, part in enumerate(parts) if has_wildcard(part)), len(parts))
    return "/".join(parts[:first]), "/".join(parts[first:])


def has_wildcard(text: str) -> bool:
    """Whether the text contains a `*`, `?` or `[` that is not escaped."""
    at = 0
    while at < len(text):
        if text[at] in "*?[":
            return True
        at += 2 if text[at] == "\\" else 1
    return False


def matching_paths(paths: Iterable[str], pattern: str) -> Iterator[str]:
    """The paths that match, each folder before its content; the content of a matching folder is left out.

    Raises: ValueError when the pattern is malformed.
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
    """The pattern as steps of an automaton. Raises: ValueError."""
    steps: list[Step] = []
    at = 0
    while at < len(pattern):
        if pattern[at] == "*":
            steps.append(Step(_SEGMENT, "many"))
        elif pattern[at] == "?":
            steps.append(Step(_SEGMENT))
        elif pattern[at] == "[":
            ranges, at = parse_class(pattern, at)
            steps.append(Step(ranges))
            continue
        else:
            at += pattern[at] == "\\"
            if at >= len(pattern):
                raise ValueError(f"the pattern {pattern!r} ends in a \\")
            steps.append(Step(((ord(pattern[at]), ord(pattern[at])),)))
        at += 1
    return tuple(steps)
