"""Existence of the files that deploy.yml names, checked by `validate` and `doctor` and by no command that needs none of them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from shipit.config.build_files import forbidden_files
from shipit.config.folder import expand_home
from shipit.config.image import BuildConfig
from shipit.config.position import Keys
from shipit.config.project import Project
from shipit.config.secret_source import SecretSource, shown_path
from shipit.errors import ConfigError
from shipit.files import Unreadable

RELATIVE = "paths are relative to deploy.yml"


def missing_files(project: Project) -> list[ConfigError]:
    """A mistake at the key of each build context, Dockerfile and file of a secret that is missing or unreadable."""
    reached = {name for target in project.targets for name in project.secrets_for(target)}
    # Without targets nothing says who gets them.
    names = reached if project.targets else set(project.secrets)
    return [
        *(
            problem
            for name, image in project.images.items()
            if not image.use
            for problem in _build(name, image.build, project)
        ),
        *(problem for name in sorted(names) for problem in _secret(("secrets", name), project.secrets[name], project)),
    ]


def _build(name: str, build: BuildConfig | None, project: Project) -> Iterator[ConfigError]:
    yield from missing_build_files(name, build, project)
    for key, secret in (build.secrets if build else {}).items():
        yield from _secret(("images", name, "build", "secrets", key), secret, project)


def missing_build_files(name: str, build: BuildConfig | None, project: Project) -> Iterator[ConfigError]:
    """A mistake when an image's context or Dockerfile is missing."""
    keys, chosen = ("images", name, "build"), build or BuildConfig()
    if forbidden := list(forbidden_files(project, name)):
        yield from forbidden
        return
    context = project.folder.file(chosen.context)
    if not context.is_dir():
        what = "should be a folder" if context.exists() else f"there is no folder {chosen.context}"
        yield project.problem((*keys, "context"), what, RELATIVE)
        return
    yield from _dockerfile(keys, chosen, context, project)


def _dockerfile(keys: Keys, build: BuildConfig, context: Path, project: Project) -> Iterator[ConfigError]:
    file = context / expand_home(build.dockerfile, project.folder.home)
    if file.is_file():
        return
    what = f"there is no {build.dockerfile}" + (f" in {build.context}" if build.context != "." else "")
    hint = "write one, or name it with build: {dockerfile: PATH}; use: names an image that is not built"
    if file.exists():
        what, hint = f"{build.dockerfile} should be a file", "name the Dockerfile itself, relative to the context"
    # Where no Dockerfile is named, the error is at the nearest key that is written.
    is_written = project.source.locate((*keys, "dockerfile"))[1][-1:] == ("dockerfile",)
    place: Keys = (*keys, "dockerfile") if is_written else keys
    yield project.source.problem(place, what, hint, on_key=not is_written)


def _secret(keys: Keys, secret: SecretSource, project: Project) -> Iterator[ConfigError]:
    if secret.file is None:
        return
    hint = "create it, or name another file"
    try:
        file = project.folder.checked(secret.file)
    except Unreadable as error:
        yield project.problem((*keys, "file"), f"{shown_path(secret.file)} {error.what}", error.hint)
        return
    if file.is_dir():
        yield project.problem((*keys, "file"), f"{secret.file} is a folder", hint)
    elif not file.exists():
        yield project.problem((*keys, "file"), f"there is no file {shown_path(secret.file, 'of that name')}", hint)
    elif not file.is_file() or not os.access(file, os.R_OK):
        yield project.problem(
            (*keys, "file"), f"{secret.file} can't be read", "check its permissions, and that it is a regular file"
        )
