"""A first deploy.yml as text: short, commented, and valid. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from shipit.config.yaml_text import quoted
from shipit.setup.found import Found

# What YAML takes for something else than text.
_WORDS = frozenset({"true", "false", "null"})


class Answers(NamedTuple):
    """What nobody but a person knows. An empty `heroku` or None as `context` means: not there."""

    app: str
    repository: str
    heroku: str
    context: str | None


def render_draft(found: Found, answers: Answers) -> str:
    """The file. Its images are those found, or one from ./Dockerfile where there is none yet."""
    lines = [
        "# What shipit builds and where it releases it. Check it with `shipit validate`, see what would happen with",
        "# `shipit plan`; `shipit help` has the rest.",
        f"app: {_name(answers.app)}",
        *_images(found, answers),
        *_secrets(found),
    ]
    if found.release:
        image = f"image: {_name(_first(found, answers))}, " if len(found.dockerfiles) > 1 else ""
        lines.append(f"release: {{{image}command: {text(found.release)}}}    # runs once before anything new serves")
    lines += ["targets:", *_targets(found, answers), *_environments(found)]
    if found.services:
        lines += [
            "",
            f"# Not taken over from the compose file, since shipit does not run them: {', '.join(found.services)}.",
        ]
    return "\n".join(lines) + "\n"


def text(value: str) -> str:
    """Text as YAML in a flow: bare where it can't be taken for something else, and with its `${` left to the shell."""
    if re.fullmatch(r"[A-Za-z][A-Za-z0-9 ./_-]*[A-Za-z0-9]", value) and value.lower() not in _WORDS:
        return value
    return quoted(value.replace("${", "$${"))


def _name(value: str) -> str:
    """A name of letters, digits and `-` as YAML, where `true` and its like are no text."""
    return quoted(value) if value.lower() in _WORDS else value


def _images(found: Found, answers: Answers) -> Iterator[str]:
    if len(found.dockerfiles) <= 1:
        file = next(iter(found.dockerfiles.values()), "Dockerfile")
        if file == "Dockerfile":
            yield f"image: {answers.repository}    # built from ./Dockerfile"
        else:
            yield f"image: {{repository: {answers.repository}, build: {_build(file)}}}"
        return
    yield "images:"
    for name, file in found.dockerfiles.items():
        yield f"  {_name(name)}: {{repository: {answers.repository}-{name}, build: {_build(file)}}}"


def _build(file: str) -> str:
    folder, _, name = file.rpartition("/")
    parts = [f"context: {text(folder)}"] if folder else []
    parts += [f"dockerfile: {text(name)}"] if name != "Dockerfile" else []
    return f"{{{', '.join(parts)}}}"


def _secrets(found: Found) -> Iterator[str]:
    if found.secrets:
        yield "secrets:                      # named here, never written here: from the environment of whoever deploys"
        for name in found.secrets:
            yield f"  {name}: {{env: {name}}}"


def _first(found: Found, answers: Answers) -> str:
    """The image that answers requests."""
    images = list(found.dockerfiles) or [answers.app]
    return next((name for name in ("web", answers.app) if name in images), images[0])


def _targets(found: Found, answers: Answers) -> Iterator[str]:
    several = len(found.dockerfiles) > 1
    if not answers.heroku and answers.context is None:
        yield (
            f"  hub: {{images: [{', '.join(map(_name, found.dockerfiles))}]}}"
            if several
            else "  hub:    # pushes the image"
        )
    if answers.heroku:
        processes = _processes(found, answers)
        yield f"  heroku: {{app: {_name(answers.heroku)}}}" if not processes else "  heroku:"
        if processes:
            yield f"    app: {_name(answers.heroku)}"
            yield "    processes:"
            yield from processes
    if answers.context is not None:
        yield from _kubernetes(found, answers)


def _processes(found: Found, answers: Answers) -> list[str]:
    """Lines for the process types; none where there is only web with the image's own command."""
    several = len(found.dockerfiles) > 1
    processes = dict(found.processes) or (dict.fromkeys(found.dockerfiles) if several else {"web": None})
    if not several and processes == {"web": None}:
        return []
    lines = []
    for name, command in processes.items():
        image = found.process_images.get(name) or (name if name in found.dockerfiles else _first(found, answers))
        parts = [f"image: {_name(image)}"] if several else []
        parts += [f"command: {text(command)}"] if command else []
        lines.append(f"      {_name(name)}: {{{', '.join(parts)}}}")
    return lines


def _kubernetes(found: Found, answers: Answers) -> Iterator[str]:
    several = len(found.dockerfiles) > 1
    context = f"    context: {text(answers.context)}" if answers.context else ""
    if found.manifests:
        yield "  k8s:"
        if context:
            yield context
        yield f"    manifests: [{', '.join(f'{name}/' for name in found.manifests)}]    # their images are pinned to what was pushed"
        return
    first = _first(found, answers)
    port = found.ports.get(first)
    if not several:
        parts = [f"context: {text(answers.context)}"] if answers.context else []
        parts += [f"port: {port}"] if port else []
        yield f"  k8s: {{{', '.join(parts)}}}" + ("" if port else "    # port: makes a Service")
        return
    yield "  k8s:"
    if context:
        yield context
    yield "    workloads:"
    for name in found.dockerfiles:
        own = found.ports.get(name)
        yield f"      {_name(name)}: {{image: {_name(name)}{f', port: {own}' if own else ''}}}"


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
