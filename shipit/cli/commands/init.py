"""`shipit init`."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Mapping
from pathlib import Path

from shipit.cli.exits import can_ask, confirm, exit_on_error, prompt
from shipit.cli.options import VerboseOption, YesOption
from shipit.cli.printing import note, read_environment, say
from shipit.config.find import FILE_NAMES, DeployFile
from shipit.config.image import parse_repository
from shipit.config.load import load_project
from shipit.config.process_environment import ProcessEnvironment
from shipit.config.use_of_images import PLACEHOLDER_OWNER
from shipit.drafts.files import Build, Process, ProjectFacts
from shipit.drafts.kind import NONE, Choice, Question
from shipit.drafts.reading import read_text
from shipit.drafts.values import slug
from shipit.errors import ConfigErrors, UsageError
from shipit.files import write_file
from shipit.setup.dockerfiles import PORTS, dockerfile_for, ignore_file
from shipit.setup.draft import Answers, render_draft, with_todo
from shipit.setup.found import Found, look
from shipit.setup.refused import without_refused
from shipit.targets.kinds import KindModels, kind_drafts

HELP = """Reads Dockerfiles, a Compose file, Procfile, app.json, heroku.yml, fly.toml, Kubernetes manifests and others, and asks
what they do not say. Offers a Dockerfile where there is none. Overwrites nothing."""
# Keys that a draft may lose because they are refused.
_MOST_LEFT_OUT = 100
EXAMPLES = ("shipit init", "shipit init --yes")


def run(yes: YesOption = False, verbose: VerboseOption = False) -> None:
    with exit_on_error(verbose):
        environment = read_environment()
        root = environment.cwd
        for name in FILE_NAMES:
            if (root / name).exists():
                raise UsageError("exists already and is not overwritten", where=name, hint="shipit validate checks it")
        asks = not yes and can_ask()
        if not asks and not yes:
            raise UsageError("can't ask: this is no terminal", hint="shipit init --yes takes what it finds")
        found = look(root, environment, kind_drafts())
        new = _new_dockerfile(found.project, root, asks)
        if new:
            found = found._replace(project=_with_dockerfile(found.project))
        text, has_image = render_draft(found, _answers(found, asks))
        text = _accepted(text, root, environment)
        is_ready = bool(found.project.images) or not has_image
        if not is_ready:
            note("there is no Dockerfile yet: deploy.yml names ./Dockerfile")
        for name, content in {**new, **_new_ignore_files(found.project, root, new, asks), "deploy.yml": text}.items():
            _write(root / name, content)
            say(f"wrote {name}")
        if is_ready:
            _check(root, environment, has_todo="# TODO" in text)
        else:
            say("Next: write a Dockerfile, then shipit validate")


def _with_dockerfile(found: ProjectFacts) -> ProjectFacts:
    """The facts, with the image of the Dockerfile that will be written."""
    port = PORTS[found.runtime.language]
    processes = dict(found.processes) or {"web": Process("web")}
    serving = next(iter(processes))
    # The command that serves requests is the new image's own.
    processes[serving] = processes[serving]._replace(port=processes[serving].port or port, command="")
    images = {found.app: Build()}
    return found._replace(
        images=images, processes=processes, process_images=dict.fromkeys(processes, found.app), release_image=found.app
    )


def _write(path: Path, text: str) -> None:
    """Create a file atomically. Raises: UsageError if it exists or can't be written."""
    try:
        write_file(path, text.encode(), replaces=False)
    except FileExistsError:
        raise UsageError("exists already and is not overwritten", where=path.name) from None
    except OSError as error:
        raise UsageError(f"can't be written: {error.strerror}", where=path.name) from None


def _accepted(text: str, root: Path, environment: ProcessEnvironment) -> str:
    """The file without keys that shipit refuses, such as a number that is too large: a TODO line is in place of each."""
    for _ in range(_MOST_LEFT_OUT):
        file = DeployFile(root / "deploy.yml", None, text.encode())
        try:
            load_project(file, environment, KindModels(), for_deploy=False)
        except ConfigErrors as errors:
            trimmed = without_refused(text, errors.problems, file.shown)
            if trimmed is None:
                break
            text = with_todo(trimmed.text, trimmed.todo)
        else:
            break
    return text


def _check(root: Path, environment: ProcessEnvironment, *, has_todo: bool) -> None:
    project = load_project(root / "deploy.yml", environment, KindModels(), for_deploy=False)
    first = "resolve its TODO lines, then " if has_todo else ""
    say(f"deploy.yml is valid; targets: {', '.join(project.targets)}. Next: {first}shipit doctor, then shipit plan")


def _new_dockerfile(found: ProjectFacts, root: Path, asks: bool) -> dict[str, str]:
    """File -> text of a Dockerfile; empty if there is one, or none can be drafted."""
    if found.images:
        return {}
    folders = (folder for folder in ("public", "site") if (root / folder / "index.html").is_file())
    web = found.processes["web"].command if "web" in found.processes else ""
    text = dockerfile_for(
        found.runtime, app=found.app, web=web if isinstance(web, str) else "", static_folder=next(folders, ".")
    )
    if not text:
        return {}
    question = f"There is no Dockerfile. Write one for {found.runtime.language}?"
    return {"Dockerfile": text} if not asks or confirm(question, default=True) else {}


def _new_ignore_files(found: ProjectFacts, root: Path, new: Mapping[str, str], asks: bool) -> dict[str, str]:
    """File -> text of a .dockerignore for each build context that has none."""
    files: dict[str, str] = {}
    for build in found.images.values():
        name = posixpath.normpath(posixpath.join(build.context, ".dockerignore"))
        own = root / f"{build.file}.dockerignore"
        if name in files or (root / name).exists() or own.exists() or not (root / build.context).is_dir():
            continue
        text = ignore_file(dockerfile=new.get(build.file) or read_text(root / build.file), is_new=build.file in new)
        question = f"There is no {name}: everything in the folder can get into the image. Write one?"
        if text and (not asks or confirm(question, default=True)):
            files[name] = text
    return files


def _answers(found: Found, asks: bool) -> Answers:
    project = found.project
    if asks:
        return _asked_answers(found)
    places: dict[str, Choice] = {}
    for draft, seen in found.kinds:
        if not (draft.is_alone and places) and (place := draft.choose(project, seen)) is not None:
            places[draft.target] = place
    if places and not any(draft.needs_repository for draft, _ in found.kinds if draft.target in places):
        return Answers(project.app, "", places)
    guess = project.owner_guess if project.owner else f"{PLACEHOLDER_OWNER} stands for your name on Docker Hub"
    return Answers(project.app, f"docker.io/{project.owner or PLACEHOLDER_OWNER}/{project.app}", places, guess)


def _asked_answers(found: Found) -> Answers:
    project = found.project
    app = slug(prompt("Name of the app", default=project.app))
    suggested = project.repositories.get(project.app) or f"docker.io/{project.owner or 'USER'}/{app}"
    repository = _asked("Repository to push to", suggested, _repository_problem)
    places: dict[str, Choice] = {}
    for draft, seen in found.kinds:
        if draft.is_alone and places:
            continue
        question = draft.question(project._replace(app=app), seen)
        if question is not None and (place := _asked_place(question)) != NONE:
            places[draft.target] = Choice(place)
    return Answers(app, parse_repository(repository), places)


def _asked_place(question: Question) -> str:
    return _asked(question.text, question.default, lambda answer: "" if answer == NONE else question.check(answer))


def _asked(question: str, default: str, problem: Callable[[str], str]) -> str:
    """Ask until `problem` of the answer is empty; print the problem each time."""
    while True:
        answer = prompt(question, default=default)
        reason = problem(answer)
        if not reason:
            return answer
        note(f"{answer!r} {reason}")


def _repository_problem(text: str) -> str:
    """The reason why a text is not a repository to push to; empty if it is one."""
    try:
        parse_repository(text)
    except ValueError as error:
        return str(error)
    return ""
