"""Here-documents of an instruction: which it begins, and how a word names one. Pure.

Source: github.com/moby/buildkit 0.34, frontend/dockerfile/parser, `heredocsFromLine`, `ParseHeredoc`.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from shipit.image.dockerfile.exec_form import json_words
from shipit.image.dockerfile.shell_lex import Lexer, Quoting

_WORD = re.compile(r"(\d*)<<(-?)[\t\n\f\r ]*([^<]*)", re.ASCII)


class Heredoc(NamedTuple):
    """`text` is as it stands; with `chomp` the tabs at the start of its lines do not count."""

    name: str
    text: str
    expand: bool
    chomp: bool = False

    @property
    def content(self) -> str:
        return re.sub(r"^\t+", "", self.text, flags=re.MULTILINE) if self.chomp else self.text


def heredocs_of(line: str, keyword: str, text: str) -> list[Heredoc]:
    """The here-documents that an instruction begins, without their text.

    `keyword` and `text` are its own, or those of what ONBUILD holds.
    """
    if keyword not in ("RUN", "COPY", "ADD") or "<<" not in line:
        return []
    try:
        if json_words(text) is not None:
            return []
        words = Lexer().lex(line, {}, Quoting(raw_quotes=True, raw_escapes=True, skip_unset=True)).words
    except ValueError:
        return []
    return [doc for word in words if (doc := parse_heredoc(word))]


def parse_heredoc(word: str) -> Heredoc | None:
    """The here-document that a word such as `<<EOF` or `<<-"END"` begins; None where it begins none."""
    match = _WORD.fullmatch(word)
    if match is None or not match[3]:
        return None
    plain, raw = (_words(match[3], raw_quotes=is_raw) for is_raw in (False, True))
    if len(plain) != 1 or len(raw) != 1:
        return None
    return Heredoc(plain[0], "", _quotes(plain[0]) == _quotes(raw[0]), bool(match[2]))


def _words(text: str, *, raw_quotes: bool) -> list[str]:
    return Lexer().lex(text, {}, Quoting(raw_quotes=raw_quotes, skip_unset=True)).words


def _quotes(text: str) -> int:
    return text.count("'") + text.count('"')
