"""Here-documents of an instruction. Pure.

Source: github.com/moby/buildkit 0.34, frontend/dockerfile/parser, `heredocsFromLine`, `ParseHeredoc`.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from shipit.image.dockerfile.exec_form import json_words
from shipit.image.dockerfile.lexed_words import Quoting
from shipit.image.dockerfile.shell_lex import Lexer

_WORD = re.compile(r"(\d*)<<(-?)[\t\n\f\r ]*([^<]*)", re.ASCII)


class Heredoc(NamedTuple):
    """A here-document. `text` is as written; `chomp` removes the tabs at the start of its lines from `content`."""

    name: str
    text: str
    expand: bool
    chomp: bool = False

    @property
    def content(self) -> str:
        return re.sub(r"^\t+", "", self.text, flags=re.MULTILINE) if self.chomp else self.text


def heredocs_of(line: str, keyword: str, text: str) -> list[Heredoc]:
    """The here-documents that an instruction starts, with empty texts.

    `keyword` and `text` are those of the instruction, or for ONBUILD those of the instruction in it.
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
    """The here-document that a word such as `<<EOF` or `<<-"END"` starts; None when it starts none."""
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
