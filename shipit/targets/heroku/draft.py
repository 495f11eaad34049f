"""Heroku in a first deploy.yml: the app that a git remote names, and a process type for each process."""

from __future__ import annotations

import re
from collections.abc import Iterable

from shipit.drafts.files import Process, ProjectFacts
from shipit.drafts.kind import NONE, Choice, Detection, Folder, KindDraft, Question, Remote, TargetDraft
from shipit.drafts.text import yaml_command, yaml_name, yaml_text
from shipit.targets.heroku.config import APP_PATTERN, APP_RULE
from shipit.targets.heroku.project_files import read_app_json, read_heroku_yml, read_procfile

_APP_URL = re.compile(r"(?:git\.heroku\.com/|git@heroku\.com:)([a-z][a-z0-9-]{1,28}[a-z0-9])\.git")
# Names of git remotes whose app is the one of production, the likeliest first.
_MAIN_REMOTES = ("production", "prod", "heroku")
_GUESSED = (
    "  # TODO: the name of the Heroku app is a guess; name yours, or create it: heroku create NAME --stack container"
)


def detect(folder: Folder) -> Detection:
    """The apps of git remotes by the name of the remote, and what heroku.yml, Procfile and app.json say."""
    heroku, procfile, app_json = (read(folder.root) for read in (read_heroku_yml, read_procfile, read_app_json))
    apps = heroku_apps(folder.remotes)
    current = next((apps[name] for name in _MAIN_REMOTES if name in apps), next(iter(apps.values()), ""))
    is_expected = bool(heroku.file or procfile.processes or procfile.release)
    return Detection((heroku, procfile, app_json), places=apps, current=current, is_expected=is_expected)


def heroku_apps(remotes: Iterable[Remote]) -> dict[str, str]:
    """Git remote -> Heroku app."""
    return {remote.name: match[1] for remote in remotes if (match := _APP_URL.search(remote.url))}


def choose(project: ProjectFacts, found: Detection) -> Choice | None:
    """The app of a git remote; an app named like the project when only files ask for Heroku."""
    if found.current:
        return Choice(found.current)
    return Choice(heroku_name(project.app), is_guess=True) if found.is_expected else None


def question(project: ProjectFacts, found: Detection) -> Question:
    suggested = choose(project, found)
    return Question(f"Heroku app ({NONE}: not to Heroku)", suggested.place if suggested else NONE, _check_app)


def _check_app(text: str) -> str:
    return "" if re.fullmatch(APP_PATTERN, text) else APP_RULE


def heroku_name(app: str) -> str:
    """The name of a project as one of 3 to 30 characters, which is what Heroku takes."""
    name = app[:30].strip("-")
    return name if len(name) >= 3 else f"{name}-app"


def render(project: ProjectFacts, found: Detection, choice: Choice) -> TargetDraft:
    """The target, and an environment for each further app that a git remote names."""
    processes = _process_types(project)
    app = yaml_name(choice.place)
    lines = [_GUESSED] if choice.is_guess else []
    lines += (
        ["  heroku:", f"    app: {app}", "    processes:", *processes] if processes else [f"  heroku: {{app: {app}}}"]
    )
    further = {name: other for name, other in found.places.items() if other != found.current}
    return TargetDraft(tuple(lines), {name: f"{{app: {yaml_name(other)}}}" for name, other in further.items()})


def _process_types(project: ProjectFacts) -> list[str]:
    """A line for each process type; none when there is only `web` with the image's own command.

    Heroku routes requests to the type `web` only, so the process that serves them gets this name.
    """
    serving = _serving(project)
    lines = [
        f"      {yaml_name('web' if name == serving else name)}: {{{', '.join(_process(name, process, project))}}}"
        for name, process in project.processes.items()
    ]
    return [] if lines == ["      web: {}"] else lines


def _serving(project: ProjectFacts) -> str:
    if "web" in project.processes:
        return "web"
    with_port = (name for name, process in project.processes.items() if process.port)
    return next(with_port, next(iter(project.processes), ""))


def _process(name: str, process: Process, project: ProjectFacts) -> list[str]:
    parts = [f"image: {yaml_name(project.process_images[name])}"] if len(project.images) > 1 else []
    parts += [f"command: {yaml_command(process.command)}"] if process.command else []
    parts += [f"quantity: {process.quantity}"] if process.quantity is not None else []
    return [*parts, f"size: {yaml_text(process.size)}"] if process.size else parts


DRAFT = KindDraft("heroku", detect, choose, question, render, needs_repository=False, has_process_env=False)
