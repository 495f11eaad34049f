"""The dates of HTTP headers. Pure.

Source: RFC 9110, section 5.6.7.
"""

from __future__ import annotations

from datetime import UTC
from email.utils import parsedate_to_datetime


def seconds_of(date: str) -> float | None:
    """Seconds since 1970 of a date in a header, which is in UTC where it has no zone; None for what is no date."""
    try:
        found = parsedate_to_datetime(date)
    except (TypeError, ValueError, OverflowError):
        return None
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
