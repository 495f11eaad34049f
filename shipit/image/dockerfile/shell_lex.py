"""A Dockerfile's words: quotes, escapes and variables, and where words end. Pure.

Source: github.com/moby/buildkit 0.34, frontend/dockerfile/shell/lex.go, whose oddities are kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from shipit.image.patterns.shell_pattern import replaced, without_end, without_start

# What Go counts as space; Python's isspace takes more.
SPACE = (
    "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000"
)
# What a text may grow to, all texts of a build together, and how deep `${A:-${B:-...}}` may go.
_LONGEST, _MOST, _DEEPEST = 1_000_000, 10_000_000, 100
_SPECIAL = frozenset("@*#?-$!0")


class Lexed(NamedTuple):
    """A text with all that was to be done; and the words it comes to where spaces part them."""

    text: str
    words: list[str]


class Quoting(NamedTuple):
    """What is left as it stands: quotes and escapes, which else are dropped, or variables that are not set.

    With `plain_quotes` quotes are characters like others.
    """

    raw_quotes: bool = False
    raw_escapes: bool = False
    plain_quotes: bool = False
    skip_unset: bool = False


@dataclass
class Lexer:
    """Lexes the words of one build; what it has done is counted, so that no Dockerfile makes it work without end."""

    escape: str = "\\"
    done: int = 0

    def word(self, text: str, variables: Mapping[str, str], quoting: Quoting = Quoting()) -> str:
        """A text with its quotes and escapes dropped and its variables expanded.

        Raises: ValueError for what is not closed, not known, or grows too large.
        """
        if not any(char in text for char in ("$", "'", '"', self.escape, "\ufeff")):
            return text
        return self.lex(text, variables, quoting).text

    def lex(self, text: str, variables: Mapping[str, str], quoting: Quoting = Quoting()) -> Lexed:
        """The same, and its words. Raises: ValueError."""
        return _Run(text.removeprefix("\ufeff"), variables, self, quoting, quoting.raw_escapes).until("")

    def spend(self, size: int) -> None:
        """Count work. Raises: ValueError where it is too much."""
        self.done += size
        if self.done > _MOST:
            raise ValueError("this Dockerfile takes too much work to expand")


@dataclass
class _Words:
    """Words while they are read. The word begun is shared by all that is nested in it, as in BuildKit."""

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


@dataclass
class _Run:
    text: str
    variables: Mapping[str, str]
    lexer: Lexer
    quoting: Quoting
    keeps_escapes: bool
    index: int = 0
    depth: int = 0
    begun: list[str] = field(default_factory=list)

    def until(self, stop: str, *, keeps_escapes: bool | None = None, is_pattern: bool = False) -> Lexed:
        """What stands before the character `stop`, or all of it where that is empty; goes on behind it."""
        outer, self.depth = self.keeps_escapes, self.depth + 1
        if self.depth > _DEEPEST:
            raise ValueError("variables are nested too deeply")
        if keeps_escapes is not None:
            self.keeps_escapes = keeps_escapes
        self.begun.clear()
        words, out = _Words(self.begun), _Text(self.lexer)
        while self.index < len(self.text) and not (stop and self.text[self.index] == stop):
            self._next(out, words, is_pattern=is_pattern)
        if stop and self.index >= len(self.text):
            raise ValueError(f"${{ is never closed in {self.shown}")
        self.index += len(stop)
        self.keeps_escapes, self.depth = outer, self.depth - 1
        return Lexed(out.text(), words.end())

    @property
    def shown(self) -> str:
        return repr(self.text if len(self.text) <= 80 else f"{self.text[:80]}...")

    def _next(self, out: _Text, words: _Words, *, is_pattern: bool) -> None:
        char = self.text[self.index]
        if char == "$":
            value = self._variable()
            words.add(value)
            out.add(value)
        elif char == "<":
            words.add_raw(out.add(self._less()))
        elif char in "'\"" and not self.quoting.plain_quotes:
            quoted = self._single_quoted if char == "'" else self._double_quoted
            words.add_raw(out.add(quoted(is_pattern=is_pattern)))
        elif char == self.lexer.escape:
            following = self.text[self.index + 1 : self.index + 2]
            self.index += 2
            if self.keeps_escapes:
                words.add_raw(out.add(char))
            if following:
                words.add_raw(out.add(following))
        else:
            self.index += 1
            words.add(out.add(char))

    def _less(self) -> str:
        """A `<`, or `<<` with the blanks behind it, which belong to the word."""
        start = self.index
        self.index += 1
        if self.text.startswith("<", self.index):
            self.index += 1
            while self.text[self.index : self.index + 1] in ("\t", "\r", " "):
                self.index += 1
        return self.text[start : self.index]

    def _single_quoted(self, *, is_pattern: bool) -> str:
        end = self.text.find("'", self.index + 1)
        if end < 0:
            raise ValueError(f"a ' is never closed in {self.shown}")
        inside, self.index = self.text[self.index + 1 : end], end + 1
        if is_pattern:
            inside = inside.replace(self.lexer.escape, 2 * self.lexer.escape)
        return f"'{inside}'" if self.quoting.raw_quotes else inside

    def _double_quoted(self, *, is_pattern: bool) -> str:
        quote, out = '"' if self.quoting.raw_quotes else "", _Text(self.lexer)
        self.index += 1
        while self.index < len(self.text):
            char, following = self.text[self.index], self.text[self.index + 1 : self.index + 2]
            if char == '"':
                self.index += 1
                return f"{quote}{out.text()}{quote}"
            if char == "$":
                out.add(self._variable())
                continue
            self.index += 1
            if char == self.lexer.escape and following:
                if following in ('"', "$", char):
                    out.add(char if self.keeps_escapes else "")
                    char = following
                    self.index += 1
                elif self.keeps_escapes and (not quote or is_pattern):
                    out.add(char)
            elif char == self.lexer.escape:
                continue
            out.add(char)
        raise ValueError(f'a " is never closed in {self.shown}')

    def _variable(self) -> str:
        self.index += 1
        if not self.text.startswith("{", self.index):
            name = self._name()
            if not name:
                return "$"
            value = self.variables.get(name)
            return f"${name}" if value is None and self.quoting.skip_unset else value or ""
        self.index += 1
        if self.text[self.index : self.index + 1] in ("", "{", "}", ":"):
            raise ValueError(f"${{ should be followed by a variable's name in {self.shown}")
        name = self._name()
        return self._form(name, self.variables.get(name))

    def _name(self) -> str:
        start = self.index
        first = self.text[start : start + 1]
        if first.isdecimal():
            while self.text[self.index : self.index + 1].isdecimal():
                self.index += 1
        elif first and first in _SPECIAL:
            self.index += 1
        else:
            while (char := self.text[self.index : self.index + 1]).isalpha() or char.isdecimal() or char == "_":
                self.index += 1
        return self.text[start : self.index]

    def _form(self, name: str, value: str | None) -> str:
        """The rest of `${NAME...}`."""
        form = self.text[self.index : self.index + 1]
        form = self.text[self.index : self.index + 2] if form == ":" else form
        self.index += len(form)
        is_left = value is None and self.quoting.skip_unset
        if form == "}":
            return f"${{{name}}}" if is_left else value or ""
        if form == "/":
            return self._replaced(name, value, is_left=is_left)
        if form[-1:] not in ("-", "+", "?", "#", "%") or form in (":#", ":%"):
            raise ValueError(f"${{{name}{form} has a form that is not known in {self.shown}")
        is_pattern = form in ("#", "%")
        word = self.until("}", keeps_escapes=is_pattern, is_pattern=is_pattern).text
        if is_left:
            return f"${{{name}{form}{word}}}"
        return self._trimmed(value or "", word, form) if is_pattern else _chosen(name, value, word, form)

    def _trimmed(self, value: str, pattern: str, form: str) -> str:
        self.lexer.spend(len(value))
        longest = pattern.startswith(form)
        return (without_start if form == "#" else without_end)(value, pattern[longest:], longest=longest)

    def _replaced(self, name: str, value: str | None, *, is_left: bool) -> str:
        everywhere = self.text.startswith("/", self.index)
        self.index += everywhere
        pattern = self.until("/", keeps_escapes=True, is_pattern=True).text
        word = self.until("}", keeps_escapes=True).text
        if is_left:
            return f"${{{name}/{pattern}/{word}}}"
        self.lexer.spend((len(value or "") + 1) * (1 + (len(word) if everywhere else 0)))
        return replaced(value or "", pattern, word, everywhere=everywhere)


class _Text:
    """A text while it is put together, which may not grow too large."""

    def __init__(self, lexer: Lexer) -> None:
        self._lexer = lexer
        self._parts: list[str] = []
        self._size = 0

    def add(self, part: str) -> str:
        self._size += len(part)
        self._lexer.spend(len(part))
        if self._size > _LONGEST:
            raise ValueError(f"should come to at most {_LONGEST:,} characters, with its variables expanded")
        self._parts.append(part)
        return part

    def text(self) -> str:
        return "".join(self._parts)


def _chosen(name: str, value: str | None, word: str, form: str) -> str:
    """`${NAME-word}`, `${NAME+word}` or `${NAME?word}`, where a colon before it takes empty for not set."""
    is_set = value is not None and not (form.startswith(":") and value == "")
    if form[-1] == "+":
        return word if is_set else ""
    if is_set:
        return value or ""
    if form[-1] == "?":
        raise ValueError(f"{name}: {word or 'is not set'}")
    return word
