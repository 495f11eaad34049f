"""What the commands that run something share: options, the project, a run with its reporter."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import typer

from shipit.cli.ending import cancelling
from shipit.clock import Clock
from shipit.config.environment import Environment, read_environment
from shipit.config.find import find_file
from shipit.config.load import load_project
from shipit.errors import Interrupted, ShipitError, UsageError
from shipit.targets.kinds import KindModels, create_target

if TYPE_CHECKING:
    from shipit.config.project import Project
    from shipit.events import Event
    from shipit.pipeline.run import Run
    from shipit.release import Plan


class Options(NamedTuple):
    """What the command line said, the same for every command that runs something."""

    file: str | None = None
    environment: str | None = None
    targets: tuple[str, ...] = ()
    output: str = "auto"
    timeout: str | None = None
    yes: bool = False
    no_color: bool = False
    verbose: bool = False


def chosen(arguments: Sequence[str] | None, options: Sequence[str] | None) -> tuple[str, ...]:
    """The targets named as arguments and with --target; none means all."""
    return (*(arguments or ()), *(options or ()))


def load(options: Options) -> tuple[Project, Environment]:
    """The project that the options name, and its surroundings."""
    surroundings = read_environment()
    file = find_file(surroundings, options.file)
    return load_project(file, surroundings, KindModels(), selected=options.environment), surroundings


@contextmanager
def targets_run(options: Options, *, plan_to_stdout: bool = False) -> Iterator[Run]:
    """A run over the targets that the options choose."""
    from shipit.pipeline.graph import select_targets

    project, surroundings = load(options)
    if not project.targets:
        raise no_targets(project)
    names = select_targets(options.targets, project.targets)
    with running(project, surroundings, options, names, plan_to_stdout=plan_to_stdout) as run:
        yield run


def no_targets(project: Project) -> UsageError:
    """The error for a project without targets, or under an environment that reaches none of them."""
    if not project.left_out:
        hint = "add targets: to it, for example heroku: {app: NAME}"
        return UsageError("there are no targets", where=project.file.name, hint=hint)
    hint = f"write inherit: true in it, or name its targets there; targets here: {', '.join(project.left_out)}"
    return UsageError(f"the environment {project.environment} reaches no target", where=project.file.name, hint=hint)


@contextmanager
def running(
    project: Project,
    surroundings: Environment,
    options: Options,
    names: Sequence[str],
    *,
    plan_to_stdout: bool = False,
    quiet: bool = False,
) -> Iterator[Run]:
    """A run with its reporter, which is closed at the end; signals cancel it. A quiet one tells nothing."""
    from shipit.config.units import parse_limit
    from shipit.events import RunFailed
    from shipit.pipeline.run import Run

    clock = Clock()
    try:
        timeout_s = parse_limit(options.timeout) if options.timeout else None
    except ValueError as error:
        raise UsageError(f"--timeout {error}") from None
    targets = [create_target(name, project.targets[name], project, surroundings) for name in names]
    # Asked now: a live view puts something in the place of stderr that older releases of rich call no terminal.
    can_ask = sys.stdin.isatty() and sys.stderr.isatty()
    reporter = Silent() if quiet else make_reporter(options, surroundings, quiet_plan=plan_to_stdout)
    run = Run(
        project,
        targets,
        surroundings,
        clock,
        reporter,
        confirm=_confirm(options, reporter, can_ask),
        timeout_s=timeout_s,
    )
    with cancelling(clock):
        try:
            yield run
        except ShipitError as error:
            redacted = run.redactor.error(error)
            redacted.is_told = True
            reporter(RunFailed(redacted.exit_code, redacted.render()))
            raise redacted from None
        except Exception as error:
            # Nobody expected it, so nobody knows what it says.
            error.args = tuple(run.redactor.text(part) if isinstance(part, str) else part for part in error.args)
            raise
        finally:
            run.close()
            reporter.close()


class Silent:
    """For commands whose result is all there is to say."""

    def __call__(self, event: Event) -> None:
        """Nothing is told."""

    def close(self) -> None:
        """Nothing is held back."""


def make_reporter(options: Options, surroundings: Environment, *, quiet_plan: bool = False) -> Any:
    """The reporter that `--output` names; `auto` looks whether stderr is a terminal."""
    from shipit.events import PlanMade
    from shipit.report.json_lines import JsonReporter
    from shipit.report.plain import PlainReporter

    if options.output == "json":
        return JsonReporter()
    live = (
        options.output == "auto"
        and sys.stderr.isatty()
        and not surroundings.in_ci
        and surroundings.get("TERM") != "dumb"
    )
    reporter: Any
    if live:
        from shipit.report.terminal import TerminalReporter

        reporter = TerminalReporter(color=not (options.no_color or surroundings.get("NO_COLOR")))
    else:
        reporter = PlainReporter()
    if not quiet_plan:
        return reporter

    class WithoutPlan:
        """The plan is this command's result, and is printed by it."""

        def __call__(self, event: Event) -> None:
            if not isinstance(event, PlanMade):
                reporter(event)

        def close(self) -> None:
            reporter.close()

    return WithoutPlan()


def _confirm(options: Options, reporter: Any, can_ask: bool) -> Callable[[Plan, Sequence[str]], bool]:
    def ask(plan: Plan, reasons: Sequence[str]) -> bool:
        if options.yes:
            return True
        if not can_ask:
            return False
        reporter.close()
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            return typer.confirm(f"{'; '.join(reasons)}. Go on?", err=True)
        except (KeyboardInterrupt, typer.Abort):
            raise Interrupted from None
        finally:
            signal.signal(signal.SIGINT, before)

    return ask
