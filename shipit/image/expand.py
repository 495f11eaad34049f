"""Variables in a Dockerfile's words, and quotes around them. Pure.

Source: Dockerfile reference, "Environment replacement"; where it is silent, what BuildKit does.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

# Beside names, what a shell gives to its scripts: nothing here.
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*|[0-9@*#?$!-]")


def expand(text: str, variables: Mapping[str, str], escape: str = "\\", *, keep_quotes: bool = False) -> str:
    """Expand `$NAME`, `${NAME}` and its forms; drop quotes, in which `'...'` expands nothing.

    The forms: `:-word`, `:+word`, `:?message`, each also without colon; `#pattern`, `##pattern`, `%pattern`,
    `%%pattern`; `/pattern/word`, `//pattern/word`. A variable that is not set expands to nothing. With `keep_quotes`
    quotes are characters like others.
    Raises: ValueError for a quote or a `${` that is not closed, and for an unknown form.
    """
    return _Reader(text, variables, escape, keep_quotes).until("")


@dataclass
class _Reader:
    text: str
    variables: Mapping[str, str]
    escape: str
    keep_quotes: bool
    index: int = 0

    def until(self, stop: str, *, keep_escapes: bool = False) -> str:
        """What stands before the character `stop`, expanded, or all of it where that is empty; goes on behind it."""
        out: list[str] = []
        while self.index < len(self.text):
            char = self.text[self.index]
            if char == stop:
                self.index += 1
                return "".join(out)
            if char in "'\"" and not self.keep_quotes:
                out.append(self._single_quoted() if char == "'" else self._double_quoted())
            elif char == "$":
                out.append(self._variable())
            elif char == self.escape and self.index + 1 < len(self.text):
                out.append(self.text[self.index : self.index + 2] if keep_escapes else self.text[self.index + 1])
                self.index += 2
            else:
                out.append(char)
                self.index += 1
        if stop:
            raise ValueError(f"${{ is never closed in {self.text!r}")
        return "".join(out)

    def _single_quoted(self) -> str:
        end = self.text.find("'", self.index + 1)
        if end < 0:
            raise ValueError(f"a ' is never closed in {self.text!r}")
        inside, self.index = self.text[self.index + 1 : end], end + 1
        return inside

    def _double_quoted(self) -> str:
        out: list[str] = []
        self.index += 1
        while self.index < len(self.text):
            char, following = self.text[self.index], self.text[self.index + 1 : self.index + 2]
            if char == '"':
                self.index += 1
                return "".join(out)
            if char == "$":
                out.append(self._variable())
            elif char == self.escape and following:
                out.append(following if following in f'"${self.escape}' else char + following)
                self.index += 2
            else:
                out.append(char)
                self.index += 1
        raise ValueError(f'a " is never closed in {self.text!r}')

    def _variable(self) -> str:
        is_braced = self.text.startswith("${", self.index)
        match = _NAME.match(self.text, self.index + 1 + is_braced)
        if not match:
            if is_braced:
                raise ValueError(f"${{ should be followed by a variable's name in {self.text!r}")
            self.index += 1
            return "$"
        self.index = match.end()
        value = self.variables.get(match.group())
        return self._form(match.group(), value) if is_braced else value or ""

    def _form(self, name: str, value: str | None) -> str:
        """The rest of `${NAME...}`."""
        match = re.compile(r"}|:?[-+?]|##?|%%?|//?").match(self.text, self.index)
        if not match:
            raise ValueError(f"${{{name} has a form that is not known in {self.text!r}")
        form, self.index = match.group(), match.end()
        if form == "}":
            return value or ""
        if form in ("/", "//"):
            pattern = re.compile(_regex(self.until("/", keep_escapes=True)), re.DOTALL)
            word = self.until("}")
            return pattern.sub(lambda found: word, value or "", count=0 if form == "//" else 1)
        if form[0] in "#%":
            return _trimmed(value or "", self.until("}", keep_escapes=True), form)
        word = self.until("}")
        is_set = bool(value) if form[0] == ":" else value is not None
        if form[-1] == "+":
            return word if is_set else ""
        if is_set:
            return value or ""
        if form[-1] == "?":
            raise ValueError(f"{name}: {word or 'not set'}")
        return word


def _trimmed(value: str, pattern: str, form: str) -> str:
    """A value without the shortest, or for a doubled form the longest, part that matches at its beginning or end."""
    regex = re.compile(_regex(pattern), re.DOTALL)
    lengths = range(len(value) + 1) if len(form) == 1 else range(len(value), -1, -1)
    for length in lengths:
        part, rest = value[:length], value[length:]
        if form[0] == "%":
            rest, part = value[: len(value) - length], value[len(value) - length :]
        if regex.fullmatch(part):
            return rest
    return value


def _regex(pattern: str) -> str:
    """A shell's pattern of `*`, `?` and escaped characters as a regular expression."""
    parts = re.findall(r"\\.|.", pattern, re.DOTALL)
    return "".join({"*": ".*", "?": "."}.get(part) or re.escape(part[-1]) for part in parts)


def parse_pairs(text: str, variables: Mapping[str, str], escape: str = "\\") -> list[tuple[str, str]]:
    """`K=V K2="a b"` to pairs, or the old form `K rest of the line`.

    Raises: ValueError when a word has no `=`.
    """
    words = split_words(text, escape)
    if words and "=" not in words[0]:
        key, *rest = text.split(None, 1)
        if not rest:
            raise ValueError(f"should be NAME=value, found {key!r}")
        return [(key, expand(rest[0].strip(), variables, escape))]
    pairs = []
    for word in words:
        key, equals, value = word.partition("=")
        if not equals or not key:
            raise ValueError(f"should be NAME=value, found {word!r}")
        pairs.append((expand(key, variables, escape), expand(value, variables, escape)))
    return pairs


def split_words(text: str, escape: str) -> list[str]:
    """Split at blanks that are not quoted or escaped; quotes and escapes stay for `expand`."""
    words, current, quote, index = [], "", "", 0
    while index < len(text):
        char = text[index]
        if char == escape and quote != "'" and index + 1 < len(text):
            current += text[index : index + 2]
            index += 2
            continue
        if char in "'\"" and quote in ("", char):
            quote = "" if quote else char
        if char.isspace() and not quote:
            if current:
                words.append(current)
            current = ""
        else:
            current += char
        index += 1
    if quote:
        raise ValueError("a quote is never closed")
    return [*words, current] if current else words
