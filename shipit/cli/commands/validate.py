"""`shipit validate`."""

from __future__ import annotations

import stat
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

from shipit.cli.declared import option
from shipit.cli.exits import exit_on_error
from shipit.cli.options import EnvironmentOption, FileOption, OutputOption, UntrustedOption, VerboseOption
from shipit.cli.printing import note, note_error, read_environment, result, result_event
from shipit.config.deprecated import Edit, apply_edits
from shipit.config.find import DeployFile, find_file
from shipit.config.load import load_project
from shipit.config.overlay import PRODUCTION
from shipit.config.present import missing_files
from shipit.config.process_environment import ProcessEnvironment
from shipit.config.project import Project
from shipit.config.written import environments_of, read_written
from shipit.errors import ConfigError, ConfigErrors, ShipitError, UsageError
from shipit.files import read_file, write_file
from shipit.printable import counted, printable_line
from shipit.targets.kinds import KindModels, find_kind

HELP = """Checks the file under every environment; with -e, under that one only. Every error is shown at once, with file,
line and column."""
EXAMPLES = ("shipit validate", "shipit validate --resolved --origin -e staging", "shipit validate --output github")


def run(
    file: FileOption = None,
    environment: EnvironmentOption = None,
    resolved: Annotated[
        bool,
        option("--resolved", help="Print the file after includes, the environment, defaults and variables."),
    ] = False,
    origin: Annotated[bool, option("--origin", help="Print it with the place that each value comes from.")] = False,
    fix: Annotated[bool, option("--fix", help="Replace deprecated keys in the file itself.")] = False,
    output: OutputOption = "auto",
    verbose: VerboseOption = False,
    untrusted: UntrustedOption = False,
) -> None:
    with exit_on_error(verbose, "auto" if resolved or origin else output):
        environ = read_environment(untrusted)
        found = find_file(environ, file)
        if fix:
            _fix(found, environ)
        if resolved or origin:
            from shipit.config.resolved import render_resolved

            project = load_project(found, environ, KindModels(), selected=environment)
            result(render_resolved(project, with_origin=origin).removesuffix("\n"))
            return
        projects = _check_all(found, environ, environment)
        _print_outcome(found, projects, environment, output)


def _check_all(file: DeployFile, environ: ProcessEnvironment, environment: str | None) -> dict[str | None, Project]:
    """The project under every environment, or under the one named. Raises: ConfigErrors with every error, each once."""
    kinds = KindModels()
    names = (environment,) if environment is not None else _production_first(environments_of(file, environ))
    projects: dict[str | None, Project] = {}
    problems: dict[str, ConfigError] = {}
    for name in names:
        for problem in _errors_under(file, environ, kinds, name, projects):
            if str(problem) not in problems:
                problems[str(problem)] = (
                    problem if name in (None, environment, PRODUCTION) else _with_environment(problem, name)
                )
    if problems:
        raise ConfigErrors(list(problems.values()))
    return projects


def _errors_under(
    file: DeployFile,
    environ: ProcessEnvironment,
    kinds: KindModels,
    name: str | None,
    projects: dict[str | None, Project],
) -> Sequence[ConfigError]:
    """The errors under one environment; adds the project to `projects` if the file can be loaded."""
    try:
        projects[name] = load_project(file, environ, kinds, selected=name)
    except ConfigErrors as error:
        return error.problems
    return missing_files(projects[name]) or [*_missing_stages(projects[name]), *_in_files(projects[name], environ)]


def _in_files(project: Project, environ: ProcessEnvironment) -> Iterator[ConfigError]:
    """The mistakes of files of targets that only their kind can read, with the variables of the project."""
    for name, config in project.targets.items():
        if check := find_kind(config.kind or name).load_check_files():
            yield from check(name, config, project, environ)


def _missing_stages(project: Project) -> Sequence[ConfigError]:
    """The stages that a Dockerfile does not have. What reads Dockerfiles is imported only where a stage is named."""
    if not any(image.build and image.build.stage for image in project.images.values()):
        return ()
    from shipit.delivery.missing_stages import missing_stages

    return list(missing_stages(project))


def _production_first(environments: Sequence[str]) -> tuple[str | None, ...]:
    """Every environment, production first; None stands for production without an overlay of that name."""
    others = [name for name in environments if name != PRODUCTION]
    return (PRODUCTION if PRODUCTION in environments else None, *others)


def _with_environment(problem: ConfigError, environment: str | None) -> ConfigError:
    """Mark an error that production does not have with its environment."""
    if not problem.path.startswith("environments."):
        problem.what += f" (with -e {environment})"
    return problem


def _print_outcome(file: DeployFile, projects: dict[str | None, Project], environment: str | None, output: str) -> None:
    warnings = {str(warning): warning for project in projects.values() for warning in project.warnings}
    if output == "json":
        from shipit.events import Validated
        from shipit.report.problems import problem_of

        problems = tuple(problem_of(warning, "warning") for warning in warnings.values())
        result_event(Validated(file.shown, True, problems))
        return
    for warning in warnings.values():
        _warn(warning, output)
    first = next(iter(projects.values()))
    names = [name for name in projects if name]
    checked = f", environments {', '.join(names)}" if names and not environment else ""
    counts = f"{counted(len(first.images), 'image')}, {counted(len(first.targets), 'target')}"
    result(f"{printable_line(file.shown)} is valid: {counts}{checked}")


def _warn(warning: ShipitError, output: str) -> None:
    if output == "github":
        from shipit.report.problems import annotation_lines
        from shipit.report.stream import as_is, write_lines

        write_lines(as_is(sys.stdout), annotation_lines(warning, "warning"))
        return
    note_error(warning, "warning: ")


def _fix(file: DeployFile, environ: ProcessEnvironment) -> None:
    """Replace deprecated keys in the file and the files that it includes."""
    if file.stream is not None:
        raise UsageError(
            "should be a file that can be written", where=file.shown, hint="name one with -f, or leave --fix out"
        )
    written = read_written(file, environ)
    by_file: dict[str, list[Edit]] = {}
    for edit in written.edits:
        by_file.setdefault(edit.at.file, []).append(edit)
    for name, edits in by_file.items():
        _rewrite(written.paths[name], edits)
    places = {edit.at.where for edit in written.edits}
    for warning in written.warnings:
        if warning.where in places:
            note(f"replaced {warning.where}: {warning.path}")


def _rewrite(path: Path, edits: Sequence[Edit]) -> None:
    """Replace a file atomically; keep its mode, line ends and byte order mark."""
    data = read_file(path)
    mark = b"\xef\xbb\xbf" if data.startswith(b"\xef\xbb\xbf") else b""
    text = apply_edits(data.removeprefix(mark).decode(), edits)
    target = path.resolve()
    write_file(target, mark + text.encode(), mode=stat.S_IMODE(target.stat().st_mode))
