"""Variables in a Dockerfile's words, and quotes around them. Pure.

Source: Dockerfile reference, "Environment replacement".
"""

from __future__ import annotations

import re
from collections.abc import Mapping

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*|[0-9]")


def expand(text: str, variables: Mapping[str, str], escape: str = "\\", *, keep_quotes: bool = False) -> str:
    """Expand `$NAME`, `${NAME}`, `${NAME:-word}`, `${NAME:+word}` and their forms without colon; drop quotes.

    A variable that is not set expands to nothing. In single quotes nothing expands.
    Raises: ValueError for a `${` that is not closed or has an unknown modifier.
    """
    out, index, quote = [], 0, ""
    while index < len(text):
        char = text[index]
        if char == escape and quote != "'" and index + 1 < len(text):
            following = text[index + 1]
            plain = following in ("$", '"', "'", escape) or not quote
            out.append(following if plain else char + following)
            index += 2
        elif char in "'\"" and quote in ("", char):
            quote = "" if quote else char
            if keep_quotes:
                out.append(char)
            index += 1
        elif char == "$" and quote != "'":
            value, index = _variable(text, index, variables, escape)
            out.append(value)
        else:
            out.append(char)
            index += 1
    return "".join(out)


def _variable(text: str, index: int, variables: Mapping[str, str], escape: str) -> tuple[str, int]:
    if text.startswith("${", index):
        end = _closing(text, index)
        return _braced(text[index + 2 : end], variables, escape), end + 1
    match = _NAME.match(text, index + 1)
    if not match:
        return "$", index + 1
    return variables.get(match.group(), ""), match.end()


def _closing(text: str, start: int) -> int:
    depth = 0
    for index in range(start, len(text)):
        if text.startswith("${", index):
            depth += 1
        elif text[index] == "}":
            depth -= 1
            if depth == 0:
                return index
    raise ValueError("${ is never closed")


def _braced(body: str, variables: Mapping[str, str], escape: str) -> str:
    match = _NAME.match(body)
    if not match:
        raise ValueError(f"${{{body}}} should begin with a variable's name")
    value, rest = variables.get(match.group()), body[match.end() :]
    if not rest:
        return value or ""
    colon = rest.startswith(":")
    operator, word = rest[colon : colon + 1], rest[colon + 1 :]
    is_set = bool(value) if colon else value is not None
    if operator == "-":
        return value or "" if is_set else expand(word, variables, escape)
    if operator == "+":
        return expand(word, variables, escape) if is_set else ""
    if operator == "?":
        if not is_set:
            raise ValueError(f"{match.group()}: {expand(word, variables, escape) or 'not set'}")
        return value or ""
    raise ValueError(f"${{{body}}} has a modifier that is not known")


def parse_pairs(text: str, variables: Mapping[str, str], escape: str = "\\") -> list[tuple[str, str]]:
    """`K=V K2="a b"` to pairs, or the old form `K rest of the line`.

    Raises: ValueError when a word has no `=`.
    """
    words = _words(text, escape)
    if words and "=" not in words[0]:
        key, _, rest = text.partition(" ")
        if not rest.strip():
            raise ValueError(f"should be NAME=value, found {key!r}")
        return [(key, expand(rest.strip(), variables, escape))]
    pairs = []
    for word in words:
        key, equals, value = word.partition("=")
        if not equals or not key:
            raise ValueError(f"should be NAME=value, found {word!r}")
        pairs.append((expand(key, variables, escape), expand(value, variables, escape)))
    return pairs


def _words(text: str, escape: str) -> list[str]:
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
