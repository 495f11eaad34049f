"""Parts of the lexer: what it returns, and what it collects characters in. Pure.

Source: github.com/moby/buildkit 0.34, frontend/dockerfile/shell/lex.go, `wordsStruct`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from shipit.image.patterns.go_space import SPACE

# The limit of one text, in characters.
LONGEST_TEXT = 1_000_000


class Lexed(NamedTuple):
    """The expanded text, and the words that whitespace splits it into."""

    text: str
    words: list[str]


class Quoting(NamedTuple):
    """What the lexer keeps: quotes, escape characters, or variables that are not set. By default it removes them.

    `plain_quotes` treats quotes as ordinary characters.
    """

    raw_quotes: bool = False
    raw_escapes: bool = False
    plain_quotes: bool = False
    skip_unset: bool = False


@dataclass
class Words:
    """Collects words. Nested expansions share the unfinished word `begun`, as in BuildKit."""

    begun: list[str]
    whole: list[str] = field(default_factory=list)
    is_in_word: bool = False

    def add(self, text: str) -> None:
        for char in text:
            if char not in SPACE:
                self.add_raw(char)
            elif self.is_in_word and any(self.begun):
                self.end()

    def add_raw(self, text: str) -> None:
        self.begun.append(text)
        self.is_in_word = True

    def end(self) -> list[str]:
        if any(self.begun):
            self.whole.append("".join(self.begun))
            self.begun.clear()
            self.is_in_word = False
        return self.whole


class Text:
    """Collects a text of limited length. `spend` counts its characters as work."""

    def __init__(self, spend: Callable[[int], None]) -> None:
        self._spend = spend
        self._parts: list[str] = []
        self._size = 0

    def add(self, part: str) -> str:
        self._size += len(part)
        self._spend(len(part))
        if self._size > LONGEST_TEXT:
            raise ValueError(f"should have at most {LONGEST_TEXT:,} characters with its variables expanded")
        self._parts.append(part)
        return part

    def text(self) -> str:
        return "".join(self._parts)
