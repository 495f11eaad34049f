"""A first deploy.yml as text: short, commented, and valid. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from shipit.drafts.files import Build, ProjectFacts
from shipit.drafts.kind import Choice, Detection, KindDraft, TargetDraft
from shipit.drafts.secret_values import hide_passwords
from shipit.drafts.text import interpolated_text, yaml_command, yaml_env, yaml_key, yaml_name, yaml_text
from shipit.drafts.values import listed
from shipit.printable import printable_line
from shipit.setup.found import Found
from shipit.setup.hidden_values import leave_out_arguments

_HEAD = (
    "# What shipit builds and where it releases it. Check it with `shipit validate`, see what would happen with",
    "# `shipit plan`; `shipit help` has the rest.",
)
_LONGEST_TODO = 300
_TODO_HEAD = "# What shipit could not take over from the files of this project:"


class Answers(NamedTuple):
    """What the files of a project don't say. `places`: target -> its place; a target that is absent is not drafted.

    `repository` is for images that no file gives one, empty when none is needed; `guess` says where it comes from.
    """

    app: str
    repository: str
    places: Mapping[str, Choice]
    guess: str = ""


class _Chosen(NamedTuple):
    draft: KindDraft
    detection: Detection
    place: Choice


class Draft(NamedTuple):
    """The text of a deploy.yml. `has_image` is False where its targets run images of others only."""

    text: str
    has_image: bool


def render_draft(found: Found, answers: Answers) -> Draft:
    """The file. Its images are those found, or one from ./Dockerfile when there is none yet and a target needs one."""
    chosen = _chosen(found, answers)
    project = leave_out_arguments(_narrowed(found.project, chosen))
    runs_app = any(kind.draft.runs_app for kind in chosen)
    targets = {kind.draft.target: kind.draft.render(project, kind.detection, kind.place) for kind in chosen}
    has_image = any(target.needs_image for target in targets.values())
    todo = (*project.todo, *_differing(project, chosen), *(() if runs_app else _unused(found)))
    lines = [
        *_HEAD,
        f"app: {yaml_name(answers.app)}",
        *(_images(project, answers) if has_image else ()),
        *(_variables(project) if runs_app else ()),
        *(_release(project) if runs_app else ()),
        "targets:",
        *(line for target in targets.values() for line in target.lines),
        *_environments(targets),
        *_todo(todo),
    ]
    return Draft("\n".join(lines) + "\n", has_image)


def with_todo(text: str, item: str) -> str:
    """A drafted file with a further TODO."""
    lines = list(_todo((item,)))
    added = lines[-1:] if _TODO_HEAD in text else lines
    return text + "".join(f"{line}\n" for line in added)


def _narrowed(project: ProjectFacts, chosen: list[_Chosen]) -> ProjectFacts:
    """The project as the only kind that runs it takes it."""
    return chosen[0].draft.narrow(project, chosen[0].detection) if len(chosen) == 1 else project


def _chosen(found: Found, answers: Answers) -> list[_Chosen]:
    """The kinds that are drafted: those with a place, else those that only store images."""
    kinds = found.kinds
    chosen = [_Chosen(kind, seen, answers.places[kind.target]) for kind, seen in kinds if kind.target in answers.places]
    return chosen or [_Chosen(kind, seen, Choice("")) for kind, seen in kinds if not kind.runs_app]


def _images(project: ProjectFacts, answers: Answers) -> Iterator[str]:
    builds = project.images or {answers.app: Build()}
    several = len(builds) > 1
    if answers.guess and any(name not in project.repositories for name in builds):
        yield f"# TODO: the repository below is a guess ({answers.guess}); name the one that you push to."
    if several:
        yield "images:"
    for name, build in builds.items():
        own = project.repositories.get(name) or (
            f"{answers.repository}-{name}" if several and answers.repository else answers.repository
        )
        how = _build(build)
        if several:
            where = f"repository: {own}, " if own else ""
            yield f"  {yaml_name(name)}: {{{where}build: {how or '.'}}}"
        elif not own:
            yield f"image: {{build: {how or '.'}}}"
        elif how:
            yield f"image: {{repository: {own}, build: {how}}}"
        else:
            yield f"image: {own}    # built from ./Dockerfile{'' if project.images else ', which is not here yet'}"


def _build(build: Build) -> str:
    """How an image is built, as a flow map; empty for ./Dockerfile with nothing else."""
    parts = [f"context: {yaml_text(build.context)}"] if build.context != "." else []
    parts += [f"dockerfile: {yaml_text(build.dockerfile)}"] if build.dockerfile != "Dockerfile" else []
    parts += [f"stage: {yaml_text(build.stage)}"] if build.stage else []
    parts += [f"args: {yaml_env(dict(build.args))}"] if build.args else []
    parts += [f"platforms: [{', '.join(build.platforms)}]"] if build.platforms else []
    return f"{{{', '.join(parts)}}}" if parts else ""


def _variables(project: ProjectFacts) -> Iterator[str]:
    if project.dotenv:
        files = ", ".join(f"{{path: {yaml_text(path)}, required: false}}" for path in project.dotenv)
        yield f"dotenv: [{files}]"
    if project.env:
        yield "env:"
        for name, value in project.env:
            yield f"  {yaml_key(name)}: {interpolated_text(value)}"
    if project.secrets:
        yield "secrets:                      # named here, never written here: from the environment of whoever deploys"
        for name in project.secrets:
            yield f"  {yaml_key(name)}: {{env: {name}}}"


def _release(project: ProjectFacts) -> Iterator[str]:
    if project.release:
        image = f"image: {yaml_name(project.release_image)}, " if len(project.images) > 1 else ""
        yield f"release: {{{image}command: {yaml_command(project.release)}}}    # runs once before anything new serves"


def _environments(targets: Mapping[str, TargetDraft]) -> Iterator[str]:
    overlays: dict[str, list[str]] = {}
    for target, draft in targets.items():
        for name, overlay in draft.overlays.items():
            overlays.setdefault(re.sub(r"[^A-Za-z0-9_-]", "-", name), []).append(f"{target}: {overlay}")
    if overlays:
        yield "environments:"
    for name, parts in overlays.items():
        yield f"  {yaml_name(name)}: {{targets: {{{', '.join(parts)}}}}}"


def _differing(project: ProjectFacts, chosen: list[_Chosen]) -> Iterator[str]:
    """A TODO for variables that differ between processes, for each kind that has the same ones for all of them."""
    names = dict.fromkeys(name for process in project.processes.values() for name, _ in process.env)
    for draft, _, _ in chosen if names else []:
        if draft.runs_app and not draft.has_process_env:
            yield f"{draft.target}: {listed(names)} differ between its processes, and env is the same for all of them there"


def _unused(found: Found) -> Iterator[str]:
    """What was found and has no use yet, because no target runs the app."""
    project = found.project
    processes = project.processes.values()
    several = len(processes) > 1 or any(process.command for process in processes)
    commands = [name for name, process in project.processes.items() if process.command or process.port]
    parts = {
        "processes": commands if several else [],
        "env": [name for name, _ in project.env],
        "secrets": list(project.secrets),
        "release": ["the release command"] if project.release else [],
    }
    targets = listed((draft.target for draft, _ in found.kinds if draft.runs_app), "or")
    for part, names in parts.items():
        if names:
            yield f"{part}: {listed(names)}: add with a target that runs the app, such as {targets}"


def _todo(items: tuple[str, ...]) -> Iterator[str]:
    if items:
        yield from ("", _TODO_HEAD)
    for item in (printable_line(hide_passwords(item)) for item in dict.fromkeys(items)):
        yield f"# TODO {item[:_LONGEST_TODO]}{'...' if len(item) > _LONGEST_TODO else ''}"
