"""Values of secrets in what the files of a project say, left out of deploy.yml, with a TODO for each. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from shipit.config.interpolate import referenced_names
from shipit.drafts.files import Build, Command, FileFacts, Process, ProjectFacts
from shipit.drafts.secret_names import is_named_secret
from shipit.drafts.secret_values import PLACEHOLDER, hide_values, hide_values_of
from shipit.drafts.values import listed
from shipit.drafts.variables import is_secret


def without_values(facts: FileFacts) -> FileFacts:
    """What a file says, without values of secrets in its commands and without health checks that have one."""
    release, todo = _hidden(facts.release, "the release command")
    processes: list[Process] = []
    for process in facts.processes:
        command, lines = _hidden(process.command, f"the command of {process.name}")
        todo += lines
        if names := hide_values(process.health).names:
            todo.append(f"the health check of {process.name} has the value of {listed(names)}, and is left out")
            process = process._replace(health="")
        processes.append(process._replace(command=command))
    return facts._replace(processes=tuple(processes), release=release, todo=(*facts.todo, *todo))


def _hidden(command: Command, what: str) -> tuple[Command, list[str]]:
    """A command without values of secrets, and a TODO, in which `what` names it."""
    hidden, names = hide_values_of(command)
    if not names:
        return command, []
    how = "name it under secrets, and let the program read it from its environment"
    return hidden, [f"{what}: {PLACEHOLDER} is in place of the value of {listed(names)}: {how}"]


def leave_out_arguments(project: ProjectFacts) -> ProjectFacts:
    """The project without build arguments that are secrets, or take the value of one: an image keeps its arguments."""
    images: dict[str, Build] = {}
    todo: list[str] = []
    for image, build in project.images.items():
        args = tuple(pair for pair in build.args if not _is_secret_argument(*pair, project.secrets))
        left = [name for name, _ in build.args if name not in dict(args)]
        images[image] = build._replace(args=args)
        todo += [f"{build.file}: {line}" for line in _todo(left)]
    return project._replace(images=images, todo=(*project.todo, *dict.fromkeys(todo)))


def _is_secret_argument(name: str, value: str, secrets: Collection[str]) -> bool:
    return is_secret(name, value) or any(is_named_secret(one) or one in secrets for one in referenced_names(value))


def _todo(names: list[str]) -> Iterator[str]:
    if names:
        is_one = len(names) == 1
        what = f"build argument {names[0]}: its value" if is_one else f"build arguments {listed(names)}: their values"
        secret = "may be a secret, and is" if is_one else "may be secrets, and are"
        mount = f"{names[0]}: {{env: {names[0]}}} there, and RUN --mount=type=secret,id={names[0]} in the Dockerfile"
        yield f"{what} {secret} left out: use build.secrets: {mount}"
