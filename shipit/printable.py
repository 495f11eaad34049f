"""Text of a server, a file or a user, made safe to print: no control or bidirectional characters. Pure. Imports nothing.

Source: ECMA-48 (C0, C1 and SGR); Unicode UAX 9 (bidirectional controls); GitHub's runner, ActionCommand.cs, which finds
`::command::` behind any space at the beginning of a line, and `##[command]` anywhere in it; Azure's and TeamCity's likewise.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any, TypeAlias

# A field of an event, a plan or a finding that people read and that may hold what a server, a file or a program said:
# redacted, cut and escaped before anyone sees it. Everything else is structure, and is never changed.
FreeText: TypeAlias = str
# A field that is JSON of a server or a file: each text in it is free text.
FreeJson: TypeAlias = Any
# A field that programs compare: a state, the name of a target or an image, the id of a step.
Name: TypeAlias = str

MOST_CHARACTERS = 4_000
# C0 and DEL, C1, line and paragraph separators, bidirectional controls, other invisible controls, lone surrogates.
_UNSAFE = (
    r"\x00-\x08\x0b-\x1f\x7f\x80-\x9f\u061c\u200b\u200e\u200f\u2028\u2029\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    r"\ud800-\udfff\U000e0000-\U000e007f"
)
_IN_TEXT, _IN_LINE = f"[{_UNSAFE}]", f"[{_UNSAFE}\t\n]"
_SGR = re.compile(r"(\x1b\[[0-9;:]{0,64}m)")
_HASHES = re.compile(r"#(?=#(?:\[|vso\[|teamcity\[))")
_COMMAND = re.compile(rf"^(\s*):(?=:)|{_HASHES.pattern}")


# Compiled when a text holds more than what str calls printable: every command imports this module.
_compiled = cache(re.compile)


def printable_text(text: str) -> str:
    """Text of several lines: newlines and tabs stay, every other control character is escaped, `\\x1b` for ESC."""
    return text if text.isprintable() else _compiled(_IN_TEXT).sub(_escaped, text)


def printable_line(text: str) -> str:
    """Text that is one line and stays one: newlines are escaped, too; a tab becomes a space."""
    return text if text.isprintable() else _compiled(_IN_LINE).sub(_escaped, text.replace("\t", " "))


def printable_colored(text: str) -> str:
    """One line whose colours stay: SGR sequences are kept and closed at the end, everything else is escaped."""
    parts = _SGR.split(text)
    if len(parts) == 1:
        return printable_line(text)
    shown = "".join(part if index % 2 else printable_line(part) for index, part in enumerate(parts))
    return f"{shown}\x1b[0m"


def printable_uncolored(text: str) -> str:
    """One line without its colours: SGR sequences are left out, everything else is escaped."""
    return printable_line(_SGR.sub("", text))


def inert_line(line: str) -> str:
    """A printable line without anything that a CI system would interpret as a command."""
    if "::" not in line and "##" not in line:
        return line
    return _COMMAND.sub(lambda match: "#\\" if match[0] == "#" else f"{match[1]}\\:", line)


def inert_quoted(text: str) -> str:
    """The same JSON, or double-quoted YAML string, without anything that a CI system would interpret as a command."""
    return _HASHES.sub(r"\\u0023", text) if "##" in text else text


def cut_text(text: str, most: int = MOST_CHARACTERS) -> str:
    """The text with each line cut after `most` characters, followed by how many were cut.

    Redact first: a secret that was cut is not found any more.
    """
    if len(text) <= most:
        return text
    return "\n".join(line if len(line) <= most else _cut(line, most) for line in text.split("\n"))


def _cut(line: str, most: int) -> str:
    return f"{line[:most]} ... ({len(line) - most:,} more characters)"


def _escaped(match: re.Match[str]) -> str:
    code = ord(match.group())
    if match.group() in "\n\r\t":
        return {"\n": "\\n", "\r": "\\r", "\t": "\\t"}[match.group()]
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def counted(number: int, noun: str) -> str:
    """`1 layer`, `2 layers`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def human_bytes(size: float) -> str:
    """`1.2 MiB` and the like."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < 1024 or unit == "GiB":
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    raise AssertionError("unreachable")
