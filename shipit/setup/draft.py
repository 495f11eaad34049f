"""A first deploy.yml as text: short, commented, and valid. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from shipit.config.yaml_text import quoted
from shipit.printable import printable_line
from shipit.setup.found import Found
from shipit.setup.said import Build, Command, Process, listed

# What YAML takes for something else than text.
_WORDS = frozenset({"true", "false", "null"})
_LONGEST_TODO = 300
# Stands for the user of a registry where nothing says who that is.
NOBODY = "your-name"


class Answers(NamedTuple):
    """What nobody but a person knows. An empty `heroku` or None as `context` means: not there.

    `repository` is for images that no file gives one; empty where none is needed. `guess` says where it is from.
    `is_heroku_guessed` is set when no file names the app.
    """

    app: str
    repository: str
    heroku: str
    context: str | None
    guess: str = ""
    is_heroku_guessed: bool = False


def render_draft(found: Found, answers: Answers) -> str:
    """The file. Its images are those found, or one from ./Dockerfile where there is none yet."""
    lines = [
        "# What shipit builds and where it releases it. Check it with `shipit validate`, see what would happen with",
        "# `shipit plan`; `shipit help` has the rest.",
        f"app: {_name(answers.app)}",
        *_images(found, answers),
        *(_variables(found) if _runs(answers) else ()),
    ]
    if found.release and _runs(answers):
        image = f"image: {_name(found.release_image)}, " if len(found.images) > 1 else ""
        lines.append(f"release: {{{image}command: {command(found.release)}}}    # runs once before anything new serves")
    lines += ["targets:", *_targets(found, answers), *_environments(found)]
    todo = [printable_line(item) for item in dict.fromkeys((*found.todo, *(() if _runs(answers) else _unused(found))))]
    if todo:
        lines += ["", "# What shipit could not take over from the files of this project:"]
        lines += [f"# TODO {item[:_LONGEST_TODO]}{'...' if len(item) > _LONGEST_TODO else ''}" for item in todo]
    return "\n".join(lines) + "\n"


def _runs(answers: Answers) -> bool:
    """Whether a target runs the app; a registry only keeps its images."""
    return bool(answers.heroku) or answers.context is not None


def _unused(found: Found) -> Iterator[str]:
    """What only a target that runs the app would use: a registry needs no variables, and no secret to be set."""
    commands = [name for name, process in found.processes.items() if process.command or process.port]
    parts = {
        "processes": commands if len(found.processes) > 1 or any(p.command for p in found.processes.values()) else [],
        "env": [name for name, _ in found.env],
        "secrets": list(found.secrets),
        "release": ["the release command"] if found.release else [],
    }
    for part, names in parts.items():
        if names:
            yield f"{part}: {listed(names)}: add with a target that runs the app, such as heroku or k8s"


def text(value: str) -> str:
    """Text as YAML in a flow: bare where it can't be taken for something else, and with its `${` left to the shell."""
    return _bare_or_quoted(value.replace("${", "$${"))


def command(value: Command) -> str:
    """A command as YAML: text for a shell, or a list of words."""
    return text(value) if isinstance(value, str) else f"[{', '.join(text(word) for word in value)}]"


def _bare_or_quoted(value: str) -> str:
    if re.fullmatch(r"[A-Za-z][A-Za-z0-9 ./_-]*[A-Za-z0-9/]|[A-Za-z]", value, re.ASCII) and value.lower() not in _WORDS:
        return value
    return quoted(value)


def _name(value: str) -> str:
    """A name of letters, digits and `-` as YAML, where `true` and its like are no text."""
    return quoted(value) if value.lower() in _WORDS else value


def _images(found: Found, answers: Answers) -> Iterator[str]:
    builds = found.images or {answers.app: Build()}
    several = len(builds) > 1
    if answers.guess and any(name not in found.repositories for name in builds):
        yield f"# TODO: the repository below is a guess ({answers.guess}); name the one that you push to."
    if several:
        yield "images:"
    for name, build in builds.items():
        own = found.repositories.get(name) or (
            f"{answers.repository}-{name}" if several and answers.repository else answers.repository
        )
        how = _build(build)
        if several:
            where = f"repository: {own}, " if own else ""
            yield f"  {_name(name)}: {{{where}build: {how or '.'}}}"
        elif not own:
            yield f"image: {{build: {how or '.'}}}"
        elif how:
            yield f"image: {{repository: {own}, build: {how}}}"
        else:
            yield f"image: {own}    # built from ./Dockerfile{'' if found.images else ', which is not here yet'}"


def _build(build: Build) -> str:
    """How an image is built, as a map; empty where it is ./Dockerfile alone."""
    parts = [f"context: {text(build.context)}"] if build.context != "." else []
    parts += [f"dockerfile: {text(build.dockerfile)}"] if build.dockerfile != "Dockerfile" else []
    parts += [f"stage: {text(build.stage)}"] if build.stage else []
    parts += [f"args: {_env(dict(build.args))}"] if build.args else []
    return f"{{{', '.join(parts)}}}" if parts else ""


def _env(values: Mapping[str, str]) -> str:
    return "{" + ", ".join(f"{_key(name)}: {_bare_or_quoted(value)}" for name, value in values.items()) + "}"


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name) and name.lower() not in _WORDS else quoted(name)


def _variables(found: Found) -> Iterator[str]:
    if found.dotenv:
        files = ", ".join(f"{{path: {text(path)}, required: false}}" for path in found.dotenv)
        yield f"dotenv: [{files}]"
    if found.env:
        yield "env:"
        for name, value in found.env:
            yield f"  {_key(name)}: {_bare_or_quoted(value)}"
    if found.secrets:
        yield "secrets:                      # named here, never written here: from the environment of whoever deploys"
        for name in found.secrets:
            yield f"  {_key(name)}: {{env: {name}}}"


def _targets(found: Found, answers: Answers) -> Iterator[str]:
    if not answers.heroku and answers.context is None:
        names = ", ".join(map(_name, found.images))
        yield f"  hub: {{images: [{names}]}}" if len(found.images) > 1 else "  hub:    # pushes the image"
    if answers.heroku:
        processes = _heroku_processes(found)
        if answers.is_heroku_guessed:
            yield "  # TODO: the name of the Heroku app is a guess; name yours, or create it: heroku create NAME --stack container"
        yield "  heroku:" if processes else f"  heroku: {{app: {_name(answers.heroku)}}}"
        if processes:
            yield f"    app: {_name(answers.heroku)}"
            yield "    processes:"
            yield from processes
    if answers.context is not None:
        yield from _kubernetes(found, answers)


def _heroku_processes(found: Found) -> list[str]:
    """Lines for the process types; none where there is only web with the image's own command.

    Heroku gives requests to the type web only, so the process that serves them is called that.
    """
    several = len(found.images) > 1
    serving = next((name for name in found.processes if name == "web"), "")
    serving = serving or next(
        (name for name, process in found.processes.items() if process.port), next(iter(found.processes), "")
    )
    lines = []
    for name, process in found.processes.items():
        parts = [f"image: {_name(found.process_images[name])}"] if several else []
        parts += [f"command: {command(process.command)}"] if process.command else []
        parts += [f"quantity: {process.quantity}"] if process.quantity is not None else []
        parts += [f"size: {text(process.size)}"] if process.size else []
        lines.append(f"      {_name('web' if name == serving else name)}: {{{', '.join(parts)}}}")
    return [] if lines == ["      web: {}"] else lines


def _kubernetes(found: Found, answers: Answers) -> Iterator[str]:
    context = [f"context: {text(answers.context)}"] if answers.context else []
    if found.manifests:
        yield "  k8s:"
        yield from (f"    {line}" for line in context)
        yield f"    manifests: [{', '.join(text(name) for name in found.manifests)}]    # their images are pinned to what was pushed"
        return
    if len(found.processes) <= 1:
        parts = [*context, *(part for process in found.processes.values() for part in _workload(process))]
        has_port = any(process.port for process in found.processes.values())
        yield f"  k8s: {{{', '.join(parts)}}}" + ("" if has_port else "    # port: makes a Service")
        return
    yield "  k8s:"
    yield from (f"    {line}" for line in context)
    yield "    workloads:"
    for name, process in found.processes.items():
        image = [f"image: {_name(found.process_images[name])}"] if len(found.images) > 1 else []
        key = re.sub(r"[^a-z0-9-]+", "-", name.lower()).strip("-")[:63].strip("-") or "worker"
        yield f"      {_name(key)}: {{{', '.join([*image, *_workload(process)])}}}"


def _workload(process: Process) -> Iterator[str]:
    if process.command:
        yield f"command: {command(process.command)}"
    if process.port:
        yield f"port: {process.port}"
        if process.health.startswith("/"):
            yield f"health: {text(process.health)}"
        if re.fullmatch(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?", process.host):
            yield f"host: {process.host}"
    if process.quantity is not None and process.quantity != 1:
        yield f"replicas: {process.quantity}"
    if process.env:
        yield f"env: {_env(dict(process.env))}"


def _environments(found: Found) -> Iterator[str]:
    """An overlay for each further Heroku app that a git remote names."""
    further = {name: app for name, app in found.apps.items() if app != main_app(found)}
    if not further:
        return
    yield "environments:"
    for name, app in further.items():
        yield f"  {_name(re.sub(r'[^A-Za-z0-9_-]', '-', name))}: {{targets: {{heroku: {{app: {_name(app)}}}}}}}"


def heroku_name(app: str) -> str:
    """A name that Heroku could give to an app, which is 3 to 30 characters."""
    name = app[:30].strip("-")
    return name if len(name) >= 3 else f"{name}-app"


def main_app(found: Found) -> str:
    """The Heroku app that a deploy without an environment goes to; empty where no remote names one."""
    for name in ("production", "prod", "heroku"):
        if name in found.apps:
            return found.apps[name]
    return next(iter(found.apps.values()), "")
