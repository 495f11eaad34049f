"""A terminal's screen: what a person sees of the bytes that a program wrote to it.

Source: ECMA-48, the control functions CUU, EL and SGR; xterm, private modes.
"""

from __future__ import annotations

import io
import re
import unicodedata

_TOKEN = re.compile(r"\x1b\[(?P<numbers>[0-9;?]*)(?P<final>[A-Za-z])|[\s\S]")


class Screen(io.StringIO):
    """A stream that is a terminal. What it can't interpret is an error, so that no sequence is shown by chance."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        return True

    def lines(self) -> list[str]:
        """The lines on the screen, without colours and without spaces at their ends."""
        rows: list[list[str]] = [[]]
        row = column = 0
        for token in _TOKEN.finditer(self.getvalue()):
            final = token["final"]
            if final == "A":
                row = max(0, row - int(token["numbers"] or 1))
            elif final == "K":
                assert token["numbers"] == "2", token[0]
                rows[row] = []
            elif final in ("m", "h", "l"):
                continue
            elif token[0] == "\n":
                row, column = row + 1, 0
                rows += [[]] * (row == len(rows))
            elif token[0] == "\r":
                column = 0
            else:
                assert unicodedata.category(token[0]) != "Cc", f"{token[0]!r} of {self.getvalue()!r}"
                rows[row] += [" "] * (column - len(rows[row]))
                rows[row][column : column + 1] = [token[0]]
                column += 1
        shown = ["".join(cells).rstrip() for cells in rows]
        while shown and not shown[-1]:
            shown.pop()
        return shown
