"""Past runs as text for people. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from shipit.events import Difference, ReleaseDiff
from shipit.past_run import CommandStatistics, PastRun, PastTarget
from shipit.printable import printable_line
from shipit.report.groups import grouped
from shipit.report.status_text import age, render_table
from shipit.report.text import seconds

_HEADS = ("RUN", "AGE", "COMMAND", "ENVIRONMENT", "COMMIT", "BY", "TOOK", "RESULT", "TARGETS")
_STATISTICS = ("COMMAND", "RUNS", "FAILED", "MEDIAN", "LONGEST")
_RESULTS = {"lost": "no end"}
# A row names each of so many targets; of more, those with the same result are one group, and a small group is named.
_MOST_TARGETS, _MOST_NAMES = 6, 3


def render_runs(runs: Sequence[PastRun], now_s: float) -> Iterator[str]:
    """A table, the newest first. `now_s` is in seconds since the epoch."""
    if not runs:
        yield "nothing was released or changed yet"
        return
    yield from render_table(_HEADS, [_row(run, now_s) for run in runs], always=("RUN", "AGE", "COMMAND", "RESULT"))


def render_statistics(found: Sequence[CommandStatistics]) -> Iterator[str]:
    """A table of commands below that of their runs; nothing without runs."""
    if not found:
        return
    yield ""
    yield from render_table(_STATISTICS, [_statistics_row(own) for own in found], always=_STATISTICS)


def _statistics_row(own: CommandStatistics) -> tuple[str, ...]:
    failed = f"{own.failed} ({100 * own.failed / own.runs:.0f} %)"
    times = ("" if took_s is None else seconds(took_s) for took_s in (own.median_s, own.longest_s))
    return (own.command, str(own.runs), failed, *times)


def _by(run: PastRun) -> str:
    return f" by {run.by}" if run.by else ""


def render_run(run: PastRun) -> Iterator[str]:
    """The head of one run, and its end."""
    yield printable_line(_head(run))
    yield printable_line(f"started {run.started_at}{_by(run)}, {_end(run)}")
    for text in run.done:
        yield printable_line(f"done: {text}")
    for text in run.begun:
        yield printable_line(f"not ended: {text}")
    yield ""


def render_release(run: PastRun) -> Iterator[str]:
    """A run that only the targets know: who made it, and what they tell of it."""
    yield printable_line(_head(run))
    yield printable_line(f"started {run.started_at}{_by(run)}, {_RESULTS.get(run.state, run.state)}")
    for target in run.targets:
        took = "" if target.elapsed_s is None else f", took {seconds(target.elapsed_s)}"
        yield printable_line(f"{_target(target)}{took}")
        yield from (printable_line(f"  {text}") for text in (*target.changes, target.reason) if text)
        yield from (printable_line(f"  {image.name}  {image.reference}") for image in target.images)
    yield ""


def render_diffs(diffs: Sequence[ReleaseDiff]) -> Iterator[str]:
    """What differs, by target: `~` changed, `+` only in the later release, `-` only in the earlier one."""
    for diff in diffs:
        yield printable_line(f"{diff.target}  {diff.before} -> {diff.after}")
        if not diff.differences:
            yield "  nothing differs"
        for found in diff.differences:
            yield printable_line(f"  {_difference(found)}")


def _difference(found: Difference) -> str:
    if not found.before:
        return f"+ {found.path}  {found.after}"
    if not found.after:
        return f"- {found.path}  {found.before}"
    return f"~ {found.path}  {found.before} -> {found.after}"


def _head(run: PastRun) -> str:
    commit = f" of {run.commit[:7]}{f' on {run.branch}' if run.branch else ''}" if run.commit else ""
    name = f"run {run.run}" if run.run else "a release whose run is not known"
    source = f", promoted from {run.promoted_from}" if run.promoted_from else ""
    return f"{name}: {f'{run.command} ' if run.command else ''}{run.app} ({run.environment}){commit}{source}"


def _end(run: PastRun) -> str:
    if run.state == "running":
        return "still running"
    if run.state == "lost":
        return "no end: it was killed, or still runs on another machine"
    took = _took(run)
    return f"{run.state} {run.ended_at}{f' after {took}' if took else ''}: {run.summary}"


def _took(run: PastRun) -> str:
    """How long a run took: until its end, or as long as its slowest target where only the places know it."""
    return "" if run.elapsed_s is None else seconds(run.elapsed_s)


def _row(run: PastRun, now_s: float) -> tuple[str, ...]:
    result = _RESULTS.get(run.state, run.state)
    name = run.run or "-"
    return (
        name,
        age(run.started_at, now_s),
        run.command,
        run.environment,
        run.commit[:7],
        run.by,
        _took(run),
        result,
        _targets(run.targets),
    )


def _targets(targets: Sequence[PastTarget]) -> str:
    """`k8s healthy, runs now`; `40 healthy, runs now; t3 failed` of many."""
    if len(targets) <= _MOST_TARGETS:
        return ", ".join(map(_target, targets))
    groups = grouped((_result(target), target.name) for target in targets)
    return "; ".join(f"{_who(names)} {result}" for result, names in groups.items())


def _who(names: Sequence[str]) -> str:
    return ", ".join(names) if len(names) <= _MOST_NAMES else str(len(names))


def _target(target: PastTarget) -> str:
    version = target.version if target.version.startswith("v") else ""
    words = (target.name, version, target.state)
    return ", ".join((" ".join(filter(None, words)), *_more(target)))


def _result(target: PastTarget) -> str:
    return ", ".join(filter(None, (target.state, *_more(target))))


def _more(target: PastTarget) -> Iterator[str]:
    if target.release_state:
        yield f"release {target.release_state}"
    if target.is_rolled_back:
        yield f"rolled back{f' to {target.rolled_back_to}' if target.rolled_back_to else ''}"
    if target.is_current:
        yield "runs now"
