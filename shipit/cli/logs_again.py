"""`shipit logs` given again: see `again`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from shipit.cli.again import exit_code_of_error, find_entry, has_only, keep_entry
from shipit.cli.closing import closing
from shipit.cli.printing import check_reader
from shipit.cli.reporters import shown_reporter
from shipit.clock import Clock, RunClock
from shipit.config.process_environment import ProcessEnvironment
from shipit.envelope import Envelope, Reporter
from shipit.errors import Interrupted
from shipit.events import Event, LogLine
from shipit.pipeline.log_lines import tell_lines
from shipit.pipeline.telling import Teller
from shipit.shortcut.entries import Entry
from shipit.targets.kinds import find_kind
from shipit.targets.log_query import LogQuery

if TYPE_CHECKING:
    from shipit.cli.options import WorkloadOptions
    from shipit.pipeline.run import Run

NAME = "logs"
_OUTPUTS = ("auto", "plain", "json")
Sources = Sequence[Callable[[], Iterator[LogLine]]]


class _Unusual(Exception):
    """Something else than a line came first: the usual way tells it."""


class _Shown(NamedTuple):
    """The options of a command line that its output depends on."""

    wanted: LogQuery
    output: str
    no_color: bool


class LogRun:
    """A run that tells the lines of logs, as every run does. Before the first one is shown, it raises for any other event."""

    def __init__(self, reporter: Reporter, environment: ProcessEnvironment, clock: Clock) -> None:
        self.redactor = environment.redactor
        self.clock = RunClock(clock)
        self.has_begun = False
        self._is_left = False
        self._reporter = reporter
        self._teller = Teller(self._show, self.redactor, self.clock)

    def emit(self, event: Event) -> None:
        if not self.has_begun and not isinstance(event, LogLine):
            raise _Unusual
        self._teller(event)

    def flush(self) -> None:
        self._teller.flush()

    def leave(self) -> None:
        """Show nothing, also not what was held back: the usual way begins again."""
        self._is_left = True

    def close(self) -> None:
        self.clock.end()
        self._teller.close()

    def _show(self, envelope: Envelope) -> None:
        if not self._is_left:
            self.has_begun = True
            self._reporter(envelope)


def logs_again(words: Sequence[str]) -> int | None:
    """The exit code; None where the command has to be run the usual way."""
    if (found := find_entry(words)) is None:
        return None
    entry, environment = found
    if (shown := _parsed(entry.options)) is None:
        return None
    clock = Clock()
    reporter = shown_reporter(shown.output, environment, no_color=shown.no_color, is_live=False)
    run = LogRun(reporter, environment, clock)
    try:
        with closing(run, clock, reporter):
            try:
                _tell(run, entry, environment, shown)
            except Interrupted as end:
                # The usual way to end it: nothing is said.
                return end.exit_code
    except _Unusual:
        # The usual way would not know of a signal that has come.
        return Interrupted.exit_code if clock.is_cancelled() else None
    except Exception as error:
        return exit_code_of_error(error, shown.output)
    return 0


def _tell(run: LogRun, entry: Entry, environment: ProcessEnvironment, shown: _Shown) -> None:
    """Raises: _Unusual for any error before the first line is shown."""
    try:
        tell_lines(run, _begun(run, entry, environment, shown.wanted), shown.wanted, check_reader)
    except Interrupted:
        raise
    except Exception:
        if run.has_begun:
            raise
        run.leave()
        raise _Unusual from None


def _begun(run: LogRun, entry: Entry, environment: ProcessEnvironment, wanted: LogQuery) -> Sources:
    # The usual way reads this key, and reading it masks it.
    _ = environment.plan_key
    return find_kind(entry.kind).load_reopen_logs()(entry.pinned, environment, run.clock, run.emit, wanted)


def keep_for_again(options: WorkloadOptions, run: Run, chosen: Mapping[str, Sequence[str]], wanted: LogQuery) -> None:
    """Keep what the same command line needs the next time."""
    from shipit.shortcut.project_inputs import masks_all
    from shipit.targets.base import logs_in
    from shipit.targets.verbs import pins_logs

    words = tuple(sys.argv[1:])
    free = ("workloads", "environment", "output", "no_color", "since", "tail", "previous")
    if run.environment.in_ci or words[:1] != (NAME,) or not has_only(options, *free) or options.output not in _OUTPUTS:
        return
    # Secrets of the targets beside it are masked, too, and so is a login of theirs.
    names = {name for target in run.targets for name in run.project.secrets_for(target.name)}
    shown = [target for target in run.targets if target.name in chosen]
    if len(shown) != 1 or any(logs_in(target) for target in run.targets) or not masks_all(run.project, names):
        return
    [target] = shown
    if not pins_logs(target):
        return
    pinned = target.pinned_logs(chosen[target.name])
    how = _Shown(wanted, options.output, options.no_color)
    keep_entry(words, run.project, run.environment, target.kind.name, pinned, how._asdict())


def _parsed(options: Mapping[str, Any]) -> _Shown | None:
    """None for anything that `keep_for_again` does not keep."""
    match options:
        case {
            "wanted": [False, None | float() | int() as since_s, None | int() as tail, bool() as previous],
            "output": "auto" | "plain" | "json" as output,
            "no_color": bool() as no_color,
        }:
            return _Shown(LogQuery(False, since_s, tail, previous), output, no_color)
    return None
