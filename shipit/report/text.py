"""Events and errors as lines of text that are safe to print: each is one line, without control characters. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from itertools import pairwise

from shipit.errors import ShipitError
from shipit.events import (
    Approved,
    Event,
    Log,
    LogLine,
    PlanSaved,
    Retried,
    RunFinished,
    RunStarted,
    StepDone,
    StepFailed,
    StepStarted,
    TargetEnd,
    TargetFinished,
    Waiting,
    Warned,
)
from shipit.printable import printable_colored, printable_line, printable_uncolored
from shipit.release import Plan
from shipit.report.groups import MOST_LINES, grouped, listed
from shipit.report.log_text import render_log_line
from shipit.report.plan_text import render_plan

# A request that is soon sent again is not worth a line.
SHOWN_PAUSE_S = 1.0
# Room that a line has on the narrowest of terminals.
LEAST_WIDTH = 20
_BEFORE_VERSION = {"rolled_back": "to", "released": "as"}
_WORD = re.compile(r"\s*\S+\s*")
SIGNS = {
    "healthy": "ok",
    "unchanged": "ok",
    "failed": "FAILED",
    "skipped": "skipped",
    "removed": "removed",
    "pruned": "pruned",
    "left": "left",
}


def progress_lines(event: Event, *, color: bool = False) -> list[str]:
    """What a log shows of an event; empty for what is a result, or too fine. With `color` a log's lines keep theirs."""
    if isinstance(event, Log):
        line = printable_colored(event.line) if color else printable_uncolored(event.line)
        return [f"{printable_line(f'{_prefix(event.target)}{event.source} | ')}{line}"]
    return [printable_line(line) for line in _progress(event)]


def result_lines(event: Event) -> list[str]:
    """What is the outcome: one target's verdict with its cause, the run's last lines, and lines of a log that was asked for."""
    if isinstance(event, LogLine):
        return [render_log_line(event)]
    return [printable_line(line) for line in _results(event)]


def plan_lines(plan: Plan, at: str = "") -> list[str]:
    """The lines of a plan. `at` is that of `render_plan`."""
    return render_plan(plan, at=at).split("\n")


def error_lines(error: ShipitError) -> list[str]:
    """`where: what`, detail lines indented by two, then the hint; of several mistakes all, one below the other."""
    if error.parts:
        return [line for inner in error.parts for line in error_lines(inner)]
    hint = [f"hint: {error.hint}"] if error.hint else []
    return [printable_line(line) for line in (str(error), *(f"  {line}" for line in error.detail), *hint)]


def _progress(event: Event) -> list[str]:
    if isinstance(event, RunStarted):
        targets = f" to {', '.join(event.targets)}" if event.targets else ""
        override = [f"the freeze is overridden: {event.override}"] if event.override else []
        return [f"{event.command} {event.app} ({event.environment}){targets}", *override]
    if isinstance(event, StepStarted):
        return [f"{_prefix(event.step.target)}{event.summary} ..."]
    if isinstance(event, StepDone):
        return [f"{_prefix(event.step.target)}{event.summary}  {seconds(event.elapsed_s)}"]
    if isinstance(event, StepFailed):
        # The error, verdict or warning that follows gives the reason.
        return [f"{_prefix(event.step.target)}{event.summary} failed"]
    if isinstance(event, PlanSaved):
        command = "rollback" if event.is_rollback else "deploy"
        command = f"promote --from {event.promotes_from}" if event.promotes_from else command
        return [f"saved to {event.file}, for shipit {command} --plan until {event.expires_at}"]
    if isinstance(event, Approved):
        return [
            f"{_prefix(event.target)}{'' if event.target else f'the environment {event.name} is '}approved {event.how}"
        ]
    if isinstance(event, Waiting):
        return [f"{_prefix(event.target)}waiting: {event.reason}"]
    if isinstance(event, Warned):
        return [f"{_prefix(event.target)}warning: {event.message}"]
    if isinstance(event, Retried) and event.pause_s >= SHOWN_PAUSE_S:
        return [f"{event.where}: {event.reason}; again in {event.pause_s:g} s"]
    return []


def _results(event: Event) -> Iterator[str]:
    if isinstance(event, TargetFinished):
        yield f"{SIGNS[event.state]:<7} {event.target}  {event.reason}  {seconds(event.elapsed_s)}"
        yield from (f"        | {line}" for line in event.detail)
        if event.down:
            yield f"        {event.down}"
        if event.hint:
            yield f"        hint: {event.hint}"
        if event.state in ("healthy", "unchanged"):
            yield from (
                f"        {reference}" for reference in dict.fromkeys(image.reference for image in event.images)
            )
    if isinstance(event, RunFinished):
        yield f"{'done' if event.exit_code == 0 else 'failed'}: {event.summary} in {seconds(event.elapsed_s)}"
        width = max((len(found.target) for found in event.urls), default=0)
        yield from (f"        {found.target:<{width}}  {found.url}" for found in event.urls)
        if event.exit_code:
            yield from _ends(event)


def _ends(event: RunFinished) -> Iterator[str]:
    """How each target ended, where a run failed: the lines above may be far away. Many are grouped by result and cause."""
    if len(event.ends) <= MOST_LINES:
        width = max((len(end.target) for end in event.ends), default=0)
        yield from (f"        {end.target:<{width}}  {end_text(end)}" for end in event.ends)
    else:
        groups = grouped(((_word(end), _cause(end.reason)), end.target) for end in event.ends)
        for (word, cause), names in sorted(groups.items(), key=lambda group: not group[0][1]):
            yield f"        {len(names)} {word}{f': {cause}' if cause else ''}"
            yield f"          {listed(names)}"
    if event.next:
        yield f"        next: {event.next}"


def end_text(end: TargetEnd) -> str:
    """`rolled back to v3`, `down at v4`, `not reached`."""
    if not end.version:
        return _word(end)
    return f"{_word(end)} {_BEFORE_VERSION.get(end.state, 'at')} {end.version}"


def _cause(reason: str) -> str:
    """A reason without the place that it begins with, which is another one for each target: `WHERE: WHAT`."""
    return reason.partition(": ")[2] or reason


def _word(end: TargetEnd) -> str:
    return end.state.replace("_", " ")


def hung(line: str, width: int, indent: int = 2) -> list[str]:
    """A line in lines of a width, those after the first below its beginning. No word is divided: it can be copied."""
    places = [0, *breaks(line, width, indent), len(line)]
    first, *more = (line[start:end].rstrip() for start, end in pairwise(places))
    return [first, *(" " * indent + part for part in more)]


def breaks(line: str, width: int, indent: int, measure: Callable[[str], int] = len) -> list[int]:
    """Where a line has to be broken, between words, so that the first part has a width and the others are indented."""
    places: list[int] = []
    room = max(LEAST_WIDTH, width)
    for word in _WORD.finditer(line):
        size = measure(word[0].rstrip())
        if size > room and room < max(LEAST_WIDTH, width - indent * bool(places)) and word.start():
            places.append(word.start())
            room = max(LEAST_WIDTH, width - indent)
        room -= measure(word[0])
    return places


def seconds(value: float) -> str:
    if value >= 90:
        return f"{int(value // 60)}m{int(value % 60):02d}s"
    return f"{value:.1f}s"


def _prefix(target: str) -> str:
    return f"{target}: " if target else ""
