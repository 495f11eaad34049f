"""Facts from the files of a project: how its images are built, what runs, with which variables. Pure."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from typing import NamedTuple

# Text that a shell runs, or argv; empty for the image's own command.
Command = str | tuple[str, ...]
Pairs = tuple[tuple[str, str], ...]


class Build(NamedTuple):
    """How an image is built. Paths are POSIX; `context` is relative to the project, `dockerfile` to the context.

    `platforms` is empty for the default one.
    """

    context: str = "."
    dockerfile: str = "Dockerfile"
    stage: str = ""
    args: Pairs = ()
    platforms: tuple[str, ...] = ()

    @property
    def file(self) -> str:
        """The Dockerfile, relative to the project; it begins with `../` where it is outside of it."""
        return posixpath.normpath(posixpath.join(self.context, self.dockerfile))


class Process(NamedTuple):
    """A process of the app. `build` is None for the image that serves requests; `port` is 0 when unknown.

    `env` holds only the variables that differ from those of the other processes; `quantity` is None when not given.
    """

    name: str
    build: Build | None = None
    command: Command = ""
    port: int = 0
    health: str = ""
    host: str = ""
    quantity: int | None = None
    size: str = ""
    env: Pairs = ()

    def overridden_by(self, other: Process) -> Process:
        """This process with every field that `other` sets taken from it."""
        return self._replace(
            **{name: value for name, value in other._asdict().items() if value not in ("", 0, None, ())}
        )


class FileFacts(NamedTuple):
    """What one file says. `file` is its name in messages; `todo` lists the parts that a person has to take over.

    `images`: a suggested name and a build; `repositories`: a build and where it is pushed; `secrets`: names of
    variables whose values do not belong in deploy.yml; `dotenv`: files that hold variables; `only_adjusts`: its
    processes change those of other files and add none, unless no other file has any.
    """

    file: str = ""
    app: str = ""
    images: tuple[tuple[str, Build], ...] = ()
    repositories: tuple[tuple[Build, str], ...] = ()
    processes: tuple[Process, ...] = ()
    release: Command = ""
    release_build: Build | None = None
    env: Pairs = ()
    secrets: tuple[str, ...] = ()
    dotenv: tuple[str, ...] = ()
    manifests: tuple[str, ...] = ()
    todo: tuple[str, ...] = ()
    only_adjusts: bool = False


class Runtime(NamedTuple):
    """The language of an app, and what a Dockerfile for it needs to know. Fields are empty when unknown.

    `version` is the one that the project asks for; `lock` is the name of the lock file; `unclear` is the file that asks
    for a version that is not clear.
    """

    language: str = ""
    version: str = ""
    lock: str = ""
    unclear: str = ""


class ProjectFacts(NamedTuple):
    """What all files of a project say together, with names that deploy.yml takes. Fields are empty when nothing was found.

    `images`: name -> build; `repositories`: image -> repository, where a file names one; `processes`: name -> process,
    the one that serves requests first; `process_images`: process -> image; `owner`: the account to push to, with
    `owner_guess` saying where it comes from when it is a guess; `todo`: what a person has to take over, each line with
    the name of its file.
    """

    app: str
    images: Mapping[str, Build]
    repositories: Mapping[str, str]
    processes: Mapping[str, Process]
    process_images: Mapping[str, str]
    release: Command
    release_image: str
    env: Pairs
    secrets: tuple[str, ...]
    dotenv: tuple[str, ...]
    manifests: tuple[str, ...]
    owner: str
    owner_guess: str
    runtime: Runtime
    todo: tuple[str, ...]
