""".dockerignore: which paths are excluded from a build context. Pure.

Source: docs.docker.com/build/concepts/context, ".dockerignore files"; github.com/moby/patternmatcher 0.6, `ignorefile`
and `MatchesUsingParentResults`, as BuildKit calls it (github.com/tonistiigi/fsutil, filter.go).
"""

from __future__ import annotations

import posixpath
import re
from typing import NamedTuple

from shipit.image.patterns.automaton import Automaton, State
from shipit.image.patterns.go_space import SPACE
from shipit.image.patterns.ignore_pattern import pattern_steps


class Rule(NamedTuple):
    """A cleaned pattern. `is_exception` is true for `!pattern`, which includes paths again."""

    pattern: str
    is_exception: bool


class Position(NamedTuple):
    """The state of matching at a path: the automaton's state, and a bit for each rule that matched it or a parent."""

    state: State
    matched: int


class IgnoreRules:
    """The rules of one ignore file. The last rule that matches a path, or a folder above it, decides."""

    def __init__(self, rules: tuple[Rule, ...] = ()) -> None:
        self.rules = rules
        self._automaton = Automaton([pattern_steps(rule.pattern) for rule in rules])
        self._exceptions = sum(1 << number for number, rule in enumerate(rules) if rule.is_exception)
        fixed = [_without_trailing_glob(rule.pattern) for rule in rules if rule.is_exception]
        self._exceptions_below = [f"{text}/" for text in fixed]
        self._may_be_anywhere = any(re.search(r"[*\[\]?^\\]", text) for text in fixed)
        self.top = Position(self._automaton.start, 0)

    def decide(self, folder: Position, name: str) -> tuple[bool, Position]:
        """Whether the entry `name` of a folder is ignored, and the entry's position."""
        state = self._automaton.after(folder.state, name)
        if not self._exceptions:
            matched = folder.matched or state.matched
            return matched != 0, Position(state, matched)
        return self._decide_with_exceptions(state, folder.matched)

    def _decide_with_exceptions(self, state: State, above: int) -> tuple[bool, Position]:
        """A rule that would change nothing is skipped, and so does not count for paths below."""
        is_excluded, matched, left = False, 0, above | state.matched
        while left:
            rule = left & -left
            left ^= rule
            is_exception = bool(self._exceptions & rule)
            if above & rule or is_exception == is_excluded:
                matched |= rule
                is_excluded = not is_exception
        return is_excluded, Position(state, matched)

    def inside(self, position: Position) -> Position:
        """The position of a folder's content, from the position of the folder."""
        return Position(self._automaton.after(position.state, "/"), position.matched)

    def may_include_below(self, folder: str) -> bool:
        """Whether an exception may include something below an ignored folder."""
        if self._may_be_anywhere:
            return True
        return any(below.startswith(f"{folder}/") for below in self._exceptions_below)


def parse_ignore(data: bytes) -> IgnoreRules:
    """The rules of a .dockerignore file.

    Raises: ValueError for a pattern that docker refuses.
    """
    rules = []
    for line in data.removeprefix(b"\xef\xbb\xbf").split(b"\n"):
        text = line.decode("utf-8", "surrogateescape")
        if text.startswith("#") or not (shown := text.strip(SPACE)):
            continue
        sign = "!" if shown.startswith("!") else ""
        pattern = clean_path((sign + _relative(shown.removeprefix("!").strip(SPACE))).strip(SPACE))
        if pattern == "!":
            raise ValueError(f"the pattern {shown!r} has no path after the !")
        rules.append(Rule(pattern.removeprefix("!"), pattern.startswith("!")))
    return IgnoreRules(tuple(rules))


def is_ignored(path: str, rules: IgnoreRules) -> bool:
    """Whether a relative path, with `/` as separator, is ignored."""
    *folders, name = path.split("/")
    position = rules.top
    for folder in folders:
        position = rules.inside(rules.decide(position, folder)[1])
    return rules.decide(position, name)[0]


def _relative(pattern: str) -> str:
    """A pattern without its leading slash."""
    cleaned = clean_path(pattern) if pattern else ""
    return cleaned[1:] if len(cleaned) > 1 and cleaned.startswith("/") else cleaned


def clean_path(path: str) -> str:
    """The shortest form of a path, as Go's filepath.Clean returns it."""
    return re.sub("^//+", "/", posixpath.normpath(path))


def _without_trailing_glob(pattern: str) -> str:
    return pattern.removesuffix("/**").removesuffix("/*")


def literal_pattern(path: str) -> str:
    """The pattern that matches one path. Whitespace becomes `?`, because a pattern cannot contain or end with it."""
    return re.sub(r"\s", "?", re.sub(r"([*?\[\]\\!#^])", r"\\\1", path))
