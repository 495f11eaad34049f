"""The rate limit of pulls, from a registry's headers. Pure.

Source: docs.docker.com/docker-hub/usage/pulls, "ratelimit-limit" and "ratelimit-remaining".
"""

from __future__ import annotations

import re
from typing import NamedTuple

_LIMIT = re.compile(r"\s*([0-9]{1,12})(?![0-9])\s*(?:;\s*w=([0-9]{1,12})(?![0-9]))?")


class Limit(NamedTuple):
    """Remaining and total pulls, and the seconds of their window (0 when unknown)."""

    remaining: int
    total: int
    window_s: int

    def __str__(self) -> str:
        window = f" per {self.window_s / 3600:g} h" if self.window_s else ""
        return f"{self.remaining} of {self.total} pulls{window}"


def parse_limit(total: str | None, remaining: str | None) -> Limit | None:
    """The limit in two headers such as `100;w=21600`; None when they are absent or invalid."""
    first, second = (_LIMIT.match(value or "") for value in (total, remaining))
    if not first or not second:
        return None
    return Limit(int(second[1]), int(first[1]), int(first[2] or second[2] or 0))
