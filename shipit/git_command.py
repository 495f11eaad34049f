"""Runs git without writing or fetching. The configuration of an untrusted repository can't make git run a program.

Source: git-config(1), git(1), gitattributes(5). May import process only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from shipit.process import Finished, run_program

# Folders that look like bare repositories are ignored. Checking a signature would run a program.
# A variable of the user gives paths in commands another meaning.
_SAFELY = (
    "--no-literal-pathspecs",
    "-c",
    "safe.bareRepository=explicit",
    "-c",
    "log.showSignature=false",
    "--no-optional-locks",
)
# Settings by which a repository's own configuration could run a program.
WITHOUT_PROGRAMS = ("-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null")
# No protocol is allowed, so that a missing object is not fetched by a program that the remote's configuration names.
_ALONE = {"GIT_ALLOW_PROTOCOL": "none", "GIT_NO_LAZY_FETCH": "1", "SHIPIT_NOTHING": ""}
_FILTERS = ("config", "-z", "--show-scope", "--name-only", "--get-regexp", r"^filter\.")
_NONE_FOUND = 1
_OWN_SCOPES = (b"local", b"worktree")


def ask_git(
    words: Sequence[str],
    folder: Path,
    variables: Mapping[str, str],
    *,
    is_trusted: bool,
    timeout_s: float,
    max_bytes: int,
) -> Finished:
    """Run a git command in a folder. Raises: ProgramFailed."""

    def ask(given: Mapping[str, str], *more: str) -> Finished:
        command = ["git", "-C", str(folder), *_SAFELY, *more]
        return run_program(command, variables=given, timeout_s=timeout_s, max_bytes=max_bytes)

    if is_trusted:
        return ask(variables, *words)
    alone = {**variables, **_ALONE}
    filters = ask(alone, *WITHOUT_PROGRAMS, *_FILTERS)
    if filters.code not in (0, _NONE_FOUND):
        return filters
    return ask(alone, *WITHOUT_PROGRAMS, *_emptied(_own_filters(filters.output)), *_outside_of_submodules(words))


def _own_filters(output: bytes) -> list[str]:
    """The keys of filters in the repository's own configuration. `output` alternates scope and key. Pure."""
    parts = output.split(b"\0")
    keys = {key for scope, key in zip(parts[::2], parts[1::2], strict=False) if scope in _OWN_SCOPES}
    return sorted(key.decode("utf-8", "surrogateescape") for key in keys)


def _emptied(keys: Sequence[str]) -> list[str]:
    """Options that set these keys to nothing. --config-env is used since a key may contain an equals sign. Pure."""
    return [f"--config-env={key}=SHIPIT_NOTHING" for key in keys]


def _outside_of_submodules(words: Sequence[str]) -> list[str]:
    """The command without reading the files of submodules, whose own configuration could name filters. Pure."""
    return [part for word in words for part in ((word, "--ignore-submodules=dirty") if word == "status" else (word,))]
