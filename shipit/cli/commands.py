"""What the commands do, and how they end."""

from __future__ import annotations

import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn

import typer

from shipit.clock import Clock
from shipit.config.environment import Environment, read_environment
from shipit.config.load import environments_of, find_file, load_project
from shipit.errors import ConfigError, ConfigErrors, Interrupted, ShipitError, UsageError
from shipit.targets.kinds import KindModels, create_target

if TYPE_CHECKING:
    from shipit.config.project import Project
    from shipit.pipeline.run import Run
    from shipit.release import Plan


@dataclass(frozen=True)
class Options:
    """What the command line said, the same for every command that runs something."""

    file: str | None
    environment: str | None
    targets: tuple[str, ...]
    output: str
    timeout: str | None
    yes: bool
    no_color: bool
    verbose: bool


def run_validate(file: str | None, environment: str | None, verbose: bool) -> None:
    with ending(verbose):
        surroundings = read_environment()
        path = find_file(surroundings, file)
        kinds = KindModels()
        project = load_project(path, surroundings, kinds, selected=environment)
        names = () if environment else environments_of(path, surroundings)
        problems: list[ConfigError] = []
        for name in names:
            try:
                load_project(path, surroundings, kinds, selected=name)
            except ConfigErrors as error:
                problems += [problem for problem in error.problems if str(problem) not in map(str, problems)]
        if problems:
            raise ConfigErrors(problems)
        checked = f", environments {', '.join(names)}" if names else ""
        typer.echo(
            f"{path.name} is valid: {_count(len(project.images), 'image')}, {_count(len(project.targets), 'target')}{checked}"
        )


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def run_build(images: Sequence[str], options: Options) -> None:
    with ending(options.verbose):
        from shipit.pipeline.images import build_images
        from shipit.release import ImageUse

        project, surroundings = _load(options)
        for name in images:
            if name not in project.images:
                raise UsageError(
                    f"there is no image {name!r}", hint=f"images here: {', '.join(project.images) or 'none'}"
                )
        with running(project, surroundings, options, ()) as run:
            chosen = {
                name: config
                for name, config in project.images.items()
                if (name in images) or (not images and not config.use)
            }
            if not chosen:
                raise UsageError(
                    "there is nothing to build", where=str(project.file), hint="add image: or images: to it"
                )
            uses = [
                ImageUse(name, "", "oci", config.build.platforms[0] if config.build else "linux/amd64")
                for name, config in chosen.items()
            ]
            built = build_images(run, uses)
        for use in uses:
            typer.echo(f"{use.image}  {built[use.image, use.platform].config_digest}")


def run_push(options: Options) -> None:
    with ending(options.verbose), _targets_run(options) as run:
        from shipit.pipeline.flow import push

        preparation = push(run)
        if options.output != "json":
            for item in preparation.uses.values():
                typer.echo(item.image.pinned)


def run_plan(options: Options, exit_code: bool) -> None:
    with ending(options.verbose):
        from shipit.pipeline.flow import plan
        from shipit.pipeline.plan_text import render_plan

        with _targets_run(options, plan_to_stdout=True) as run:
            preparation = plan(run)
        if options.output != "json":
            typer.echo(run.redactor.text(render_plan(preparation.plan)))
        if exit_code and preparation.plan.changes:
            raise typer.Exit(3)


def run_deploy(options: Options) -> None:
    with ending(options.verbose):
        from shipit.pipeline.flow import deploy

        with _targets_run(options) as run:
            code = deploy(run)
        raise typer.Exit(code)


def run_status(options: Options) -> None:
    with ending(options.verbose), _targets_run(options) as run:
        from shipit.pipeline.parallel import together
        from shipit.pipeline.prepare import observe_target

        observed = together(
            {target.name: partial(observe_target, run, target) for target in run.targets},
            run.clock,
        )
        rows: list[dict[str, Any]] = []
        for target in run.targets:
            lines = target.describe(observed[target.name])
            rows.append(
                {"target": target.name, "kind": target.place.kind, "place": target.place.identity, "runs": list(lines)}
            )
        if options.output == "json":
            import json

            typer.echo(json.dumps(rows))
            return
        for row in rows:
            typer.echo(f"{row['target']}  {row['place']}")
            for line in row["runs"] or ["nothing runs there"]:
                typer.echo(f"  {line}")


def _load(options: Options) -> tuple[Project, Environment]:
    surroundings = read_environment()
    path = find_file(surroundings, options.file)
    return load_project(path, surroundings, KindModels(), selected=options.environment), surroundings


@contextmanager
def _targets_run(options: Options, *, plan_to_stdout: bool = False) -> Iterator[Run]:
    from shipit.pipeline.graph import select_targets

    project, surroundings = _load(options)
    if not project.targets:
        where = f" in the environment {project.environment}" if options.environment else ""
        raise UsageError(
            f"there are no targets{where}",
            where=project.file.name,
            hint="add targets: to it, for example heroku: {app: NAME}",
        )
    names = select_targets(options.targets, project.targets)
    with running(project, surroundings, options, names, plan_to_stdout=plan_to_stdout) as run:
        yield run


@contextmanager
def running(
    project: Project, surroundings: Environment, options: Options, names: Sequence[str], *, plan_to_stdout: bool = False
) -> Iterator[Run]:
    """A run with its reporter, which is closed at the end; signals cancel it."""
    from shipit.config.units import parse_duration
    from shipit.events import RunFailed
    from shipit.pipeline.run import Run

    clock = Clock()
    try:
        timeout_s = parse_duration(options.timeout) if options.timeout else None
    except ValueError as error:
        raise UsageError(f"--timeout {error}") from None
    targets = [create_target(name, project.targets[name], project, surroundings) for name in names]
    reporter = make_reporter(options, surroundings, quiet_plan=plan_to_stdout)
    run = Run(project, targets, surroundings, clock, reporter, confirm=_confirm(options, reporter), timeout_s=timeout_s)
    with cancelling(clock):
        try:
            yield run
        except ShipitError as error:
            redacted = run.redactor.error(error)
            reporter(RunFailed(redacted.exit_code, redacted.render()))
            raise redacted from None
        finally:
            reporter.close()


def make_reporter(options: Options, surroundings: Environment, *, quiet_plan: bool = False) -> Any:
    """The reporter that `--output` names; `auto` looks whether stderr is a terminal."""
    from shipit.events import Event, PlanMade
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


def _confirm(options: Options, reporter: Any) -> Callable[[Plan, Sequence[str]], bool]:
    def ask(plan: Plan, reasons: Sequence[str]) -> bool:
        if options.yes:
            return True
        if not (sys.stdin.isatty() and sys.stderr.isatty()):
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


@contextmanager
def cancelling(clock: Clock) -> Iterator[None]:
    """SIGINT and SIGTERM cancel the run; a second one ends the process at once."""

    def handle(number: int, frame: Any) -> None:
        if clock.cancel.is_set():
            os._exit(Interrupted.exit_code)
        clock.cancel.set()

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def ending(verbose: bool) -> Iterator[None]:
    """Turns how a command went into its exit code: errors are printed to stderr, whole, and never as a stack."""
    try:
        yield
    except Interrupted as error:
        # Threads may still wait on the network; nothing they could do matters now.
        print(error.render(), file=sys.stderr, flush=True)
        sys.stdout.flush()
        os._exit(error.exit_code)
    except ShipitError as error:
        fail(error)
    except (typer.Exit, typer.Abort):
        raise
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(1) from None
    except Exception as error:
        if verbose:
            traceback.print_exc()
        hint = "" if verbose else "; run it again with -v for the stack, and report it"
        print(f"this is a mistake in shipit: {type(error).__name__}: {error}{hint}", file=sys.stderr)
        raise typer.Exit(1) from None


def fail(error: ShipitError) -> NoReturn:
    print(error.render(), file=sys.stderr, flush=True)
    raise typer.Exit(error.exit_code)
