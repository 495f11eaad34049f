"""File times from git: the time of the last commit that changed each file of a context.

A merge counts for all files that it brings to the branch, so that times never go back along the branch.
Source: git-log(1), git-status(1).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path

from shipit.errors import BuildError
from shipit.files import MIB
from shipit.git_command import WITHOUT_PROGRAMS, ask_git
from shipit.image.tree.entries import LocalFile, Tree
from shipit.process import ProgramFailed

_TIMEOUT_S, _MOST_BYTES = 120, 512 * MIB
_COMMIT = re.compile(rb"\x01(\d{1,11})\Z")


def with_commit_times(tree: Tree, root: Path, variables: Mapping[str, str], *, is_trusted: bool = True) -> None:
    """Set the time of each file in a context to that of the last commit that changed it.

    A file that git does not track, or that differs from its commit, keeps its time on disk.
    Raises: BuildError without a git tree, or when its history is incomplete.
    """
    ask = partial(_git_output, root, variables, is_trusted)
    prefix, _, is_shallow = ask(["rev-parse", "--show-prefix", "--is-shallow-repository"]).partition(b"\n")
    if is_shallow.strip() == b"true":
        raise BuildError(
            "times: commit needs the complete history, but the clone is shallow",
            where=str(root),
            hint="fetch it: git fetch --unshallow, or fetch-depth: 0 in CI",
        )
    known = commit_times(ask(_LOG).split(b"\0"))
    for token in ask(_STATUS).split(b"\0"):
        # Two letters of status, a space, and the path relative to the top of the git tree.
        known.pop(token[3:].removeprefix(prefix).decode("utf-8", "surrogateescape"), None)
    for path, entry in tree.items():
        if isinstance(entry.content, LocalFile):
            on_disk = int(entry.content.stamp.split()[1]) // 1_000_000_000
            tree[path] = entry._replace(time_s=max(0, known.get(path, on_disk)))


_LOG = ["log", "--first-parent", "-m", "--no-renames", "--name-only", "--relative", "-z", "--format=%x01%ct", "--", "."]
_STATUS = ["status", "--porcelain=v1", "--no-renames", "--untracked-files=no", "-z", "--", "."]


def commit_times(tokens: Iterable[bytes]) -> dict[str, int]:
    """Path -> Unix time of the newest commit that changed it, from the output of git log. Pure."""
    found: dict[str, int] = {}
    time_s = 0
    for token in tokens:
        # A newline separates a commit from its first file.
        text = token.lstrip(b"\n")
        if match := _COMMIT.match(text):
            time_s = int(match[1])
        elif text:
            found.setdefault(text.decode("utf-8", "surrogateescape"), time_s)
    return found


def _git_output(root: Path, variables: Mapping[str, str], is_trusted: bool, words: list[str]) -> bytes:
    environment = {**variables, "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"}
    try:
        done = ask_git(
            [*WITHOUT_PROGRAMS, *words],
            root,
            environment,
            is_trusted=is_trusted,
            timeout_s=_TIMEOUT_S,
            max_bytes=_MOST_BYTES,
        )
    except ProgramFailed as error:
        raise BuildError(f"times: commit needs git: {error.what}", where=str(root), hint=error.hint) from None
    if done.code != 0:
        raise BuildError(
            "times: commit needs a git tree with commits",
            where=str(root),
            hint="commit the files, or remove times: commit",
        )
    return done.output
