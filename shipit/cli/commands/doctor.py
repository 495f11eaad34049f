"""`shipit doctor`."""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections.abc import Sequence

from shipit.cli.exits import exit_on_error
from shipit.cli.options import TargetOptions
from shipit.cli.printing import REDACTOR, read_environment, result, result_event, result_lines
from shipit.cli.reporters import Silent
from shipit.cli.runs import running
from shipit.config.find import find_file
from shipit.config.load import load_project
from shipit.errors import ConfigErrors, Interrupted, ShipitError, UsageError
from shipit.release import Finding
from shipit.targets.kinds import KindModels, create_target

_SIGNS = {"ok": "ok      ", "warning": "warning ", "failure": "FAILURE "}


HELP = """Checks the builder, logins, tokens, permissions in the cluster, clock, disk and proxy. Changes nothing. Exits with 1
when a deploy would fail."""
EXAMPLES = ("shipit doctor", "shipit doctor k8s -e staging")


def run(options: TargetOptions) -> None:
    with exit_on_error(options.verbose, options.output):
        findings = list(REDACTOR.value(tuple(_findings(options))))
        if options.output == "json":
            from shipit.events import Examined

            result_event(Examined(tuple(findings)))
        else:
            _print(findings)
        raise SystemExit(1 if any(finding.level == "failure" for finding in findings) else 0)


def _findings(options: TargetOptions) -> list[Finding]:
    from shipit.pipeline.doctor import examine, examine_machine
    from shipit.pipeline.graph import select_targets

    environment = read_environment(options.untrusted)
    try:
        file = find_file(environment, options.file)
    except UsageError as error:
        if options.file:
            raise
        missing = Finding("warning", "deploy.yml", error.what, "shipit init writes one")
        return [missing, *examine_machine(environment)]
    try:
        project = options.acting(load_project(file, environment, KindModels(), selected=options.environment))
        names = select_targets(project.named(options.selected), project.targets)
    except ConfigErrors as error:
        problems = [Finding("failure", "deploy.yml", str(problem), problem.hint) for problem in error.problems]
        return [*problems, *examine_machine(environment)]
    warnings = [Finding("warning", "deploy.yml", str(warning), warning.hint) for warning in project.warnings]
    unreachable: list[Finding] = []
    usable = []
    for name in names:
        try:
            create_target(name, project.targets[name], project, environment)
        except Interrupted:
            raise
        except ShipitError as error:
            unreachable.append(Finding("failure", f"target {name}", str(error), error.hint))
        else:
            usable.append(name)
    quiet = Silent()
    with running(project, environment, options, usable, quiet=quiet) as run:
        found = [Finding("ok", "deploy.yml", f"{file.shown} is valid"), *warnings, *examine(run), *unreachable]
        # Warnings of a plan: broken credential files, missing helpers.
        warned = [Finding("warning", "credentials", text, "correct it, or shipit login") for text in quiet.warned]
    return [*found, *warned]


def _print(findings: Sequence[Finding]) -> None:
    width = max(len(finding.subject) for finding in findings)
    room = max(30, shutil.get_terminal_size().columns - width - 10) if sys.stdout.isatty() else 10_000
    for finding in findings:
        said = [*finding.what.split("\n"), *([f"hint: {finding.hint}"] if finding.hint else [])]
        first, *more = [
            part
            for line in said
            for part in textwrap.wrap(line, room, break_long_words=False, break_on_hyphens=False) or [""]
        ]
        head = f"{_SIGNS[finding.level]}{finding.subject:<{width}}  {first}"
        result_lines([head, *(f"{' ' * (width + 10)}{line}" for line in more)])
    counts = {level: sum(finding.level == level for finding in findings) for level in ("failure", "warning")}
    if not any(counts.values()):
        result("no problems found")
        return
    said = [f"{count} {level}{'s' if count != 1 else ''}" for level, count in counts.items() if count]
    result(", ".join(said))
