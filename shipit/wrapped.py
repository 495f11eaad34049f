"""What wrapping and colouring insert into a value. Pure. Imports nothing."""

from __future__ import annotations

import re

# A line break, raw or escaped, with the spaces around it.
BREAK = r"(?:(?<![ \t])[ \t]+)?(?:\r\n|\n|\r|(?:\\{1,8}r)?\\{1,8}n)[ \t]*"
# Line breaks (also of quoted-printable), escape sequences (CSI, OSC), invisible characters.
WITHIN = re.compile(
    rf"=(?:\r\n|\n)|{BREAK}|\x1b\[[0-9;:?]{{0,64}}[ -/]?[@-~]|\x1b\][^\x07\x1b\n]{{0,512}}(?:\x07|\x1b\\)|[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"
)

# BREAK without spaces beside it, and what has spaces beside it.
_PLAIN_BREAK = re.compile(r"\r\n|\n|\r|\\\\{0,7}r\\{1,8}n|\\\\{0,7}n")
_SPACED_BREAK = re.compile(r"[ \t](?:\r|\n|\\{1,8}[rn])|(?:\r|\n|\\n)[ \t]")


def unwrapped(text: str) -> str:
    """A text without the matches of WITHIN, whose search is slow on keys of many lines."""
    bare = _PLAIN_BREAK.sub("", text)
    has_others = (
        "\x1b" in text or "=\n" in text or "=\r" in text or _SPACED_BREAK.search(text) or not bare.isprintable()
    )
    return WITHIN.sub("", text) if has_others else bare


def may_be_wrapped(text: str) -> bool:
    """A fast check whether WITHIN may match in a text. It is never wrong with no."""
    return "\\n" in text or not text.isprintable()
