"""Values of secrets in what the files of a project say, left out of deploy.yml, with a TODO for each. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping

from shipit.config.secret_names import is_secret_name
from shipit.drafts.files import Build, Command, Process, ProjectFacts
from shipit.drafts.secret_values import PLACEHOLDER, hide_values, hide_values_of
from shipit.drafts.values import listed
from shipit.drafts.variables import is_secret

_NAMED = re.compile(r"(?<!\$)\$\{([A-Za-z_][A-Za-z0-9_]*)")


def hide_in_processes(processes: Mapping[str, Process]) -> tuple[dict[str, Process], list[str]]:
    """The processes without values of secrets in their commands, and without health checks that have one."""
    found: dict[str, Process] = {}
    todo: list[str] = []
    for name, process in processes.items():
        command, lines = hide_in_command(process.command, f"the command of {name}")
        todo += lines
        health = process.health
        if names := hide_values(health).names:
            todo.append(f"the health check of {name} has the value of {listed(names)}, and is left out")
            health = ""
        found[name] = process._replace(command=command, health=health)
    return found, todo


def hide_in_command(command: Command, what: str) -> tuple[Command, list[str]]:
    """A command without values of secrets. `what` names it in the TODO."""
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
    used = _NAMED.findall(value)
    return is_secret(name, value) or any(is_secret_name(one) or one in secrets for one in used)


def _todo(names: list[str]) -> Iterator[str]:
    if names:
        mount = f"{names[0]}: {{env: {names[0]}}} there, and RUN --mount=type=secret,id={names[0]} in the Dockerfile"
        yield f"build argument {listed(names)}: its value may be a secret, and is left out: use build.secrets: {mount}"
