"""The Compose project of a new deploy.yml: the Compose file of the project, on the engine of the docker command or another one."""

from __future__ import annotations

import re

from shipit.docker.address import find_engine
from shipit.drafts.compose_file import DOTENV, ComposeFacts, other_todo, read_compose_facts, read_foreign_facts
from shipit.drafts.files import ProjectFacts
from shipit.drafts.kind import NONE, Choice, Detection, Folder, KindDraft, Question, TargetDraft
from shipit.drafts.text import yaml_text
from shipit.printable import printable_line
from shipit.targets.compose.config import DEFAULT_FILES, OVERRIDES

_HERE = "here"
_HOST = re.compile(r"(unix|tcp|ssh)://[^\s,]+|context:[^\s,]+")


def detect(folder: Folder) -> Detection:
    """The Compose file, and the engine of another machine that DOCKER_HOST names."""
    built = read_compose_facts(folder)
    facts = built if built.file else read_foreign_facts(folder)
    address = find_engine(folder.environ.variables, folder.environ.home, lambda text: None)
    is_remote = address.host.startswith(("ssh://", "tcp://")) and address.origin == "DOCKER_HOST"
    own = facts._replace(has_override=any((folder.root / name).is_file() for name in OVERRIDES))
    return Detection(current=address.host if is_remote else "", own=own)


def choose(project: ProjectFacts, found: Detection) -> Choice | None:
    """A file whose services only a swarm runs as they are written is not for Compose."""
    facts = _facts(found)
    return Choice(found.current) if _has_use(project, facts) and not facts.is_for_a_swarm else None


def question(project: ProjectFacts, found: Detection) -> Question | None:
    facts = _facts(found)
    if not _has_use(project, facts):
        return None
    text = f"Engine for {facts.file}: {_HERE}, or such as ssh://deploy@web1 ({NONE}: not with Compose)"
    return Question(text, NONE if facts.is_for_a_swarm else found.current or _HERE, _check)


def _check(text: str) -> str:
    return "" if text == _HERE or _HOST.fullmatch(text) else f"should be {_HERE}, ssh://USER@HOST or context:NAME"


def narrow(project: ProjectFacts, found: Detection) -> ProjectFacts:
    """The services keep what the file says of them: deploy.yml has the images, and the variables that the file lacks."""
    facts = _facts(found)
    # Compose reads .env by itself; build arguments are those of deploy.yml.
    takes_variables = any("${" in value for build in project.images.values() for _, value in build.args)
    dotenv = tuple(file for file in project.dotenv if file == DOTENV and takes_variables)
    todo = list(other_todo(project.todo, facts))
    if project.release:
        what = "the release command is not run by Compose: make it a service of the file that others wait for"
        todo.append(f"{what} (condition: service_completed_successfully)")
    return project._replace(env=(), dotenv=dotenv, secrets=facts.variables, release="", todo=tuple(todo))


def render(project: ProjectFacts, found: Detection, choice: Choice) -> TargetDraft:
    """The target; the file is named where Compose would not use it by itself, or not alone."""
    facts = _facts(found)
    is_here = choice.place in ("", _HERE)
    is_found = facts.file in DEFAULT_FILES and not facts.has_override
    parts = [] if is_found else [f"file: {yaml_text(facts.file)}"]
    parts += [] if is_here else [f"host: {yaml_text(choice.place)}"]
    note = (
        f"    # runs {printable_line(facts.file)} on the engine of the docker command; host: names another one"
        if is_here
        else ""
    )
    keys = f" {{{', '.join(parts)}}}" if parts else ""
    return TargetDraft((f"  compose:{keys}{note}",), needs_image=bool(project.images))


def _has_use(project: ProjectFacts, facts: ComposeFacts) -> bool:
    """A file without an image of the project is often for its development: it is used where the project is nothing else."""
    return bool(facts.file) and (_is_built(facts) or not (project.images or project.runtime.language))


def _is_built(facts: ComposeFacts) -> bool:
    return any("build" in own for own in facts.services.values())


def _facts(found: Detection) -> ComposeFacts:
    return found.own if isinstance(found.own, ComposeFacts) else ComposeFacts()


DRAFT = KindDraft("compose", detect, choose, question, render, needs_repository=False, is_alone=True, narrow=narrow)
