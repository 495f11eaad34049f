"""Times of log lines in one form: RFC 3339 in UTC with nine digits of a second. As text they sort as times. Pure."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

_TIME = re.compile(
    r"([0-9]{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9])"
    r"(?:\.([0-9]{1,9}))?(Z|[+-][0-9]{2}:[0-9]{2})"
)
SECONDS = len("2026-01-31T12:00:00")


def parse_log_time(text: str) -> str:
    """The time of RFC 3339 text, in this form; empty for anything else."""
    match = _TIME.fullmatch(text)
    if match is None:
        return ""
    whole, fraction, zone = match.groups()
    if zone not in ("Z", "+00:00"):
        try:
            whole = f"{datetime.fromisoformat(whole + zone).astimezone(UTC):%Y-%m-%dT%H:%M:%S}"
        except (ValueError, OverflowError):
            return ""
    return f"{whole}.{fraction or '':0<9}Z"


def log_time(at_s: float) -> str:
    """Seconds since the epoch, in this form."""
    at = datetime.fromtimestamp(at_s, UTC)
    return f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond:06}000Z"


def second_before(time: str, seconds: int) -> str:
    """The whole second that many seconds before a time, as `2026-01-31T12:00:00`: text before that of any time in it or later."""
    try:
        at = datetime.fromisoformat(time[:SECONDS]) - timedelta(seconds=seconds)
    except (ValueError, OverflowError):
        return time[:SECONDS]
    return f"{at:%Y-%m-%dT%H:%M:%S}"


def unix_time(text: str) -> str:
    """A time of RFC 3339 in seconds since the epoch with nine digits behind them; empty for other text."""
    time = parse_log_time(text)
    try:
        return f"{int(datetime.fromisoformat(f'{time[:SECONDS]}+00:00').timestamp())}{time[SECONDS:-1]}"
    except ValueError:
        # No time, or a day that its month does not have.
        return ""
