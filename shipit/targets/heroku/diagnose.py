"""Adds logs to a verdict of failure: the output of a failed release command, or the log of a crashed dyno."""

from __future__ import annotations

import re

from shipit.errors import ShipitError
from shipit.release import Verdict
from shipit.targets.heroku.client import HerokuClient
from shipit.targets.heroku.last_words import last_run
from shipit.targets.heroku.lines import TAIL_LINES
from shipit.targets.heroku.streams import ReleaseOutput, recent_logs

# The time before a line of an app's log: the lines of one crash need none.
_TIME = re.compile(r"\d{4}-\d\d-\d\dT[0-9:.]{8,15}(?:Z|[+-]\d\d:\d\d) ", re.ASCII)
# How much of a dyno's log is requested: it may begin with an earlier run.
LOG_LINES = 200


def diagnose(verdict: Verdict, client: HerokuClient) -> Verdict:
    """The verdict with the last lines of its subject: `release:ID` or `dyno:NAME`."""
    kind, _, subject = verdict.subject.partition(":")
    lines: list[str] = []
    try:
        if kind == "release":
            lines = _release_output(client, subject) or recent_logs(client)
        elif kind == "dyno":
            found = last_run(recent_logs(client, subject, LOG_LINES))[-TAIL_LINES:]
            lines = [_TIME.sub("", line, count=1) for line in found]
    except ShipitError:
        return verdict
    hint = verdict.hint or f"heroku logs --app {client.app}"
    return verdict._replace(detail=tuple(lines), hint=hint)


def _release_output(client: HerokuClient, release: str) -> list[str]:
    output = ReleaseOutput(client.wire, client.release(release).output_url)
    is_any = [*output.more(client.deadline), *output.lines.end()]
    return list(output.lines.tail) if is_any else []
