"""Splits the arguments of ENV, LABEL and ARG into words and NAME=value pairs. Pure.

Source: github.com/moby/buildkit 0.34, frontend/dockerfile/parser/line_parsers.go.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from shipit.image.dockerfile.shell_lex import Lexer
from shipit.image.patterns.go_space import SPACE

_BLANKS = re.compile(r"[\t\v\f\r ]+")


def parse_pairs(text: str, variables: Mapping[str, str], lexer: Lexer) -> list[tuple[str, str]]:
    """The pairs of `K=V K2="a b"`, or of the old form `K rest of the line`, with variables expanded.

    Raises: ValueError when a word has no `=`.
    """
    words = split_words(text, lexer.escape)
    if words and "=" not in words[0]:
        key, *rest = _BLANKS.split(text, maxsplit=1)
        if not rest:
            raise ValueError(f"should be NAME=value, found {key!r}")
        return [(lexer.word(key, variables), lexer.word(rest[0], variables))]
    pairs = []
    for word in words:
        key, equals, value = word.partition("=")
        if not equals or not key:
            raise ValueError(f"should be NAME=value, found {word!r}")
        pairs.append((lexer.word(key, variables), lexer.word(value, variables)))
    return pairs


def split_words(text: str, escape: str) -> list[str]:
    """Split at whitespace that is neither quoted nor escaped. Quotes and escapes are kept for the lexer."""
    words: list[str] = []
    current: list[str] = []
    quote, at = "", 0
    while at < len(text):
        char = text[at]
        at += 1
        if not quote and char in SPACE:
            if current:
                words.append("".join(current))
            current.clear()
            continue
        if char == escape and quote != "'":
            if at == len(text):
                break
            current += (char, text[at])
            at += 1
            continue
        if char == quote:
            quote = ""
        elif not quote and char in "'\"":
            quote = char
        current.append(char)
    return [*words, "".join(current)] if current else words
