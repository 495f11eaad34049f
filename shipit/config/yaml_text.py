"""Decoding of YAML files, and the parser's errors in plain words. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from shipit.config.position import Position, excerpt, lines_of
from shipit.errors import ConfigError, ConfigErrors
from shipit.printable import inert_quoted

MAX_BYTES = 1024 * 1024

# YAML 1.2.2, chapter 5.1: what is not c-printable.
_UNPRINTABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_INDENT = "keys of one map begin in the same column"
_QUOTE = "put quotes around text that begins with @, ` or %"
_IN_QUOTES = "while scanning a quoted scalar"
# Message of the parser -> plain words, and a hint.
_SAYINGS = {
    "mapping values are not allowed in this context": (
        "a key is not allowed here",
        f"{_INDENT}; put quotes around text that holds ': '",
    ),
    "did not find expected key": ("expected a key, or the end of the map", _INDENT),
    "could not find expected ':'": ("a colon is missing after this key", "write key: value"),
    "found character that cannot start any token": ("a value can't begin like this", _QUOTE),
    "found undefined alias": ("there is no anchor of this name above", "write & and the name where it is first used"),
    "did not find expected node content": ("a value is missing here", ""),
    "found incompatible YAML document": ("only YAML 1.1 and 1.2 are known", "leave the directive out"),
    "did not find expected ',' or '}'": ("expected , or }", ""),
    "did not find expected ',' or ']'": ("expected , or ]", ""),
}


def problem_in(text: str, at: Position, what: str, hint: str = "") -> ConfigError:
    """An error at a position of a text."""
    from shipit.config.masking import private_parts

    lines = lines_of(text)
    shown = excerpt(lines, at, private_parts(lines).get(at.line - 1))
    return ConfigError(what, where=at.where, hint=hint, excerpt=shown, position=(at.line, at.column))


def is_private(text: str, at: Position) -> bool:
    """Whether the value at a position is private."""
    from shipit.config.masking import private_parts

    part = private_parts(lines_of(text)).get(at.line - 1)
    return part is not None and at.column > part.start


def decode(data: bytes, name: str, max_bytes: int = MAX_BYTES) -> str:
    """The text of a file, without a byte order mark.

    Raises: ConfigErrors for what is too large, not UTF-8, or holds a character that YAML does not.
    """
    if len(data) > max_bytes:
        what = f"the file is {len(data):,} bytes; at most {max_bytes:,}"
        raise ConfigErrors([ConfigError(what, where=f"{name}:1:1", position=(1, 1))])
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = data[: error.start].decode("utf-8-sig", "replace")
        hint = (
            "it looks like UTF-16: save it as UTF-8" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "save it as UTF-8"
        )
        raise ConfigErrors([problem_in("", _end_of(before, name), "the file should be UTF-8", hint)]) from None
    if bad := _UNPRINTABLE.search(text):
        what = f"the character U+{ord(bad.group()):04X} is not allowed in YAML"
        hint = "is it UTF-16? save it as UTF-8" if bad.group() == "\0" else 'write it as "\\xNN", in double quotes'
        raise ConfigErrors([problem_in(text, _end_of(text[: bad.start()], name), what, hint)])
    return text


def _end_of(text: str, name: str) -> Position:
    """The position right behind a text."""
    lines = lines_of(text)
    return Position(len(lines), len(lines[-1]) + 1, 1, name)


def not_yaml(error: Any, text: str, name: str, opened: Sequence[Position] = ()) -> ConfigErrors:
    """The parser's error in plain words, at the place to mend. `opened`: the brackets that were not closed then."""
    lines = lines_of(text)
    mark = error.problem_mark or error.context_mark
    said = error.problem or error.context
    what, hint = _SAYINGS.get(said, (said, ""))
    if error.context_mark and (said == "could not find expected ':'" or error.context == _IN_QUOTES):
        mark = error.context_mark
    at = Position(mark.line + 1, mark.column + 1, 1, name) if mark else Position(1, 1, 1, name)
    if error.context == _IN_QUOTES:
        what, hint = "this quote is never closed", ""
    elif opened and not any(line.strip() for line in lines[at.line - 1 :]):
        at = opened[-1]._replace(width=1)
        what, hint = f"this {lines[at.line - 1][at.column - 1 : at.column]} is never closed", ""
    line = lines[at.line - 1] if at.line <= len(lines) else ""
    if "\t" in line[: at.column]:
        hint = "indent with spaces: YAML takes no tabs there"
    elif "${" in line and ("{" in line[: max(0, at.column - 2)] or "[" in line[: at.column]):
        hint = "inside { } and [ ] put quotes around what holds ${...}"
    return ConfigErrors([problem_in(text, at, f"should be YAML: {what}", hint)])


def is_other_word(text: str) -> bool:
    """Whether a reader of YAML 1.1 or 1.2 may take bare text for a boolean, null or a number."""
    return text.lower() in ("true", "false", "null", "yes", "no", "on", "off", "nan", "inf", "y", "n")


def quoted(text: str) -> str:
    """Text in double quotes, as YAML reads it back; what is not printable is escaped, and what CI takes for a command.

    Source: YAML 1.2.2, chapter 5.7, escaped characters.
    """
    return inert_quoted('"' + "".join(_escaped(char) for char in text) + '"')


def _escaped(char: str) -> str:
    if char in '"\\':
        return f"\\{char}"
    if char.isprintable() and char != "\ufeff":
        return char
    number = ord(char)
    return {10: "\\n", 9: "\\t"}.get(number) or (f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}")


def load_documents(text: str) -> list[Any]:
    """The documents of a YAML file of another tool, loaded in bounded memory.

    Raises: yaml.YAMLError where it is not YAML or is too much; ValueError for a date that is none.
    """
    import yaml

    check_bounds(text)
    return list(yaml.load_all(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)))


def check_bounds(text: str, *, max_depth: int = 200, max_nodes: int = 1_000_000) -> None:
    """Check that YAML, of one or more documents, can be loaded in bounded memory, aliases counted.

    Raises: yaml.MarkedYAMLError where it is not YAML, nests too deep, or is too much.
    """
    import yaml

    sizes: dict[str, int] = {}
    opened: list[tuple[str | None, int]] = []
    count = 0
    event: Any
    for event in yaml.parse(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
        if isinstance(event, yaml.AliasEvent):
            count += sizes.get(str(event.anchor), 1)
        elif isinstance(event, yaml.ScalarEvent | yaml.CollectionStartEvent):
            count += 1
        if isinstance(event, yaml.CollectionStartEvent):
            opened.append((event.anchor, count))
        elif isinstance(event, yaml.CollectionEndEvent):
            anchor, before = opened.pop()
            if anchor is not None:
                sizes[anchor] = count - before + 1
        if len(opened) > max_depth or count > max_nodes:
            what = f"values nest deeper than {max_depth}" if len(opened) > max_depth else "aliases make it too large"
            raise yaml.MarkedYAMLError(problem=what, problem_mark=event.start_mark)
