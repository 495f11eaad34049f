"""What a deploy would say of each secret, without running a program: values are read from variables and files, and not shown."""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from shipit.config.process_environment import ProcessEnvironment
from shipit.config.project import Project
from shipit.config.secret_source import SecretSource
from shipit.config.secrets import resolve_secrets, runs_program
from shipit.errors import ConfigErrors
from shipit.redact import SHORTEST
from shipit.release import Finding


def secret_findings(names: Iterable[str], project: Project, environment: ProcessEnvironment) -> Iterator[Finding]:
    """One finding for each secret of these names."""
    for name in sorted(names):
        yield _finding(f"secret {name}", name, project.secrets, project, environment)


def build_secret_findings(image: str, project: Project, environment: ProcessEnvironment) -> Iterator[Finding]:
    """One finding for each secret that the build of an image mounts."""
    build = project.images[image].build
    sources = build.secrets if build else {}
    for name in sorted(sources):
        yield _finding(f"build secret {name}", name, sources, project, environment)


def _finding(
    subject: str,
    name: str,
    sources: Mapping[str, SecretSource],
    project: Project,
    environment: ProcessEnvironment,
) -> Finding:
    source = sources[name]
    if runs_program(source):
        return _of_program(subject, source, project.root, environment)
    try:
        value = resolve_secrets([name], sources, project.folder, environment, known=project.names)[name]
    except ConfigErrors as error:
        return Finding("failure", subject, error.problems[0].what, error.problems[0].hint)
    if 0 < len(value) < SHORTEST:
        what = f"its value is shorter than {SHORTEST} characters, so it is not searched for in output"
        return Finding("warning", subject, what, "use a longer value")
    return Finding("ok", subject, f"from the variable {source.env}" if source.env else f"from the file {source.file}")


def _of_program(subject: str, source: SecretSource, root: Path, environment: ProcessEnvironment) -> Finding:
    if environment.is_untrusted:
        what = "is had from a program, and none is run with --untrusted"
        return Finding("failure", subject, what, "give it as a variable here: {env: NAME}")
    if source.keyring is not None:
        if importlib.util.find_spec("keyring") is None:
            what = "the keyring can't be read without the package keyring"
            return Finding("failure", subject, what, "pipx inject shipit keyring")
        return Finding("ok", subject, "from the keyring, which was not asked")
    program = (source.command or ("",))[0]
    if shutil.which(program, path=environment.get("PATH")) is None and not Path(root / program).is_file():
        return Finding("failure", subject, f"there is no program {program}", "install it, or correct command:")
    return Finding("ok", subject, f"from the command {program}, which was not run")
