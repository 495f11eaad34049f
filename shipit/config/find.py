"""The deploy.yml of a command: the one named, a pipe, or the nearest one upwards."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path
from typing import NamedTuple

from shipit.config.process_environment import ProcessEnvironment
from shipit.errors import UsageError
from shipit.files import Unreadable, read_stream

FILE_NAMES = ("deploy.yml", "deploy.yaml")
STANDARD_INPUT = "standard input"
# Paths of open descriptors, such as those that a shell passes for `<(...)`.
_OPENED = re.compile(r"/dev/stdin|(?:/dev|/proc/self)/fd/([0-9]{1,9})")


class DeployFile(NamedTuple):
    """A deploy.yml. `stream` is what was piped in, where it is no regular file; paths in it are relative to `path`'s folder."""

    path: Path
    name: str | None = None
    stream: bytes | None = None

    @property
    def shown(self) -> str:
        """Its name in messages."""
        return self.name or self.path.name


def find_file(environment: ProcessEnvironment, given: str | None) -> DeployFile:
    """The file named, or the nearest deploy.yml from the working directory up to the git root. `-` is the standard input.

    Raises: UsageError when there is none, and for an empty name, as that of a variable that is not set.
    """
    if given == "":
        raise UsageError("--file should be a file", hint="without --file, it is the nearest deploy.yml")
    return _nearest(environment) if given is None else _named(environment, given)


def _named(environment: ProcessEnvironment, given: str) -> DeployFile:
    opened = _OPENED.fullmatch(given)
    if given == "-" or opened:
        number = int(opened[1] or 0) if opened else 0
        name = STANDARD_INPUT if number == 0 else given
        return DeployFile(environment.cwd / STANDARD_INPUT, name, _streamed(number, name))
    path = environment.cwd / given
    if path.is_dir():
        path = next((path / name for name in FILE_NAMES if (path / name).is_file()), path / FILE_NAMES[0])
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):
        raise UsageError("there is no such file", where=given, hint="name a deploy.yml with -f") from None
    if stat.S_ISFIFO(mode):
        return DeployFile(path, None, _streamed(path, given))
    return DeployFile(path, None if path.parent == environment.cwd else os.path.relpath(path, environment.cwd))


def _streamed(source: Path | int, name: str) -> bytes:
    try:
        return read_stream(source, name=name)
    except Unreadable as error:
        raise UsageError(error.what, where=name, hint="write a deploy.yml into it") from None


def _nearest(environment: ProcessEnvironment) -> DeployFile:
    for folder in _folders(environment.cwd):
        for name in FILE_NAMES:
            if (folder / name).exists() and not (folder / name).is_dir():
                return DeployFile(folder / name)
    hint = "shipit init creates one from this project; -f names one that is elsewhere"
    raise UsageError("there is no deploy.yml here or above", where=str(environment.cwd), hint=hint)


def _folders(cwd: Path) -> tuple[Path, ...]:
    """The working directory and those above it up to the git root; itself alone outside of a git tree."""
    above = (cwd, *cwd.parents)
    root = next((index for index, folder in enumerate(above) if (folder / ".git").exists()), 0)
    return above[: root + 1]
