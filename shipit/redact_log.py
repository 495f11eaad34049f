"""Masks secrets in a log that arrives line by line. Imports redact and printable only."""

from __future__ import annotations

from shipit.printable import MOST_CHARACTERS, cut_text
from shipit.redact import SHORTEST, Redactor

_MOST_HELD = 1_000


class LogRedactor:
    """Masks secrets in the lines of one log, also those that span several lines, and then cuts lines of more than `most` characters.

    A line that ends within what may be a secret is held back until the next one shows whether it was.
    """

    def __init__(self, redactor: Redactor, most: int = MOST_CHARACTERS) -> None:
        self._redactor = redactor
        self._most = most
        # The end of the last line that was returned, too short to be held back.
        self._before = ""
        self._held: list[str] = []

    def push(self, line: str) -> list[str]:
        """The lines that can be shown now, in order; empty while lines are held back."""
        if not self._held and not self._redactor.may_go_on(self._before, line):
            self._before = _end(self._before, line)
            return [cut_text(line, self._most)]
        self._held += line.split("\n")
        return self._release() if len(self._held) < _MOST_HELD else self.flush()

    def flush(self) -> list[str]:
        """The lines that were held back, when the log ends or is interrupted by other output."""
        text, self._held = self._joined(), []
        self._before = _end("", text)
        return self._cut(self._redactor.text(text).split("\n")[1:])

    def without_begun(self, line: str) -> str:
        """A line whose end is missing, without the beginning of a secret that may be at its end."""
        return line[: self._redactor.unfinished(f"{line}\n")]

    def _joined(self) -> str:
        return "\n".join((self._before, *self._held))

    def _release(self) -> list[str]:
        """Return the lines that end before an unfinished form."""
        text = self._joined()
        safe = self._redactor.unfinished(text)
        if safe == len(text) or any(start < safe < end for start, end in self._redactor.spans(text)):
            return self.flush()
        before, *lines = (self._redactor.text(text[:safe]) + text[safe:]).split("\n")
        count = max(0, text.count("\n", 0, safe) - 1)
        self._before, self._held = "" if count else before, lines[count:]
        return self._cut(lines[:count])

    def _cut(self, lines: list[str]) -> list[str]:
        return [cut_text(line, self._most) for line in lines]


def _end(before: str, line: str) -> str:
    """The last characters of a log that were shown."""
    end = line[-64:]
    if not end.isprintable():
        end = "".join(char for char in end if char.isprintable())
    return f"{before}{end}".rstrip()[-(SHORTEST - 1) :]
