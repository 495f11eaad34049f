"""The files that builds leave out of their contexts, and why: secrets, env files, git's own, deploy.yml."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from hashlib import sha256
from pathlib import Path

from shipit.config.find import FILE_NAMES
from shipit.config.project import Project
from shipit.errors import BuildError
from shipit.files import Unreadable
from shipit.image.missing_source import MissingSource
from shipit.image.withheld import SHORTEST_CONTENT, Withheld, node_of

_INCLUDED, _GIT = "included by deploy.yml", "git's own"
USE_BUILD_SECRETS = "use build secrets: RUN --mount=type=secret,id=ID with build: secrets: {ID: {file: PATH}}"

# Values that many people use as a secret and that are common words: finding one in an image proves nothing.
COMMON = frozenset(
    [
        "admin",
        "administrator",
        "changeit",
        "changeme",
        "default",
        "demo",
        "development",
        "docker",
        "docker.io",
        "example",
        "false",
        "guest",
        "hello",
        "info",
        "localhost",
        "mariadb",
        "mongo",
        "mysql",
        "none",
        "null",
        "password",
        "passwd",
        "postgres",
        "prod",
        "production",
        "public",
        "rabbitmq",
        "redis",
        "root",
        "secret",
        "staging",
        "test",
        "true",
        "undefined",
        "user",
        "username",
    ]
)


def withheld_from(project: Project, image: str, context: Path, values: Mapping[str, str]) -> Withheld:
    """The files that an image's build leaves out. `values`: name of a secret -> its value.

    Raises: ConfigError when `build: keep:` names the file of a secret.
    """
    build = project.images[image].build
    kept = {os.path.normpath(path) for path in (build.keep if build else ())}
    secret = [file for file in project.private_files if file.is_secret]
    for file in secret:
        if kept & set(_inside(context, project.folder.file(file.path))):
            keys = ("images", image, "build", "keep")
            raise project.problem(
                keys, f"{file.path} is the file of {file.what}, which no image holds", USE_BUILD_SECRETS
            )
    own = dict.fromkeys(project.files[1:], _INCLUDED) | {project.root / name: "" for name in FILE_NAMES}
    files = {**own, project.file: "", **{project.folder.file(file.path): file.what for file in project.private_files}}
    taken = {file: what for file, what in files.items() if not kept & set(_inside(context, file))}
    return Withheld(
        paths={path: what for file, what in taken.items() for path in _inside(context, file)},
        names={} if ".git" in kept else {".git": _GIT},
        nodes={node: what for file, what in taken.items() if (node := node_of(file)) is not None},
        contents=_by_size(_contents(project, set(taken), values)),
    )


def _inside(context: Path, file: Path) -> Iterator[str]:
    """The paths of a file relative to a context, before and after its links are resolved; none when it is outside."""
    for path in {os.path.normpath(file), os.path.realpath(file)}:
        for top in {str(context), os.path.realpath(context)}:
            if path.startswith(top.rstrip("/") + "/"):
                yield path.removeprefix(top.rstrip("/") + "/")


def _contents(project: Project, taken: set[Path], values: Mapping[str, str]) -> Iterator[tuple[bytes, str]]:
    """The contents of private files, and of files that hold only the value of a secret."""
    for file in project.private_files:
        if project.folder.file(file.path) in taken:
            try:
                yield project.folder.read(file.path), f"a copy of {file.path}"
            except Unreadable:
                # Whoever needs the file reports why it can't be read.
                continue
    for name, value in values.items():
        if value.lower() in COMMON:
            continue
        for end in ("", "\n", "\r\n"):
            yield f"{value}{end}".encode("utf-8", "surrogateescape"), f"a copy of the secret {name}"


def _by_size(contents: Iterator[tuple[bytes, str]]) -> dict[int, dict[bytes, str]]:
    sizes: dict[int, dict[bytes, str]] = {}
    for data, what in contents:
        if len(data) >= SHORTEST_CONTENT:
            sizes.setdefault(len(data), {}).setdefault(sha256(data).digest(), what)
    return sizes


def with_reason(error: BuildError, withheld: Withheld) -> BuildError:
    """The error with a hint, when the missing file was left out of the context."""
    if not isinstance(error, MissingSource):
        return error
    path = error.path.removeprefix("/")
    what = {**dict.fromkeys(withheld.names, _GIT), **withheld.paths, **withheld.found}.get(path)
    if what is not None:
        hint = USE_BUILD_SECRETS if "secret" in what else f"ask for it with build: keep: [{path}]"
        error.hint = f"it is left out of every build: {what or 'the deploy file'}; {hint}"
    return error


def describe_withheld(withheld: Withheld) -> str:
    """The files that were left out, for the plan; empty for none."""
    return ", ".join(f"{path} ({what})" for path, what in sorted(withheld.found.items()))
