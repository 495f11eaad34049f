"""The newest runs of an app in an environment, in a state that machines share: one object with all of them."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from urllib.parse import quote

from shipit.envelope import Envelope
from shipit.errors import ShipitError
from shipit.events import PlanMade, RunFailed, RunFinished, RunStarted, TargetFinished
from shipit.history.fold import fold_run
from shipit.history.state_store import StateError, StateStore
from shipit.json_text import parse_json
from shipit.past_run import PastRun
from shipit.printable import counted
from shipit.record import InvalidRecord, from_json, to_json

MOST_RUNS = 50
_TRIES = 20
_FORMAT = 1
# The longest object: the oldest runs are left out of a longer one.
_LONGEST = 512 * 1024
# The characters that stay of a reason in a run that is too long by itself.
_SHORT = 200
_KEPT = (RunStarted, PlanMade, TargetFinished, RunFinished, RunFailed)
_WRITTEN = (TargetFinished, RunFinished, RunFailed)


class StateRuns:
    """A reporter that keeps a run in the state: when it begins to change something, after each target, and at its end.

    `author` says who made the run. `failure` is why a later write failed, or empty.
    """

    def __init__(self, store: StateStore, author: Callable[[], str]) -> None:
        self._store, self._author = store, author
        self._events: list[Envelope] = []
        self._has_begun, self._is_due = False, False
        self._writing = threading.Lock()
        self.failure = ""

    def __call__(self, envelope: Envelope) -> None:
        if isinstance(envelope.event, _KEPT):
            self._events.append(envelope)
            self._is_due = self._is_due or isinstance(envelope.event, _WRITTEN)

    def begin(self) -> None:
        """Write the run before its first change. Raises: StateError."""
        self._has_begun = True
        self._write()

    def sync(self) -> None:
        """Write what has happened since. A failure is kept in `failure` until a later write succeeds, and does not stop the run."""
        if not (self._has_begun and self._is_due):
            return
        try:
            self._write()
            self.failure = ""
        except ShipitError as error:
            self.failure = str(error)

    def close(self) -> None:
        """`sync` has written everything."""

    def _write(self) -> None:
        with self._writing:
            self._is_due = False
            if (run := fold_run(tuple(self._events), is_running=False)) is not None:
                add_run(self._store, run._replace(by=self._author()))


def read_state_runs(
    store: StateStore, app: str, environment: str, warn: Callable[[str], None] = lambda text: None
) -> tuple[PastRun, ...]:
    """The runs, the newest first. What is no run is left out; `warn` is told how many and where. Raises: StateError."""
    name = _name(app, environment)
    found = store.read(name)
    if found is None:
        return ()
    where = f"{store.title}: {name}"
    rows = _rows(found.data, where)
    runs = _parsed(rows)
    if left := len(rows) - len(runs):
        warn(f"{where}: {counted(left, 'run')} can't be read by this version of shipit and left out")
    return runs


def add_run(store: StateStore, run: PastRun) -> None:
    """Add a run, or replace the one with its id. Raises: StateError."""
    name = _name(run.app, run.environment)
    where = f"{store.title}: {name}"
    for _ in range(_TRIES):
        found = store.read(name)
        others = [past for past in (_parsed(_rows(found.data, where)) if found else ()) if past.run != run.run]
        others.sort(key=lambda past: past.started_at, reverse=True)
        if store.swap(name, _kept(run, others[: MOST_RUNS - 1]), found.version if found else "") is not None:
            return
    raise StateError("the runs are written by too many others at once", where=where, hint="deploy again")


def _name(app: str, environment: str) -> str:
    return f"runs/{quote(app, safe='')}/{quote(environment, safe='')}.json"


def _kept(run: PastRun, others: list[PastRun]) -> bytes:
    """An object with a run and those others, the newest first, that there is room for.

    The run is always in it, whatever times the others have: whoever writes to the state may have a wrong clock.
    """
    data = _bytes([run, *others])
    while len(data) > _LONGEST and others:
        others = others[: len(others) // 2]
        data = _bytes([run, *others])
    for shortened in _SHORTENED:
        if len(data) <= _LONGEST:
            break
        data = _bytes([shortened(run)])
    return data


def _bytes(runs: list[PastRun]) -> bytes:
    newest = sorted(runs, key=lambda past: past.started_at, reverse=True)
    return json.dumps({"format": _FORMAT, "runs": [to_json(run) for run in newest]}).encode()


def _with_short_texts(run: PastRun) -> PastRun:
    targets = (own._replace(reason=own.reason[:_SHORT], changes=()) for own in run.targets)
    return run._replace(targets=tuple(targets), summary=run.summary[:_SHORT], begun=(), done=())


def _without_images(run: PastRun) -> PastRun:
    run = _with_short_texts(run)
    return run._replace(targets=tuple(own._replace(reason="", images=()) for own in run.targets))


def _without_targets(run: PastRun) -> PastRun:
    return _with_short_texts(run)._replace(targets=())


# The fields that a run that is too long by itself loses, the least important first.
_SHORTENED = (_with_short_texts, _without_images, _without_targets)


def _rows(data: bytes, where: str) -> list[object]:
    """Raises: StateError."""
    try:
        value = parse_json(data)
        rows = value["runs"] if value["format"] == _FORMAT else None
    except (ValueError, KeyError, TypeError):
        rows = None
    if not isinstance(rows, list):
        hint = "use a newer shipit; or delete it, where nothing of the runs is worth keeping"
        raise StateError("it holds no runs that this version of shipit can read", where=where, hint=hint)
    return rows


def _parsed(rows: list[object]) -> tuple[PastRun, ...]:
    return tuple(run for row in rows if (run := _run(row)) is not None)


def _run(row: object) -> PastRun | None:
    try:
        return from_json(PastRun, row)
    except InvalidRecord:
        return None
