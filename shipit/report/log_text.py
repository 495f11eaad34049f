"""A line of a log as `TIME TARGET/INSTANCE | line`, safe to print. Pure."""

from __future__ import annotations

from shipit.events import LogLine
from shipit.printable import counted, printable_colored, printable_line, printable_uncolored

# Cyan, yellow, green, magenta, blue, and the bright ones of these: none that means success or failure.
COLORS = (36, 33, 32, 35, 34, 96, 93, 92, 95, 94)
# The time to the millisecond.
_SHOWN = len("2026-01-31T12:00:00.000")


def render_log_line(event: LogLine, color: int | None = None) -> str:
    """One line of text; with an SGR color its name has it, and the line keeps its own."""
    time = f"{event.written_at[:_SHOWN]}Z " if event.written_at else ""
    name = printable_line(f"{event.target}/{event.instance}")
    line = printable_uncolored(event.line)
    if color is not None:
        name, line = f"\x1b[{color}m{name}\x1b[0m", printable_colored(event.line)
    cut = f" ... ({counted(event.cut_bytes, 'more byte')})" if event.cut_bytes else ""
    return f"{time}{name} | {line}{cut}"
