"""Finds the last run of a crashed dyno in a log that has earlier runs too. Pure.

Source: devcenter.heroku.com/articles/logging and /articles/dyno-lifecycle: the lines of the platform on a dyno.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

_PLATFORM = r"(?:\S+ )?heroku\[[^\]]+\]: "
_START = re.compile(rf"{_PLATFORM}Starting process with command")
_END = re.compile(rf"{_PLATFORM}(?:Process exited with status|State changed from \S+ to crashed)")


def last_run(lines: Sequence[str]) -> list[str]:
    """The lines of the last run that ended; all lines when none ended.

    They begin after the line with which the platform started the run, or after the end of the previous run.
    """
    ends = [index for index, line in enumerate(lines) if _END.match(line)]
    if not ends:
        starts = [index for index, line in enumerate(lines) if _START.match(line)]
        return list(lines[starts[-1] + 1 :] if starts else lines)
    # The exit status and the crash are two lines about one end.
    last = first = ends[-1]
    while first - 1 in ends:
        first -= 1
    before = [index for index, line in enumerate(lines[:first]) if _START.match(line) or _END.match(line)]
    return list(lines[before[-1] + 1 if before else 0 : last + 1])
