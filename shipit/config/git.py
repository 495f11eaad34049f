"""The git facts that deploy.yml can refer to, read from the files of the repository where possible."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path

from shipit.config.process_environment import ProcessEnvironment
from shipit.files import MIB, Unreadable, is_within, read_text
from shipit.git_command import ask_git
from shipit.process import ProgramFailed

_DIGITS = re.compile(r"[0-9a-f]{7,64}")
# Source: git-fetch(1), "GIT URLS".
_SCP = re.compile(r"(?:[^@/:\s]+@)?(?P<host>[A-Za-z0-9.-]+):(?!//)(?P<path>[^\s?#@]+)")
_URL = re.compile(r"(?P<scheme>https?|ssh)://(?:[^@/\s]*@)?(?P<host>[A-Za-z0-9.:\[\]-]+)/(?P<path>[^\s?#@]+)")
# What git check-ref-format lets a name hold.
_REF = re.compile(r"[^\x00-\x20\x7f~^:?*\[\\]+")


class Git:
    """Facts about the work tree of `folder`, read when first needed. Each is None outside of a work tree."""

    def __init__(self, folder: Path, environment: ProcessEnvironment) -> None:
        self.folder = folder
        self._environment = environment

    @cached_property
    def _top(self) -> Path | None:
        """The top of the work tree."""
        return next((parent for parent in (self.folder, *self.folder.parents) if (parent / ".git").exists()), None)

    @cached_property
    def _directory(self) -> Path | None:
        """The folder with git's own files; None also where an untrusted one is elsewhere."""
        top = self._top
        if top is None or (top / ".git").is_dir():
            return top and top / ".git"
        found = _pointed(top / ".git", top, "gitdir:")
        return None if found and self._environment.is_untrusted and not is_within(found, top) else found

    @cached_property
    def subfolder(self) -> str | None:
        """The path of the folder in the work tree; empty for its top, None outside of one."""
        if self._top is None:
            return None
        found = self.folder.relative_to(self._top).as_posix()
        return "" if found == "." else found

    @cached_property
    def _head(self) -> str:
        return _read(self._directory / "HEAD") if self._directory else ""

    @cached_property
    def branch(self) -> str | None:
        name = self._head.removeprefix("ref: refs/heads/")
        return name if name != self._head and ".." not in name and _REF.fullmatch(name) else None

    @cached_property
    def sha(self) -> str | None:
        """The commit that HEAD names; None before the first commit."""
        if not self._directory:
            return None
        if not self._head.startswith("ref: "):
            return _commit(self._head)
        common = self._directory
        if (pointer := common / "commondir").is_file():
            common = _pointed(pointer, common) or common
        name = self._head.removeprefix("ref: ")
        # A name that leads elsewhere is no reference; what it leads to is never told as a commit.
        if not name.startswith("refs/") or ".." in name:
            return None
        return _commit(_read(common / name)) or _packed(common / "packed-refs", name)

    @cached_property
    def short(self) -> str | None:
        """The first seven digits of the commit."""
        return self.sha[:7] if self.sha else None

    @cached_property
    def tag(self) -> str | None:
        return self._run("describe", "--tags", "--exact-match", "HEAD") or None

    @cached_property
    def origin(self) -> str | None:
        """The URL of the remote `origin` without a login in it; None where it is no URL of http, https or ssh."""
        text = self._run("config", "--get", "remote.origin.url") or ""
        if found := _SCP.fullmatch(text):
            return f"ssh://{found['host']}/{found['path']}"
        if found := _URL.fullmatch(text):
            return f"{found['scheme']}://{found['host']}/{found['path']}"
        return None

    @cached_property
    def is_dirty(self) -> bool | None:
        """True where the work tree differs from the commit, untracked files included; None where git can't tell.

        The files of this command, such as a saved plan, do not count.
        """
        changes = self.changes()
        return None if changes is None else bool(changes)

    def changes(self) -> list[str] | None:
        """A line of `git status --porcelain` for each file that differs now; None where git can't tell."""
        top, files = self._top, self._environment.own_files
        own = [f":(exclude,literal){path}" for path in files if top is not None and is_within(path.parent, top)]
        out = self._run("status", "--porcelain", *(["--", ":(top)", *own] if own else []))
        return None if out is None else out.splitlines()

    def lookup(self, name: str) -> str | None:
        """The value of `git.NAME`, or None where it has none."""
        if name == "dirty":
            return None if self.sha is None or self.is_dirty is None else str(self.is_dirty).lower()
        value: str | None = getattr(self, name)
        return value

    def is_after(self, commit: str) -> bool | None:
        """True where HEAD is a descendant of a commit; None where this repository does not have it."""
        base = self._run("merge-base", commit, "HEAD") if _DIGITS.fullmatch(commit) else None
        return None if base is None else base == commit != self.sha

    def is_before(self, commit: str) -> bool:
        """True where a commit is a descendant of HEAD, or a whole clone does not have it yet."""
        base = self._run("merge-base", commit, "HEAD") if _DIGITS.fullmatch(commit) else ""
        if base is not None:
            return base == self.sha != commit
        return self._run("rev-parse", "--is-shallow-repository") == "false"

    def commit_times(self, commits: Iterable[str]) -> dict[str, str]:
        """Commit -> when it was made, in RFC 3339, for those that this repository has. They may be abbreviated."""
        names = sorted({name for name in commits if _DIGITS.fullmatch(name)})
        if not names:
            return {}
        out = self._run("log", "--no-walk", "--ignore-missing", "--format=%H %cI", *names, "--") or ""
        known = [line.split(" ", 1) for line in out.splitlines() if " " in line]
        return {name: at for name in names for sha, at in known if sha.startswith(name)}

    def _run(self, *arguments: str) -> str | None:
        """What git prints; None outside of a work tree, and where git fails or is not there."""
        if not self._directory:
            return None
        environment = self._environment
        try:
            done = ask_git(
                arguments,
                self.folder,
                environment.variables,
                is_trusted=not environment.is_untrusted,
                timeout_s=20,
                max_bytes=64 * MIB,
            )
        except ProgramFailed:
            return None
        return done.output.decode("utf-8", "replace").rstrip() if done.code == 0 else None


def _packed(file: Path, name: str) -> str | None:
    lines = _read(file, max_bytes=64 * MIB).splitlines()
    return next((_commit(line.split(" ")[0]) for line in lines if line.endswith(f" {name}")), None)


def _read(file: Path, max_bytes: int = MIB) -> str:
    """The text of a file of git; empty when it can't be read."""
    try:
        return read_text(file, max_bytes=max_bytes).strip()
    except Unreadable:
        return ""


def _pointed(file: Path, base: Path, prefix: str = "") -> Path | None:
    """The path that a file of git names; None where it names none."""
    text = _read(file).removeprefix(prefix).strip()
    try:
        return (base / text).resolve() if text else None
    except (OSError, RuntimeError, ValueError):
        return None


def _commit(text: str) -> str | None:
    """The object name of a commit, in SHA-1 or SHA-256; None for anything else."""
    return text if re.fullmatch(r"[0-9a-f]{40}|[0-9a-f]{64}", text) else None
