"""`init`: a first deploy.yml from what is there, asking only what can't be known."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable
from pathlib import Path

import typer

from shipit.cli.ending import ending
from shipit.config.environment import Environment, read_environment
from shipit.config.load import FILE_NAMES, load_project
from shipit.errors import ShipitError, UsageError
from shipit.reference import parse_reference
from shipit.setup.dockerfiles import IGNORE, PORTS, dockerfile_for
from shipit.setup.draft import Answers, heroku_name, main_app, render_draft
from shipit.setup.found import Found, look, slug
from shipit.targets.heroku.config import APP_PATTERN, APP_SAID
from shipit.targets.kinds import KindModels

NONE = "none"


def run_init(yes: bool, verbose: bool) -> None:
    with ending(verbose):
        environment = read_environment()
        root = environment.cwd
        for name in FILE_NAMES:
            if (root / name).exists():
                raise UsageError(
                    "is there already, and is not overwritten", where=name, hint="shipit validate checks it"
                )
        asks = not yes and sys.stdin.isatty() and sys.stderr.isatty()
        if not asks and not yes:
            raise UsageError("nobody can be asked here", hint="shipit init --yes takes what it finds")
        found = look(root, environment)
        new = _new_dockerfile(found, root, asks)
        if new:
            found = found._replace(dockerfiles={found.app: "Dockerfile"}, ports={found.app: PORTS[found.language]})
        text = render_draft(found, _answers(found, asks))
        for name, content in {**new, "deploy.yml": text}.items():
            _write(root / name, content)
            typer.echo(f"wrote {name}")
        _check(root, environment)


def _write(path: Path, text: str) -> None:
    """Write a file that is not there yet, whole or not at all."""
    beside = path.with_name(f".{path.name}.shipit")
    try:
        beside.write_text(text, encoding="utf-8")
        os.link(beside, path)
    except FileExistsError:
        raise UsageError("is there already, and is not overwritten", where=path.name) from None
    except OSError as error:
        raise UsageError(f"can't be written: {error.strerror}", where=path.name) from None
    finally:
        beside.unlink(missing_ok=True)


def _check(root: Path, environment: Environment) -> None:
    project = load_project(root / "deploy.yml", environment, KindModels())
    typer.echo(f"deploy.yml is valid: to {', '.join(project.targets)}. Next: shipit doctor, then shipit plan")


def _new_dockerfile(found: Found, root: Path, asks: bool) -> dict[str, str]:
    """File -> text of a Dockerfile, and a .dockerignore where there is none; nothing where there is a Dockerfile."""
    if found.dockerfiles:
        return {}
    folders = (folder for folder in ("public", "site") if (root / folder / "index.html").is_file())
    static = next(folders, ".")
    text = dockerfile_for(found, has_requirements=(root / "requirements.txt").is_file(), static_folder=static)
    if not text:
        print("there is no Dockerfile yet: deploy.yml names ./Dockerfile", file=sys.stderr)
        return {}
    if asks and not typer.confirm(f"There is no Dockerfile. Write one for {found.language}?", default=True, err=True):
        return {}
    ignore = {} if (root / ".dockerignore").exists() else {".dockerignore": IGNORE}
    return {"Dockerfile": text, **ignore}


def _answers(found: Found, asks: bool) -> Answers:
    app = found.app
    repository = f"docker.io/{found.owner or app}/{app}"
    heroku = main_app(found)
    wants_heroku = bool(heroku or found.processes or found.release)
    context = found.current_context or next(iter(found.contexts), "")
    if not asks:
        named = heroku or (heroku_name(app) if wants_heroku else "")
        in_cluster = None if not (found.contexts or found.manifests) else context
        return Answers(app, repository, named, in_cluster)
    app = slug(typer.prompt("Name of the app", default=app, err=True))
    repository = _asked("Repository to push to", f"docker.io/{found.owner or 'USER'}/{app}", _no_repository)
    suggestion = heroku or (heroku_name(app) if wants_heroku else NONE)
    named = _asked(f"Heroku app ({NONE}: not to Heroku)", suggestion, _no_heroku_app)
    where: str | None = None
    if found.contexts:
        question = f"Kubernetes context: {', '.join(found.contexts)} ({NONE}: not to Kubernetes)"
        answer = _asked(question, context, lambda text: "" if text in (NONE, *found.contexts) else "is none of these")
        where = None if answer == NONE else answer
    return Answers(app, parse_reference(repository).name, "" if named == NONE else named, where)


def _asked(question: str, default: str, wrong: Callable[[str], str]) -> str:
    """An answer that is not wrong; asked again, with the reason, until there is one."""
    while True:
        answer = str(typer.prompt(question, default=default, err=True))
        reason = wrong(answer)
        if not reason:
            return answer
        print(f"{answer!r} {reason}", file=sys.stderr)


def _no_repository(text: str) -> str:
    """Why a text is no repository that can be pushed to; empty when it is one."""
    try:
        found = parse_reference(text)
    except ShipitError as error:
        return f"should be an image reference, {error.hint}"
    return "should be without a tag or digest" if found.tag or found.digest else ""


def _no_heroku_app(text: str) -> str:
    """Why a text can't be the name of a Heroku app; empty when it can, or says that there is none."""
    return "" if text == NONE or re.fullmatch(APP_PATTERN, text) else APP_SAID
