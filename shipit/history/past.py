"""The runs of this machine, read from their journals. A line that can't be read is left out: a killed run ends in half a line."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from shipit.envelope import Envelope, envelope_from_json
from shipit.errors import UsageError
from shipit.events import Event, RunFinished
from shipit.history.fold import fold_run
from shipit.history.journal import MOST_BYTES
from shipit.history.state_folder import RunsFolder, opened_runs
from shipit.past_run import PastRun
from shipit.record import InvalidRecord

# A run may write what it needs also above its limit.
_MOST_READ = 2 * MOST_BYTES
# The newest runs that are asked for the end of a target: every deploy of an unchanged one asks.
_MOST_ASKED = 10
_WELL = ("released", "unchanged")
# The name of an event is in the first bytes of its line.
_HEAD_BYTES = 160
_TARGET = re.compile(rb'"event": "target_finished"')
_ENDS = re.compile(rb'"event": "run_(finished|failed)"')
_STEP = re.compile(rb'"event": "(step_\w+|waiting|log|transferred|retried)"')


def read_runs(
    root: Path, most: int, is_wanted: Callable[[PastRun], bool] = lambda run: True
) -> tuple[tuple[PastRun, ...], bool]:
    """The newest runs that are wanted, at most `most`; True where there are more. Raises: ShipitError."""
    found: list[PastRun] = []
    with opened_runs(root) as folder:
        if folder is None:
            return (), False
        for file in folder.files():
            is_running = folder.is_locked(file.name)
            run = fold_run(_parsed(_telling(_lines(folder, file.name)), without_steps), is_running=is_running)
            if run is None or not is_wanted(run):
                continue
            if len(found) == most:
                return tuple(found), True
            found.append(run)
    return tuple(found), False


def unfinished_run(root: Path, is_wanted: Callable[[PastRun], bool]) -> PastRun | None:
    """The newest run that is wanted, if it has no end. Raises: ShipitError.

    Of a run that ended, only the first and the last event are parsed: every deploy asks for it.
    """
    with opened_runs(root) as folder:
        if folder is None:
            return None
        for file in folder.files():
            is_running, lines = folder.is_locked(file.name), _lines(folder, file.name)
            run = fold_run(_parsed([*lines[:1], *lines[-1:]], without_steps), is_running=is_running)
            if run is None or not run.ended_at:
                run = fold_run(_parsed(lines, without_steps), is_running=is_running)
            if run is not None and is_wanted(run):
                return None if run.ended_at else run
    return None


class NewestEnd(NamedTuple):
    """How the newest run of this machine that released to a target ended there: whether it was verified, and what it was.

    `images` are the digests of the configs of its images, sorted.
    """

    is_well: bool
    commit: str = ""
    images: tuple[str, ...] = ()


def newest_ends(root: Path, is_wanted: Callable[[PastRun], bool], names: Iterable[str]) -> Mapping[str, NewestEnd]:
    """Name -> the end of its newest run that is wanted; without those of which the newest runs say nothing. Raises: ShipitError."""
    left, found, runs = set(names), dict[str, NewestEnd](), 0
    with opened_runs(root) as folder:
        for file in folder.files() if folder else ():
            if not left or runs == _MOST_ASKED:
                break
            lines = _lines(folder, file.name) if folder else []
            told = [line for line in lines[1:-1] if _TARGET.search(line[:_HEAD_BYTES])]
            envelopes = list(_parsed([*lines[:1], *told, *lines[1:][-1:]], without_steps))
            run = fold_run(envelopes, is_running=False)
            if run is None or not is_wanted(run):
                continue
            runs += 1
            ends = _ends(run, envelopes[-1].event)
            found |= {name: end for name, end in ends.items() if name in left}
            left -= set(ends)
    return found


def _ends(run: PastRun, last: Event) -> Mapping[str, NewestEnd]:
    """The ends of a run's targets. Those that it did not reach, or left alone, have none."""
    if not isinstance(last, RunFinished):
        return {own.name: NewestEnd(False) for own in run.targets}
    images = {own.name: tuple(sorted(str(image.config_digest) for image in own.images)) for own in run.targets}
    return {
        end.target: NewestEnd(end.state in _WELL, run.commit, images.get(end.target, ()))
        for end in last.ends
        if end.state not in ("not_reached", "left")
    }


def read_run(root: Path, name: str) -> tuple[PastRun, tuple[Envelope, ...]]:
    """A run by its id or the beginning of it, and its events. Raises: UsageError, ShipitError.

    A plan has its steps if the classes of all kinds' steps are imported.
    """
    with opened_runs(root) as folder:
        names = [file.name for file in folder.files()] if folder else []
        chosen = [file for file in names if name and _id_of(file).startswith(name)]
        if folder is None or len(chosen) != 1:
            raise _not_found(name, [_id_of(file) for file in chosen])
        events = tuple(_events(folder, chosen[0], lambda data: data))
        run = fold_run(events, is_running=folder.is_locked(chosen[0]))
    if run is None:
        raise UsageError(f"the journal of the run {name} holds no run", hint="shipit history lists the runs")
    return run, events


def run_names(root: Path) -> tuple[str, ...]:
    """The ids of the runs, the newest first. Raises: ShipitError."""
    with opened_runs(root) as folder:
        return tuple(_id_of(file.name) for file in folder.files()) if folder else ()


def _not_found(name: str, found: list[str]) -> UsageError:
    if found:
        return UsageError(
            f"{name!r} is the beginning of {len(found)} runs", hint=f"say more of it: {', '.join(found[:5])}"
        )
    return UsageError(f"this machine has no run {name!r} of this project", hint="shipit history lists the runs")


def _id_of(file: str) -> str:
    return file.removesuffix(".jsonl").partition("-")[2]


def without_steps(data: Any) -> Any:
    """An event as JSON; a plan without its steps, which nothing but its own kind can read."""
    targets = data.get("plan", {}).get("targets", ()) if isinstance(data, dict) else ()
    for target in targets:
        target["steps"] = []
    return data


def _events(folder: RunsFolder, name: str, change: Callable[[Any], Any]) -> Iterator[Envelope]:
    return _parsed(_lines(folder, name), change)


def _lines(folder: RunsFolder, name: str) -> list[bytes]:
    try:
        handle = folder.open(name)
    except OSError:
        return []
    with os.fdopen(handle, "rb") as file:
        return file.read(_MOST_READ).splitlines()


def _telling(lines: list[bytes]) -> list[bytes]:
    """The lines that tell what a run did: of one that ended, without its steps, which are most of them."""
    if not lines or not _ENDS.search(lines[-1][:_HEAD_BYTES]):
        return lines
    return [line for line in lines if not _STEP.search(line[:_HEAD_BYTES])]


def _parsed(lines: Sequence[bytes], change: Callable[[Any], Any]) -> Iterator[Envelope]:
    for line in lines:
        # Whoever may write to the folder may have written anything.
        with suppress(InvalidRecord, ValueError, RecursionError, AttributeError, TypeError):
            yield envelope_from_json(change(json.loads(line)))
