"""The lexer for words of a Dockerfile: quotes, escapes, variables, and splitting at whitespace. Pure.

Source: github.com/moby/buildkit 0.34, frontend/dockerfile/shell/lex.go, whose quirks are kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from shipit.image.dockerfile.lexed_words import Lexed, Quoting, Text, Words
from shipit.image.patterns.shell_pattern import replaced, without_end, without_start

# Limits: characters of all texts of a build together, and nesting of `${A:-${B:-...}}`.
_MOST_WORK, _DEEPEST = 10_000_000, 100
_SPECIAL = frozenset("@*#?-$!0")


@dataclass
class Lexer:
    """Lexes the words of one build. Counts its work in characters, which is limited per build."""

    escape: str = "\\"
    work: int = 0

    def word(self, text: str, variables: Mapping[str, str], quoting: Quoting = Quoting()) -> str:
        """The text without quotes and escapes, with variables expanded.

        Raises: ValueError when something is unclosed or unknown, or the result is too long.
        """
        if not any(char in text for char in ("$", "'", '"', self.escape, "\ufeff")):
            return text
        return self.lex(text, variables, quoting).text

    def lex(self, text: str, variables: Mapping[str, str], quoting: Quoting = Quoting()) -> Lexed:
        """The expanded text, and the words in it. Raises: ValueError."""
        return _Lexing(text.removeprefix("\ufeff"), variables, self, quoting, quoting.raw_escapes).until("")

    def spend(self, size: int) -> None:
        """Count characters of work. Raises: ValueError beyond the limit."""
        self.work += size
        if self.work > _MOST_WORK:
            raise ValueError("this Dockerfile takes too much work to expand")


@dataclass
class _Lexing:
    text: str
    variables: Mapping[str, str]
    lexer: Lexer
    quoting: Quoting
    keeps_escapes: bool
    index: int = 0
    depth: int = 0
    begun: list[str] = field(default_factory=list)

    def until(self, stop: str, *, keeps_escapes: bool | None = None, is_pattern: bool = False) -> Lexed:
        """Lex up to the character `stop`, or to the end when it is empty, and skip that character."""
        outer, self.depth = self.keeps_escapes, self.depth + 1
        if self.depth > _DEEPEST:
            raise ValueError("variables are nested too deeply")
        if keeps_escapes is not None:
            self.keeps_escapes = keeps_escapes
        self.begun.clear()
        words, out = Words(self.begun), Text(self.lexer.spend)
        while self.index < len(self.text) and not (stop and self.text[self.index] == stop):
            self._next(out, words, is_pattern=is_pattern)
        if stop and self.index >= len(self.text):
            raise ValueError(f"${{ is never closed in {self._excerpt}")
        self.index += len(stop)
        self.keeps_escapes, self.depth = outer, self.depth - 1
        return Lexed(out.text(), words.end())

    @property
    def _excerpt(self) -> str:
        return repr(self.text if len(self.text) <= 80 else f"{self.text[:80]}...")

    def _next(self, out: Text, words: Words, *, is_pattern: bool) -> None:
        char = self.text[self.index]
        if char == "$":
            value = self._variable()
            words.add(value)
            out.add(value)
        elif char == "<":
            words.add_raw(out.add(self._less_than()))
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

    def _less_than(self) -> str:
        """`<`, or `<<` and the whitespace after it, which is part of the word."""
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
            raise ValueError(f"a ' is never closed in {self._excerpt}")
        inside, self.index = self.text[self.index + 1 : end], end + 1
        if is_pattern:
            inside = inside.replace(self.lexer.escape, 2 * self.lexer.escape)
        return f"'{inside}'" if self.quoting.raw_quotes else inside

    def _double_quoted(self, *, is_pattern: bool) -> str:
        quote, out = '"' if self.quoting.raw_quotes else "", Text(self.lexer.spend)
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
        raise ValueError(f'a " is never closed in {self._excerpt}')

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
            raise ValueError(f"${{ should be followed by a variable's name in {self._excerpt}")
        name = self._name()
        return self._expanded_form(name, self.variables.get(name))

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

    def _expanded_form(self, name: str, value: str | None) -> str:
        """Expand `${NAME...}`, whose rest is at the current index."""
        form = self.text[self.index : self.index + 1]
        form = self.text[self.index : self.index + 2] if form == ":" else form
        self.index += len(form)
        keeps_unset = value is None and self.quoting.skip_unset
        if form == "}":
            return f"${{{name}}}" if keeps_unset else value or ""
        if form == "/":
            return self._replaced(name, value, keeps_unset=keeps_unset)
        if form[-1:] not in ("-", "+", "?", "#", "%") or form in (":#", ":%"):
            raise ValueError(f"${{{name}{form} is not a known form of expansion in {self._excerpt}")
        is_pattern = form in ("#", "%")
        word = self.until("}", keeps_escapes=is_pattern, is_pattern=is_pattern).text
        if keeps_unset:
            return f"${{{name}{form}{word}}}"
        return self._trimmed(value or "", word, form) if is_pattern else _conditional(name, value, word, form)

    def _trimmed(self, value: str, pattern: str, form: str) -> str:
        self.lexer.spend(len(value))
        longest = pattern.startswith(form)
        return (without_start if form == "#" else without_end)(value, pattern[longest:], longest=longest)

    def _replaced(self, name: str, value: str | None, *, keeps_unset: bool) -> str:
        everywhere = self.text.startswith("/", self.index)
        self.index += everywhere
        pattern = self.until("/", keeps_escapes=True, is_pattern=True).text
        word = self.until("}", keeps_escapes=True).text
        if keeps_unset:
            return f"${{{name}/{pattern}/{word}}}"
        self.lexer.spend((len(value or "") + 1) * (1 + (len(word) if everywhere else 0)))
        return replaced(value or "", pattern, word, everywhere=everywhere)


def _conditional(name: str, value: str | None, word: str, form: str) -> str:
    """Expand `${NAME-word}`, `${NAME+word}` or `${NAME?word}`; after a colon, an empty value counts as not set."""
    is_set = value is not None and not (form.startswith(":") and value == "")
    if form[-1] == "+":
        return word if is_set else ""
    if is_set:
        return value or ""
    if form[-1] == "?":
        raise ValueError(f"{name}: {word or 'is not set'}")
    return word
