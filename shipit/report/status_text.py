"""What runs at places, as text for people. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from datetime import UTC, datetime
from itertools import zip_longest

from shipit.digest import parse_digest
from shipit.printable import printable_line
from shipit.release import Status, Unit

_HEADS = ("TARGET", "WHAT", "READY", "IMAGE", "VERSION", "AGE", "RESTARTS", "STATE")
# The columns that are there even where they are empty.
_ALWAYS = ("TARGET", "WHAT")
_AGES = ((86_400, "d"), (3_600, "h"), (60, "m"))


def render_statuses(found: Sequence[Status], now_s: float) -> Iterator[str]:
    """A table of all that runs, then each target with its place and URLs, then the last errors.

    Columns that say nothing are left out. `now_s` is in seconds since the epoch.
    """
    rows = [_row(status, unit, now_s) for status in found for unit in status.units or (Unit("nothing runs there"),)]
    if rows:
        yield from render_table(_HEADS, rows, _ALWAYS)
        yield ""
    width = max((len(status.target) for status in found), default=0)
    for status in found:
        parts = (status.target.ljust(width), status.place.identity, *status.urls)
        yield printable_line("  ".join(parts))
    errors = [(status, unit) for status in found for unit in status.units if unit.error]
    if errors:
        yield ""
    for status, unit in errors:
        yield printable_line(f"{status.target}  {unit.name}: {unit.error}")


def _row(status: Status, unit: Unit, now_s: float) -> tuple[str, ...]:
    ready = "" if unit.wanted is None else f"{unit.ready or 0}/{unit.wanted}"
    restarts = "" if unit.restarts is None else str(unit.restarts)
    return (
        status.target,
        unit.name,
        ready,
        _image(unit.image),
        unit.version or status.version,
        age(unit.since, now_s),
        restarts,
        unit.state,
    )


def render_table(heads: Sequence[str], rows: Sequence[Sequence[str]], always: Collection[str]) -> Iterator[str]:
    """Rows under their heads, in columns as wide as they have to be. `always` are the columns that are kept when empty."""
    columns = list(zip_longest(heads, *rows, fillvalue=""))
    kept = [column for column in columns if column[0] in always or any(column[1:])]
    lines = zip(*([printable_line(cell) for cell in column] for column in kept), strict=True)
    widths = [max(len(printable_line(cell)) for cell in column) for column in kept]
    for line in lines:
        yield "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()


def age(since: str, now_s: float) -> str:
    """How long ago a time is: `40s`, `5m`, `3h`, `12d`; empty for a text that is no time. A time to come is `0s`."""
    try:
        at = datetime.fromisoformat(since)
    except ValueError:
        return ""
    seconds = int(max(0.0, now_s - (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()))
    for length, letter in _AGES:
        if seconds >= length:
            return f"{seconds // length}{letter}"
    return f"{seconds}s"


def _image(image: str) -> str:
    """References with their digests cut to what people compare."""
    return ", ".join(_short(part) for part in image.split(", "))


def _short(reference: str) -> str:
    digest = parse_digest(reference.rpartition("@")[2])
    return digest.short if digest else reference
