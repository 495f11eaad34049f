"""One pattern of a .dockerignore file, interpreted as moby does. Pure.

moby compares prefixes or suffixes when `**` is the only special part of a pattern, and translates other patterns to
regular expressions of Go. Its quirks are kept: a file that is excluded by mistake is missing from the image.
Source: github.com/moby/patternmatcher 0.6, `compile`; Go's path/filepath, `Match`.
"""

from __future__ import annotations

from shipit.image.patterns.automaton import LAST, Ranges, Step
from shipit.image.patterns.char_class import parse_class
from shipit.image.patterns.go_regexp import regexp_steps

_ANY: Ranges = ((0, LAST),)


def pattern_steps(pattern: str) -> tuple[Step, ...]:
    """The steps of a cleaned pattern. Raises: ValueError for a pattern that docker refuses."""
    check_syntax(pattern)
    if pattern.startswith("**") and not _is_special(pattern[2:]):
        return _ending_with(pattern[2:])
    if pattern.endswith("**") and not _is_special(pattern[:-2]):
        return (*_literals(pattern[:-2]), Step(_ANY, "many"))
    if not _is_special(pattern):
        return _literals(pattern)
    try:
        steps = regexp_steps(_expression(pattern.removeprefix("\ufeff")))
        # An unpaired backslash at the end escapes the $ that moby appends, so the match may continue.
        return (*steps, Step(_ANY, "many")) if _ends_in_escape(pattern) else steps
    except ValueError as error:
        raise ValueError(f"the pattern {pattern!r} {error}") from None


def _is_special(text: str) -> bool:
    return any(char in text for char in "*?[]\\")


def _ends_in_escape(pattern: str) -> bool:
    return (len(pattern) - len(pattern.rstrip("\\"))) % 2 == 1


def _literals(text: str) -> tuple[Step, ...]:
    return tuple(Step(((ord(char), ord(char)),)) for char in text)


def _ending_with(suffix: str) -> tuple[Step, ...]:
    """`**` followed by plain text: a path with that suffix. After `**/` it may also be the whole path."""
    if suffix.startswith("/"):
        return (Step(_ANY, "folders"), *_literals(suffix[1:]))
    return (Step(_ANY, "many"), *_literals(suffix))


def _expression(pattern: str) -> str:
    """The regular expression that moby translates a pattern to. Stars in bracket expressions are translated, too."""
    out: list[str] = []
    at = 0
    while at < len(pattern):
        char = pattern[at]
        if pattern.startswith("**", at):
            at += 3 if pattern.startswith("/", at + 2) else 2
            out.append("(.*/)?" if at < len(pattern) else ".*")
            continue
        if char == "\\":
            out.append(pattern[at : at + 2] if at + 1 < len(pattern) else "\\$")
            at += 2
            continue
        out.append({"*": "[^/]*", "?": "[^/]"}.get(char) or (f"\\{char}" if char in ".+()|{}$" else char))
        at += 1
    return "".join(out)


def check_syntax(pattern: str) -> None:
    """Validate a pattern as moby does: Go's filepath.Match with the name `.`.

    filepath.Match stops at the first mismatch, so the rest of a pattern may stay unchecked.
    Raises: ValueError.
    """
    name = "."
    while pattern:
        stars, chunk, pattern = _next_chunk(pattern)
        if stars and not chunk:
            return
        matches, rest = _matches_chunk(chunk, name)
        if stars and name and not (matches and (not rest or pattern)):
            matches, rest = _matches_chunk(chunk, "")
        if not (matches and (not rest or pattern)):
            return
        name = rest


def _next_chunk(pattern: str) -> tuple[bool, str, str]:
    """Whether the pattern starts with stars, the part up to the next star outside of brackets, and the rest."""
    chunk = pattern.lstrip("*")
    at, is_in_class = 0, False
    while at < len(chunk) and (chunk[at] != "*" or is_in_class):
        is_in_class = chunk[at] == "[" or (is_in_class and chunk[at] != "]")
        at += 2 if chunk[at] == "\\" else 1
    return chunk != pattern, chunk[:at], chunk[at:]


def _matches_chunk(chunk: str, name: str) -> tuple[bool, str]:
    """Whether a part without stars matches the start of a name of at most one character, and the rest of the name."""
    at, is_match = 0, True
    while at < len(chunk):
        char, behind = name[:1], at + 1
        if chunk[at] == "[":
            ranges, behind = parse_class(chunk, at)
            is_match = is_match and char != "" and any(low <= ord(char) <= high for low, high in ranges)
        else:
            if chunk[at] == "\\":
                behind += 1
            if behind > len(chunk):
                raise ValueError(f"the pattern {chunk!r} ends in a \\")
            is_match = is_match and char != "" and (chunk[at] == "?" or chunk[behind - 1] == char)
        at, name = behind, name[1:]
    return is_match, name
