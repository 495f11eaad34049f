"""What wrapping and colouring insert into a value. Pure. Imports nothing."""

from __future__ import annotations

import re
from functools import cache

# A line break, raw or escaped, with the spaces around it.
BREAK = r"(?:(?<![ \t])[ \t]+)?(?:\r\n|\n|\r|(?:\\{1,8}r)?\\{1,8}n)[ \t]*"
# Line breaks (also of quoted-printable), escape sequences (CSI, OSC), invisible characters.
_WITHIN = rf"=(?:\r\n|\n)|{BREAK}|\x1b\[[0-9;:?]{{0,64}}[ -/]?[@-~]|\x1b\][^\x07\x1b\n]{{0,512}}(?:\x07|\x1b\\)|[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"


@cache
def within() -> re.Pattern[str]:
    """What may be within a value. Compiled when it is needed: every command imports this module."""
    return re.compile(_WITHIN)


def may_be_wrapped(text: str) -> bool:
    """A fast check whether `within` may match in a text. It is never wrong with no."""
    return "\\n" in text or not text.isprintable()
