"""The context and Dockerfile of an image, both inside of an untrusted project."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from shipit.config.folder import expand_home
from shipit.config.image import BuildConfig
from shipit.config.project import Project
from shipit.errors import ConfigError, ConfigErrors
from shipit.files import Unreadable, check_within


class BuildFiles(NamedTuple):
    """The folder that COPY reads, with links followed, and the Dockerfile."""

    context: Path
    dockerfile: Path


def build_files(project: Project, image: str) -> BuildFiles:
    """The files of an image's build. Raises: ConfigErrors for what an untrusted project may not name."""
    build = project.images[image].build or BuildConfig()
    if problems := list(forbidden_files(project, image)):
        raise ConfigErrors(problems)
    context = project.folder.file(build.context).resolve()
    return BuildFiles(context, context / expand_home(build.dockerfile, project.folder.home))


def forbidden_files(project: Project, image: str) -> Iterator[ConfigError]:
    """A mistake at the key of each path that is outside of an untrusted project, also through a link."""
    build, within = project.images[image].build or BuildConfig(), project.folder.within
    if within is None:
        return
    keys = ("images", image, "build")
    context = project.folder.file(build.context)
    dockerfile = context / expand_home(build.dockerfile, project.folder.home)
    beside = dockerfile.with_name(f"{dockerfile.name}.dockerignore")
    files = (
        ("context", context),
        ("dockerfile", dockerfile),
        ("dockerfile", beside),
        ("context", context / ".dockerignore"),
    )
    for key, file in files:
        try:
            check_within(file, within)
        except (Unreadable, ValueError) as error:
            what, hint = (error.reason, error.hint) if isinstance(error, Unreadable) else ("its name is no path", "")
            yield project.problem((*keys, key), f"{file.name or file}: {what}", hint)
            return
    if build.ssh:
        what = "forwards the ssh agent to commands of the Dockerfile, which --untrusted does not allow"
        yield project.problem((*keys, "ssh"), what, "use build secrets for what it fetches")
