"""Text of a server, a file or a user, made safe to print: no control or bidirectional characters. Pure. Imports nothing.

Source: ECMA-48 (C0, C1 and SGR); Unicode UAX 9 (bidirectional controls).
"""

from __future__ import annotations

import re

# C0 and DEL, C1, line and paragraph separators, bidirectional controls, other invisible controls, lone surrogates.
_UNSAFE = (
    r"\x00-\x08\x0b-\x1f\x7f\x80-\x9f\u061c\u200b\u200e\u200f\u2028\u2029\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    r"\ud800-\udfff\U000e0000-\U000e007f"
)
_IN_TEXT = re.compile(f"[{_UNSAFE}]")
_IN_LINE = re.compile(f"[{_UNSAFE}\t\n]")
_SGR = re.compile(r"(\x1b\[[0-9;:]{0,64}m)")


def printable_text(text: str) -> str:
    """Text of several lines: newlines and tabs stay, every other control character is escaped, `\\x1b` for ESC."""
    return _IN_TEXT.sub(_escaped, text)


def printable_line(text: str) -> str:
    """Text that is one line and stays one: newlines are escaped, too; a tab becomes a space."""
    return _IN_LINE.sub(_escaped, text.replace("\t", " "))


def printable_colored(text: str) -> str:
    """One line whose colours stay: SGR sequences are kept and closed at the end, everything else is escaped."""
    parts = _SGR.split(text)
    if len(parts) == 1:
        return printable_line(text)
    shown = "".join(part if index % 2 else printable_line(part) for index, part in enumerate(parts))
    return f"{shown}\x1b[0m"


def _escaped(match: re.Match[str]) -> str:
    code = ord(match.group())
    if match.group() in "\n\r\t":
        return {"\n": "\\n", "\r": "\\r", "\t": "\\t"}[match.group()]
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
