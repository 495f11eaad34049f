"""Secrets out of a log that comes line by line. Imports redact and printable only."""

from __future__ import annotations

from shipit.printable import cut_text
from shipit.redact import SHORTEST, Redactor

_MOST_HELD = 1_000


class LogRedactor:
    """Masks secrets in the lines of one log, those that are spread over several, too, and then cuts lines.

    A line that ends within what may be a secret is held back until the next one shows whether it was.
    """

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor
        # The end of the last line that was let go, too short to be held back for.
        self._before = ""
        self._held: list[str] = []

    def push(self, line: str) -> list[str]:
        """The lines that may be seen now, in order; none while one is held back."""
        if not self._held and not self._redactor.may_go_on(self._before, line):
            self._before = _end(self._before, line)
            return [cut_text(line)]
        self._held += line.split("\n")
        return self._release() if len(self._held) < _MOST_HELD else self.flush()

    def flush(self) -> list[str]:
        """The lines that were held back; the log is over, or goes on in another way."""
        text, self._held = self._joined(), []
        self._before = _end("", text)
        return _cut(self._redactor.text(text).split("\n")[1:])

    def _joined(self) -> str:
        return "\n".join((self._before, *self._held))

    def _release(self) -> list[str]:
        """Let go of the lines that end before what is unfinished."""
        text = self._joined()
        safe = self._redactor.unfinished(text)
        if safe == len(text) or any(start < safe < end for start, end in self._redactor.spans(text)):
            return self.flush()
        before, *lines = (self._redactor.text(text[:safe]) + text[safe:]).split("\n")
        count = max(0, text.count("\n", 0, safe) - 1)
        self._before, self._held = "" if count else before, lines[count:]
        return _cut(lines[:count])


def _cut(lines: list[str]) -> list[str]:
    return [cut_text(line) for line in lines]


def _end(before: str, line: str) -> str:
    """The last characters that are seen of a log."""
    return f"{before}{''.join(char for char in line[-64:] if char.isprintable())}".rstrip()[-(SHORTEST - 1) :]
