"""The times in which nothing is deployed: from one date to another, or every week."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from shipit.config.part import Model
from shipit.config.units import Misplaced, matching

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_NAMES = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_TIME = r"([01][0-9]|2[0-3]):[0-5][0-9]"
_MOMENT = rf"^([0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}([T ]{_TIME})?|({'|'.join(_NAMES)}|{'|'.join(_DAYS)}) {_TIME})$"
_SAID = "should be a date such as 2026-12-20 18:00, or a time of each week such as fri 16:00"
_WEEK = timedelta(days=7)
# A window of dates may not be longer: what is frozen for good should not be in the file.
_LONGEST = timedelta(days=366)


def find_zone(name: str) -> tzinfo:
    """The time zone of an IANA name; UTC also where the machine has no time zones. Raises: ValueError."""
    if name == "UTC":
        return UTC
    # Its import takes longer than reading most files.
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise Misplaced(
            "should be a time zone that this machine knows",
            hint="an IANA name such as Europe/Berlin, or UTC; a machine without time zones needs the package tzdata",
        ) from None


def _known_zone(name: str) -> str:
    find_zone(name)
    return name


Moment = Annotated[str, matching(_MOMENT, _SAID)]
Zone = Annotated[str, AfterValidator(_known_zone)]


class FreezeConfig(Model):
    """A time in which `shipit deploy` changes nothing. Its end is the first moment after it."""

    start: Moment = Field(
        description="The beginning: a date with or without a time, or a day of the week with a time.",
        examples=["fri 16:00"],
    )
    end: Moment = Field(description="The end, in the form of the beginning.", examples=["mon 08:00"])
    zone: Zone = Field(description="The time zone of both, by its IANA name.", examples=["Europe/Berlin"])
    reason: str = Field(
        "", description="The reason, shown when a deploy is refused.", examples=["no deploys at the weekend"]
    )

    @model_validator(mode="after")
    def _ends_after_start(self) -> Self:
        if self.is_weekly != (self.end[0] not in "0123456789"):
            raise Misplaced("should have the form of start:, a date or a day of the week", "end")
        if self.is_weekly:
            if minute_of_week(self.start) == minute_of_week(self.end):
                raise Misplaced("should differ from start:", "end", hint="the end is the first moment after the window")
            return self
        for key in ("start", "end"):
            try:
                _instants(parse_date(getattr(self, key)), find_zone(self.zone))
            except (ValueError, OverflowError):
                raise Misplaced("should be a date of the calendar", key) from None
        length = parse_date(self.end) - parse_date(self.start)
        if length <= timedelta():
            raise Misplaced("should be after start:", "end")
        if length > _LONGEST:
            raise Misplaced("should be at most a year after start:", "end")
        return self

    @property
    def is_weekly(self) -> bool:
        return re.match("[0-9]", self.start) is None

    def until(self, now: datetime) -> datetime | None:
        """The end of the window that a moment is in, in its time zone; None where it is in none.

        A time that a change of the clocks skips or repeats is taken so that the window is the longer one.
        """
        ends = [end for start, end in self._around(now) if start <= now.astimezone(UTC) < end]
        return max(ends, default=None)

    def _around(self, now: datetime) -> Iterator[tuple[datetime, datetime]]:
        """Beginning and end of the window, or of those of the weeks around a moment."""
        zone = find_zone(self.zone)
        if not self.is_weekly:
            yield _earlier(parse_date(self.start), zone), _later(parse_date(self.end), zone)
            return
        local = now.astimezone(zone).replace(tzinfo=None, fold=0)
        monday = local.replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=local.weekday())
        length = (minute_of_week(self.end) - minute_of_week(self.start)) % _WEEK
        for week in (-1, 0, 1):
            start = monday + week * _WEEK + minute_of_week(self.start)
            yield _earlier(start, zone), _later(start + length, zone)


def parse_date(text: str) -> datetime:
    """A date of deploy.yml, without its zone. Raises: ValueError."""
    return datetime.fromisoformat(text)


def minute_of_week(text: str) -> timedelta:
    """The time since Monday, 0:00, of such as `fri 16:00`."""
    day, time = text.split(" ")
    hours, minutes = time.split(":")
    return timedelta(days=_DAYS.index(day[:3]), hours=int(hours), minutes=int(minutes))


def _earlier(local: datetime, zone: tzinfo) -> datetime:
    return min(_instants(local, zone))


def _later(local: datetime, zone: tzinfo) -> datetime:
    return max(_instants(local, zone)).astimezone(zone)


def _instants(local: datetime, zone: tzinfo) -> tuple[datetime, datetime]:
    """The moments that a local time may mean: one, or two where clocks change. Source: PEP 495."""
    first, second = (local.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    return first, second
