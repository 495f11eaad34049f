""".dockerignore: which paths of a context a build never sees. Pure.

Source: docs.docker.com/build/concepts/context, ".dockerignore files"; the rules of Go's filepath.Match plus `**`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple


class Rule(NamedTuple):
    pattern: re.Pattern[str]
    negated: bool
    text: str


def parse_ignore(text: str) -> tuple[Rule, ...]:
    """The rules of a .dockerignore file, in order; comments and empty lines left out.

    Raises: ValueError for a pattern that is not closed.
    """
    rules = []
    for line in text.removeprefix("\ufeff").split("\n"):
        if line.startswith("#") or not (pattern := line.strip()):
            continue
        negated = pattern.startswith("!")
        taken = pattern.removeprefix("!").strip()
        cleaned = _clean(taken)
        if negated and not cleaned and taken.startswith("/"):
            raise ValueError(f"the pattern {pattern!r} takes back nothing: write a path behind the !")
        if cleaned:
            rules.append(Rule(re.compile(pattern_regex(cleaned), re.DOTALL), negated, cleaned))
    return tuple(rules)


def is_ignored(path: str, rules: tuple[Rule, ...]) -> bool:
    """Whether a path, relative with `/`, is left out: the last rule that matches it, or a folder above it, decides."""
    ignored = False
    parts = path.split("/")
    ancestors = ["/".join(parts[: index + 1]) for index in range(len(parts))]
    for rule in rules:
        if rule.negated != ignored:
            continue
        if any(rule.pattern.fullmatch(ancestor) for ancestor in ancestors):
            ignored = not rule.negated
    return ignored


def matcher(rules: tuple[Rule, ...]) -> Callable[[str], bool]:
    """Whether a path is left out, for one whose folders are not: without exceptions, one pattern tells it of all."""
    if not rules:
        return lambda path: False
    if any(rule.negated for rule in rules):
        return lambda path: is_ignored(path, rules)
    joined = re.compile("|".join(f"(?:{rule.pattern.pattern})" for rule in rules), re.DOTALL)
    return lambda path: joined.fullmatch(path) is not None


def may_hold_exceptions(folder: str, rules: tuple[Rule, ...]) -> bool:
    """Whether something below an ignored folder could still be taken in by a `!` rule."""
    for rule in rules:
        if not rule.negated:
            continue
        fixed = re.split(r"[*?\[\\]", rule.text)[0]
        if fixed.startswith(f"{folder}/") or f"{folder}/".startswith(fixed):
            return True
    return False


def _clean(pattern: str) -> str:
    parts: list[str] = []
    for part in pattern.split("/"):
        if part in ("", "."):
            continue
        if part == ".." and parts and parts[-1] != "..":
            parts.pop()
        elif part != ".." or not pattern.startswith("/"):
            # What leads out of the context names nothing in it.
            parts.append(part)
    return "/".join(parts)


def literal_pattern(path: str) -> str:
    """The pattern of one path. A space, which would be lost at its end, becomes any character."""
    return re.sub(r"([*?\[\]\\!#])", r"\\\1", path).replace(" ", "?")


def pattern_regex(pattern: str) -> str:
    """The regular expression of a pattern in which `*` stops at `/` and `**` does not."""
    out, index = "", 0
    while index < len(pattern):
        char = pattern[index]
        if pattern.startswith("**/", index) and (index == 0 or pattern[index - 1] == "/"):
            out += "(?:.*/)?"
            index += 3
        elif pattern.startswith("**", index):
            out += ".*"
            index += 2
        elif char == "*":
            out += "[^/]*"
            index += 1
        elif char == "?":
            out += "[^/]"
            index += 1
        elif char == "[":
            group, index = _group(pattern, index)
            out += group
        elif char == "\\" and index + 1 < len(pattern):
            out += re.escape(pattern[index + 1])
            index += 2
        else:
            out += re.escape(char)
            index += 1
    return out


def _group(pattern: str, start: int) -> tuple[str, int]:
    index, negated = start + 1, False
    if index < len(pattern) and pattern[index] == "^":
        negated, index = True, index + 1
    body, first = "", True
    while index < len(pattern) and (pattern[index] != "]" or first):
        first = False
        char = pattern[index]
        if char == "\\" and index + 1 < len(pattern):
            body += re.escape(pattern[index + 1])
            index += 2
            continue
        body += (
            char if char == "-" and body and index + 1 < len(pattern) and pattern[index + 1] != "]" else re.escape(char)
        )
        index += 1
    if index >= len(pattern):
        raise ValueError(f"the pattern {pattern!r} has a [ that is never closed")
    return f"(?!/)[{'^' if negated else ''}{body}]", index + 1
