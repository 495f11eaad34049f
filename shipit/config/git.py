"""The few git facts that deploy.yml may name, read from the repository's own files where that is enough."""

from __future__ import annotations

import subprocess
from functools import cached_property
from pathlib import Path


class Git:
    """Facts about the work tree that holds `folder`; every fact is None outside of one, and read when first asked for."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @cached_property
    def _directory(self) -> Path | None:
        for parent in (self.folder, *self.folder.parents):
            entry = parent / ".git"
            if entry.is_dir():
                return entry
            if entry.is_file():
                return (parent / entry.read_text().removeprefix("gitdir:").strip()).resolve()
        return None

    @cached_property
    def _head(self) -> str:
        try:
            return (self._directory / "HEAD").read_text().strip() if self._directory else ""
        except OSError:
            return ""

    @cached_property
    def branch(self) -> str | None:
        return self._head.removeprefix("ref: refs/heads/") if self._head.startswith("ref: refs/heads/") else None

    @cached_property
    def sha(self) -> str | None:
        """The commit that HEAD names; None before the first commit."""
        if not self._directory:
            return None
        if not self._head.startswith("ref: "):
            return self._head or None
        common = self._directory
        if (pointer := common / "commondir").is_file():
            common = (common / pointer.read_text().strip()).resolve()
        name = self._head.removeprefix("ref: ")
        try:
            return (common / name).read_text().strip()
        except OSError:
            return _packed(common / "packed-refs", name)

    @cached_property
    def short(self) -> str | None:
        """The first seven digits of the commit."""
        return self.sha[:7] if self.sha else None

    @cached_property
    def tag(self) -> str | None:
        return self._run("describe", "--tags", "--exact-match", "HEAD") or None

    @cached_property
    def is_dirty(self) -> bool:
        """Whether the work tree holds what the commit does not, files that are not tracked included."""
        return bool(self.changes())

    def changes(self) -> list[str] | None:
        """A line of `git status --porcelain` for each file that differs now; None where git can't tell."""
        out = self._run("status", "--porcelain")
        return None if out is None else out.splitlines()

    def lookup(self, name: str) -> str | None:
        """The value of `git.NAME`, or None where it has none."""
        if name == "dirty":
            return None if self.sha is None else str(self.is_dirty).lower()
        return {
            "sha": lambda: self.sha,
            "short": lambda: self.short,
            "branch": lambda: self.branch,
            "tag": lambda: self.tag,
        }[name]()

    def _run(self, *arguments: str) -> str | None:
        """What git prints; None outside of a work tree, and where git fails or is not there."""
        if not self._directory:
            return None
        command = ["git", "-C", str(self.folder), *arguments]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
        except (OSError, subprocess.TimeoutExpired):
            return None
        return done.stdout.rstrip() if done.returncode == 0 else None


def _packed(file: Path, name: str) -> str | None:
    try:
        lines = file.read_text().splitlines()
    except OSError:
        return None
    return next((line.split(" ")[0] for line in lines if line.endswith(f" {name}")), None)
