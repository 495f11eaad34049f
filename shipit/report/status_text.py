"""The status of a target as text for people. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from shipit.digest import parse_digest
from shipit.printable import printable_line
from shipit.release import Status, Unit


def render_status(status: Status) -> Iterator[str]:
    """The target and its place; then its version and URLs, and one line for each unit."""
    yield printable_line(f"{status.target}  {status.place.identity}")
    if head := "  ".join(text for text in (status.version, *status.urls) if text):
        yield printable_line(f"  {head}")
    for unit in status.units:
        yield printable_line(f"  {_unit(unit)}")
    if not status.units:
        yield "  nothing runs there"


def _unit(unit: Unit) -> str:
    ready = "" if unit.wanted is None else f"{unit.ready or 0}/{unit.wanted} ready"
    return "  ".join(text for text in (unit.name, ready, unit.state, _image(unit.image)) if text)


def _image(image: str) -> str:
    """References with their digests cut to what people compare."""
    return ", ".join(_short(part) for part in image.split(", "))


def _short(reference: str) -> str:
    digest = parse_digest(reference.rpartition("@")[2])
    return digest.short if digest else reference
