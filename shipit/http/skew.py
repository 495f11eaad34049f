"""The difference between this machine's clock and a server's. With a large one, certificates and tokens fail."""

from __future__ import annotations

from typing import Literal

from shipit.http.dates import seconds_of
from shipit.release import Finding

WARN_S, FAIL_S = 30, 300
CLOCK, AGREES = "clock", "agrees with "


def judge_skew(server: str, date: str | None, now_s: float) -> Finding | None:
    """A finding on this clock (`now_s`, in seconds since 1970) from a server's `Date` header; None without one. Pure.

    Source: RFC 9110, section 6.6.1.
    """
    theirs_s = seconds_of(date or "")
    if theirs_s is None:
        return None
    skew_s = now_s - theirs_s
    if abs(skew_s) < WARN_S:
        return Finding("ok", CLOCK, f"{AGREES}{server}")
    way = "ahead of" if skew_s > 0 else "behind"
    level: Literal["warning", "failure"] = "warning" if abs(skew_s) < FAIL_S else "failure"
    return Finding(
        level, CLOCK, f"{abs(skew_s):.0f} s {way} {server}", "set this machine's clock, for example with NTP"
    )
