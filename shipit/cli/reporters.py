"""The reporters of a command: the one that `--output` names, and one for `--events`."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from shipit.cli.printing import note
from shipit.config.process_environment import ProcessEnvironment
from shipit.errors import UsageError

if TYPE_CHECKING:
    from shipit.cli.options import ProjectOptions
    from shipit.envelope import Envelope, Reporter


class Silent:
    """Prints nothing, for commands that print a result only. `warned` holds the warnings of the run, redacted."""

    def __init__(self) -> None:
        self.warned: list[str] = []

    def __call__(self, envelope: Envelope) -> None:
        from shipit.events import Warned

        if isinstance(envelope.event, Warned):
            self.warned.append(envelope.event.message)

    def close(self) -> None:
        """Nothing was written."""


class Warnings:
    """Prints warnings to stderr, and at a terminal what is waited for; nothing else."""

    def __call__(self, envelope: Envelope) -> None:
        from shipit.events import Waiting, Warned

        event = envelope.event
        if isinstance(event, Warned):
            note(f"warning: {event.message}")
        elif isinstance(event, Waiting) and sys.stderr.isatty():
            note(f"waiting: {event.reason}")

    def close(self) -> None:
        """Every line is written at once."""


def make_reporter(
    options: ProjectOptions, environ: ProcessEnvironment, *, shows_plan: bool = True, is_live: bool = True
) -> Reporter:
    """The reporter that `--output` names, and one for `--events`. Raises: UsageError for a file that can't be written."""
    return _with_events(
        shown_reporter(options.output, environ, no_color=options.no_color, shows_plan=shows_plan, is_live=is_live),
        options,
    )


def make_warnings(options: ProjectOptions) -> Reporter:
    """A reporter of warnings only, and of events with `--output json` or `--events`. Raises: UsageError."""
    if options.output != "json":
        return _with_events(Warnings(), options)
    from shipit.report.json_lines import JsonReporter

    return _with_events(JsonReporter(), options)


def _with_events(shown: Reporter, options: ProjectOptions) -> Reporter:
    """The reporter, and beside it the one of `--events`, if that is given."""
    if options.events is None:
        return shown
    from shipit.envelope import Reporters

    return Reporters(shown, _events_file(options.events))


def shown_reporter(
    output: str, environ: ProcessEnvironment, *, no_color: bool, shows_plan: bool = True, is_live: bool = True
) -> Reporter:
    """The reporter of a value of `--output`. `auto` is a live view if stderr is a terminal, and plain lines if not."""
    if output == "json":
        from shipit.report.json_lines import JsonReporter

        return JsonReporter()
    color = not (no_color or environ.get("NO_COLOR"))
    is_dumb = environ.in_ci or environ.get("TERM") == "dumb"
    if is_live and output == "auto" and sys.stderr.isatty() and not is_dumb:
        from shipit.report.terminal import TerminalReporter

        return TerminalReporter(color=color, shows_plan=shows_plan)
    out_color = color and sys.stdout.isatty() and not is_dumb
    color = color and (environ.in_ci or sys.stderr.isatty())
    if output == "github":
        from shipit.report.github import GithubReporter

        summary = environ.get("GITHUB_STEP_SUMMARY")
        return GithubReporter(color=color, shows_plan=shows_plan, summary=Path(summary) if summary else None)
    from shipit.report.plain import PlainReporter

    return PlainReporter(color=color, out_color=out_color, shows_plan=shows_plan)


def _events_file(name: str) -> Reporter:
    from shipit.report.json_lines import JsonReporter
    from shipit.report.stream import Stream

    if not name:
        raise UsageError("--events should be a file", hint="without --events, no file is written")
    try:
        descriptor = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise UsageError(
            f"can't be written: {error.strerror}", where=name, hint="name another file for --events"
        ) from None
    return JsonReporter(Stream(descriptor, "utf-8", escape=str))
