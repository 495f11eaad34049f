"""A stream of bytes as lines of a log, in bounded memory. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

# Of a longer line the beginning is kept.
LONGEST_LINE = 64 * 1024
# A line, and how many bytes were left out at its end.
Line = tuple[str, int]


def read_lines(pieces: Iterable[bytes]) -> Iterator[list[Line]]:
    """For each piece of a stream the lines that end in it, without their line ends; at the end of the stream the last line.

    Bytes that are no UTF-8 become U+FFFD.
    """
    # The beginning of the line that goes on, and the bytes of it that are left out.
    head, left_out = bytearray(), 0
    for piece in pieces:
        first, *others = piece.split(b"\n")
        room = LONGEST_LINE - len(head)
        head += first[:room]
        left_out += max(0, len(first) - room)
        if not others:
            continue
        *whole, last = others
        yield [_line(bytes(head), left_out), *(_line(line[:LONGEST_LINE], len(line) - LONGEST_LINE) for line in whole)]
        head, left_out = bytearray(last[:LONGEST_LINE]), max(0, len(last) - LONGEST_LINE)
    if head or left_out:
        yield [_line(bytes(head), left_out)]


def _line(data: bytes, left_out: int) -> Line:
    text = data.decode("utf-8", "replace")
    return (text, left_out) if left_out > 0 else (text.removesuffix("\r"), 0)
