"""The project of a command, and a run with its targets and reporter."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, NamedTuple, cast

from shipit.cli.closing import closing
from shipit.cli.exits import can_ask, confirm, prompt
from shipit.cli.named_targets import named_targets
from shipit.cli.options import ProjectOptions, TargetOptions, WorkloadOptions, limit_of, target_options
from shipit.cli.printing import REDACTOR, note, read_environment
from shipit.cli.reporters import Silent, make_reporter, make_warnings
from shipit.clock import Clock
from shipit.config.find import find_file
from shipit.config.load import load_project
from shipit.config.overlay import hint_for_no_target
from shipit.config.process_environment import ProcessEnvironment
from shipit.errors import UsageError
from shipit.files import entry_paths
from shipit.targets.kinds import KindModels, create_target, find_kind

if TYPE_CHECKING:
    from shipit.config.project import Project
    from shipit.envelope import Reporter
    from shipit.history.journal import Journal
    from shipit.pipeline.borrowed_lock import Lender
    from shipit.pipeline.command_run import CommandRun
    from shipit.pipeline.run import Run, Source
    from shipit.release import Plan
    from shipit.targets.base import Target
    from shipit.targets.locks import Locks


# How the question before a change begins.
DEPLOY = "Deploy to"


class Loaded(NamedTuple):
    """A project, and the process environment that it was loaded with."""

    project: Project
    environment: ProcessEnvironment


def load(options: ProjectOptions, *, for_deploy: bool = True, plan_file: str | None = None) -> Loaded:
    """The project that the options select, and the process environment. `for_deploy` is that of load_project.

    `plan_file` is where a saved plan is read from or written to.
    """
    environ = read_environment(options.untrusted)
    own = (*options.written, *((plan_file,) if plan_file is not None else ()))
    environ = environ._replace(own_files=tuple(path for name in own for path in entry_paths(environ.cwd / name)))
    file = find_file(environ, options.file)
    project = load_project(file, environ, KindModels(), selected=options.environment, for_deploy=for_deploy)
    return Loaded(options.acting(project), environ)


@contextmanager
def targets_run(
    options: TargetOptions,
    *,
    shows_plan: bool = True,
    timeout: str | None = None,
    yes: bool = False,
    is_live: bool = True,
    verb: str = DEPLOY,
    for_deploy: bool = True,
    keeps_journal: bool = False,
    changed: Callable[[Project], Project] = lambda project: project,
    source: Source | None = None,
    jobs: int | None = None,
    loaded: Loaded | None = None,
    plan_file: str | None = None,
) -> Iterator[Run]:
    """A run over the selected targets.

    `loaded` is what the options select, where it was loaded before. `changed` may replace the project first, and `jobs`
    replaces its `max_parallel`. `is_live`, `keeps_journal` and `source` are as in `running`, `for_deploy` and `plan_file` as in
    `load`.
    """
    project, environ = loaded or load(options, for_deploy=for_deploy, plan_file=plan_file)
    project = changed(project)
    if jobs is not None:
        project = replace(project, max_parallel=jobs)
    if not project.targets:
        raise no_targets(project)
    names = named_targets(project, options.selected, verb)
    with running(
        project, environ, options, names, shows_plan=shows_plan, timeout=timeout, yes=yes, verb=verb, is_live=is_live,
        keeps_journal=keeps_journal, source=source,
    ) as run:  # fmt: skip
        yield run


@contextmanager
def workloads_run(
    options: WorkloadOptions,
    verb: str,
    *,
    timeout: str | None = None,
    yes: bool = False,
    is_live: bool = True,
    keeps_journal: bool = False,
) -> Iterator[tuple[Run, Mapping[str, tuple[str, ...]]]]:
    """A run over the targets of the workloads that the options name, and target -> its chosen workloads.

    Without names, every target that runs something. `verb` is what is to be done, for errors; `keeps_journal` is as in
    `running`. Raises: UsageError.
    """
    from shipit.targets.verbs import has_workloads
    from shipit.targets.workload import find_workload, of_each_place, parse_workload, workload_names

    written = [parse_workload(text) for text in options.workloads or ()]
    selected = target_options(options, [name.target for name in written])
    with targets_run(
        selected, timeout=timeout, yes=yes, verb=verb.capitalize(), is_live=is_live, for_deploy=False,
        keeps_journal=keeps_journal,
    ) as run:  # fmt: skip
        named, chosen = of_each_place(written, run.project.groups), dict[str, tuple[str, ...]]()
        for target in run.targets:
            if not named and not has_workloads(target):
                continue
            every = workload_names(target, verb)
            own = [name.workload or every for name in named if name.target == target.name] or [every]
            found = (name if name is every else (find_workload(target, str(name), verb),) for name in own)
            chosen[target.name] = tuple(dict.fromkeys(name for names in found for name in names))
        yield run, chosen


@contextmanager
def workload_run(
    options: ProjectOptions, text: str, verb: str
) -> Iterator[tuple[CommandRun, Target, Callable[[], str]]]:
    """A run over the target of one `TARGET[/WORKLOAD]`, and a function that gives the name of the workload.

    It prints warnings only, and events with --output json. Raises: UsageError, also from the function.
    """
    from shipit.pipeline.command_run import CommandRun
    from shipit.pipeline.graph import select_targets
    from shipit.pipeline.telling import tell_warnings
    from shipit.targets.workload import find_workload, of_one_place, parse_workload

    written = parse_workload(text)
    project, environ = load(options, for_deploy=False)
    if not project.targets:
        raise no_targets(project)
    name = of_one_place(written, project.groups)
    [selected] = select_targets([name.target], project.targets)
    clock = Clock()
    target = create_target(selected, project.targets[selected], project, environ)
    reporter = make_warnings(options)
    run = CommandRun(project, target, environ, clock, reporter)
    with closing(run, clock, reporter):
        if options.output == "json" or options.events:
            run.learn_near_secrets()
        tell_warnings(project, run.emit)
        yield run, target, lambda: find_workload(target, name.workload, verb)


def no_targets(project: Project) -> UsageError:
    """The error for a project without targets, or an environment that selects none."""
    if not project.left_out:
        hint = "add targets: to it, for example heroku: {app: NAME}"
        return UsageError("there are no targets", where=project.file.name, hint=hint)
    hint = hint_for_no_target(project.left_out)
    return UsageError(f"the environment {project.environment} selects no target", where=project.file.name, hint=hint)


@contextmanager
def running(
    project: Project,
    environ: ProcessEnvironment,
    options: ProjectOptions,
    names: Sequence[str],
    *,
    shows_plan: bool = True,
    timeout: str | None = None,
    yes: bool = False,
    verb: str = DEPLOY,
    quiet: Silent | None = None,
    is_live: bool = True,
    keeps_journal: bool = False,
    source: Source | None = None,
) -> Iterator[Run]:
    """A run with its reporter; both are closed at the end. Signals cancel the run. `quiet` replaces the reporter.

    `is_live` is False for a command that writes many lines: a terminal gets them without a live view. `verb` begins the
    question before a change. `keeps_journal` is for what changes places. `source` is that of a promotion.
    """
    from shipit.pipeline.run import Run

    clock = Clock()
    timeout_s = limit_of("--timeout", timeout) if timeout is not None else None
    targets = [create_target(name, project.targets[name], project, environ) for name in names]
    # Checked before the live view starts: older releases of rich replace stderr by something that is no terminal.
    asks = can_ask()
    reporter = quiet or make_reporter(options, environ, shows_plan=shows_plan, is_live=is_live)
    journal, reporter = _with_journal(reporter, project) if keeps_journal and project.keeps_state else (None, reporter)
    run = Run(
        project, targets, environ, clock, reporter,
        confirm=_confirm(verb, yes, reporter, asks), approve=_approve(verb, reporter, asks),
        take_over=_take_over(reporter, asks),
        timeout_s=timeout_s, journal=journal, source=source, lender=_lender(project, environ),
    )  # fmt: skip
    with closing(run, clock, reporter):
        if keeps_journal:
            _share_runs(run, reporter)
        yield run


def _lender(project: Project, environ: ProcessEnvironment) -> Lender | None:
    """The first target of deploy.yml whose place keeps a lock, so that each machine has the same; None without one."""
    from shipit.pipeline.borrowed_lock import Lender

    keeping = (name for name, own in project.targets.items() if "locks" in find_kind(own.kind or name).capabilities)
    if (first := next(keeping, None)) is None:
        return None
    return Lender(first, cache(lambda: cast("Locks", create_target(first, project.targets[first], project, environ))))


def _with_journal(reporter: Reporter, project: Project) -> tuple[Journal, Reporter]:
    """A new journal, and a reporter that reports to it, too."""
    from shipit.envelope import Reporters
    from shipit.history.journal import Journal

    journal = Journal(project.root)
    return journal, Reporters(reporter, journal)


def _share_runs(run: Run, reporter: Reporter) -> None:
    """Keep the run in the state that machines share, too, if deploy.yml names one. Raises: UsageError."""
    if (state := run.state) is None:
        return
    from shipit.config.author import read_author
    from shipit.envelope import Reporters
    from shipit.history.state_runs import StateRuns

    def author() -> str:
        by = read_author(run.environment)
        # Whoever may pull an image reads what is beside it: the name of a machine is none of theirs.
        return by if state.keeps_locks or "(" in by else by.partition("@")[0]

    run.state_runs = StateRuns(state, author)
    run.tell = Reporters(reporter, run.state_runs)


def _confirm(verb: str, yes: bool, reporter: Reporter, asks: bool) -> Callable[[Plan, Sequence[str]], bool]:
    def ask(plan: Plan, reasons: Sequence[str]) -> bool:
        if yes:
            return True
        if not asks:
            return False
        with getattr(reporter, "paused", nullcontext)():
            return confirm(REDACTOR.text(_question(verb, plan, reasons)))

    return ask


def _approve(verb: str, reporter: Reporter, asks: bool) -> Callable[[Plan, str], bool]:
    """Asks for the name of what has to be approved. Where nobody can be asked, the answer is no."""

    def ask(plan: Plan, name: str) -> bool:
        if not asks:
            return False
        with getattr(reporter, "paused", nullcontext)():
            question = f"{_question(verb, plan, [f'{name} needs an approval'])} Type its name, {name}"
            return prompt(REDACTOR.text(question)).strip() == name

    return ask


def _take_over(reporter: Reporter, asks: bool) -> Callable[[Sequence[str]], bool]:
    """Asks whether what others own is taken over. Where nobody can be asked, the answer is no: --yes is not enough."""

    def ask(lines: Sequence[str]) -> bool:
        if not asks:
            return False
        with getattr(reporter, "paused", nullcontext)():
            for line in lines:
                note(REDACTOR.text(line))
            return confirm("Take it over?")

    return ask


def _question(verb: str, plan: Plan, reasons: Sequence[str]) -> str:
    """The question to confirm, with the places that would change. `verb` is such as `Deploy to`."""
    places = [f"{own.target} ({own.place.identity})" for own in plan.targets if not own.is_empty]
    return f"{'; '.join(reasons)}. {verb} {', '.join(places) or 'no place'}?"
