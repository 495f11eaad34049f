"""What a deploy would say of each secret, without running a program: values are read from variables and files, and not shown."""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

from shipit.config.secret_source import SecretSource
from shipit.config.secrets import resolve_secrets, runs_program
from shipit.errors import ConfigErrors
from shipit.pipeline.run import Run
from shipit.redact import SHORTEST
from shipit.release import Finding


def secret_findings(run: Run) -> Iterator[Finding]:
    """One finding for each secret of the chosen targets."""
    names = {name for target in run.targets for name in run.project.secrets_for(target.name)}
    for name in sorted(names):
        yield _finding(f"secret {name}", name, run.project.secrets, run)


def build_secret_findings(run: Run, image: str) -> Iterator[Finding]:
    """One finding for each secret that the build of an image mounts."""
    build = run.project.images[image].build
    for name in sorted(build.secrets if build else {}):
        assert build
        yield _finding(f"build secret {name}", name, build.secrets, run)


def _finding(subject: str, name: str, sources: Mapping[str, SecretSource], run: Run) -> Finding:
    source = sources[name]
    if runs_program(source):
        return _of_program(subject, source, run)
    try:
        value = resolve_secrets([name], sources, run.project.root, run.environment, known=run.project.names)[name]
    except ConfigErrors as error:
        return Finding("failure", subject, error.problems[0].what, error.problems[0].hint)
    if 0 < len(value) < SHORTEST:
        what = f"its value is shorter than {SHORTEST} characters, so it is not searched for in output"
        return Finding("warning", subject, what, "use a longer value")
    return Finding("ok", subject, f"from the variable {source.env}" if source.env else f"from the file {source.file}")


def _of_program(subject: str, source: SecretSource, run: Run) -> Finding:
    if run.environment.is_untrusted:
        what = "is had from a program, and none is run with --untrusted"
        return Finding("failure", subject, what, "give it as a variable here: {env: NAME}")
    if source.keyring is not None:
        if importlib.util.find_spec("keyring") is None:
            what = "the keyring can't be read without the package keyring"
            return Finding("failure", subject, what, "pipx inject shipit keyring")
        return Finding("ok", subject, "from the keyring, which was not asked")
    program = (source.command or ("",))[0]
    if (
        shutil.which(program, path=run.environment.get("PATH")) is None
        and not Path(run.project.root / program).is_file()
    ):
        return Finding("failure", subject, f"there is no program {program}", "install it, or correct command:")
    return Finding("ok", subject, f"from the command {program}, which was not run")
