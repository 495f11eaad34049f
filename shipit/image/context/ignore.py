""".dockerignore: which paths of a context a build never sees. Pure.

Source: docs.docker.com/build/concepts/context, ".dockerignore files"; github.com/moby/patternmatcher 0.6, `ignorefile`
and `MatchesUsingParentResults`, as BuildKit calls it (github.com/tonistiigi/fsutil, filter.go).
"""

from __future__ import annotations

import posixpath
import re
from typing import NamedTuple

from shipit.image.patterns.automaton import Automaton, State
from shipit.image.patterns.ignore_pattern import pattern_steps

# What Go counts as space; Python's strip takes more.
_SPACE = "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000"


class Rule(NamedTuple):
    """A cleaned pattern. `is_exception` is whether it takes back in what rules before it leave out."""

    pattern: str
    is_exception: bool


class Position(NamedTuple):
    """A path as the rules see it: what of it they have read, and a bit for each rule that has matched."""

    state: State
    matched: int


class IgnoreRules:
    """The rules of one file, in their order: the last one that matches a path, or a folder above it, decides."""

    def __init__(self, rules: tuple[Rule, ...] = ()) -> None:
        self.rules = rules
        self._automaton = Automaton([pattern_steps(rule.pattern) for rule in rules])
        self._exceptions = sum(1 << number for number, rule in enumerate(rules) if rule.is_exception)
        fixed = [_without_trailing_glob(rule.pattern) for rule in rules if rule.is_exception]
        self._exceptions_below = [f"{text}/" for text in fixed]
        self._may_be_anywhere = any(re.search(r"[*\[\]?^\\]", text) for text in fixed)
        self.top = Position(self._automaton.start, 0)

    def judge(self, folder: Position, name: str) -> tuple[bool, Position]:
        """Whether what has that name in a folder is left out, and its own position."""
        state = self._automaton.after(folder.state, name)
        if not self._exceptions:
            matched = folder.matched or state.matched
            return matched != 0, Position(state, matched)
        return self._judged(state, folder.matched)

    def _judged(self, state: State, above: int) -> tuple[bool, Position]:
        """A rule that would change nothing is not asked, and so does not count for what is below."""
        is_out, matched, left = False, 0, above | state.matched
        while left:
            rule = left & -left
            left ^= rule
            is_exception = bool(self._exceptions & rule)
            if above & rule or is_exception == is_out:
                matched |= rule
                is_out = not is_exception
        return is_out, Position(state, matched)

    def inside(self, position: Position) -> Position:
        """The position of what is in a folder, from the folder's own."""
        return Position(self._automaton.after(position.state, "/"), position.matched)

    def may_take_back(self, folder: str) -> bool:
        """Whether something below a folder that is left out may still be taken in."""
        if self._may_be_anywhere:
            return True
        return any(below.startswith(f"{folder}/") for below in self._exceptions_below)


def parse_ignore(data: bytes) -> IgnoreRules:
    """The rules of a .dockerignore file, comments and empty lines left out.

    Raises: ValueError for a pattern that docker refuses.
    """
    rules = []
    for line in data.removeprefix(b"\xef\xbb\xbf").split(b"\n"):
        text = line.decode("utf-8", "surrogateescape")
        if text.startswith("#") or not (shown := text.strip(_SPACE)):
            continue
        sign = "!" if shown.startswith("!") else ""
        pattern = clean_path((sign + _relative(shown.removeprefix("!").strip(_SPACE))).strip(_SPACE))
        if pattern == "!":
            raise ValueError(f"the pattern {shown!r} takes back nothing: write a path behind the !")
        rules.append(Rule(pattern.removeprefix("!"), pattern.startswith("!")))
    return IgnoreRules(tuple(rules))


def is_ignored(path: str, rules: IgnoreRules) -> bool:
    """Whether a path, relative with `/`, is left out."""
    *folders, name = path.split("/")
    position = rules.top
    for folder in folders:
        position = rules.inside(rules.judge(position, folder)[1])
    return rules.judge(position, name)[0]


def _relative(pattern: str) -> str:
    """A pattern without the slash that it begins with."""
    cleaned = clean_path(pattern) if pattern else ""
    return cleaned[1:] if len(cleaned) > 1 and cleaned.startswith("/") else cleaned


def clean_path(path: str) -> str:
    """The shortest form of a path, as Go's filepath.Clean writes it."""
    return re.sub("^//+", "/", posixpath.normpath(path))


def _without_trailing_glob(pattern: str) -> str:
    return pattern.removesuffix("/**").removesuffix("/*")


def literal_pattern(path: str) -> str:
    """The pattern of one path. White space, which would end a line or be lost at its end, becomes any character."""
    return re.sub(r"\s", "?", re.sub(r"([*?\[\]\\!#^])", r"\\\1", path))
