"""Paths in deploy.yml: relative to its folder, with `~/` for the home, and inside of an untrusted project."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from shipit.config.process_environment import ProcessEnvironment, project_root
from shipit.files import DEFAULT_LIMIT, check_within, read_file


class ProjectFolder(NamedTuple):
    """The folder of deploy.yml. `within` is a folder that no path or link may leave; None when there is no limit."""

    path: Path
    home: Path
    within: Path | None = None

    def file(self, text: str) -> Path:
        """The path of a text in deploy.yml."""
        return self.path / expand_home(text, self.home)

    def checked(self, text: str) -> Path:
        """The path of a text in deploy.yml. Raises: Unreadable when it is outside of an untrusted project."""
        path = self.file(text)
        if self.within is not None:
            check_within(path, self.within)
        return path

    def read(self, text: str | Path, *, max_bytes: int = DEFAULT_LIMIT) -> bytes:
        """The bytes of the regular file at a path. Raises: Unreadable."""
        return read_file(self.file(str(text)), max_bytes=max_bytes, within=self.within)


def project_folder(folder: Path, environment: ProcessEnvironment) -> ProjectFolder:
    """The folder of a deploy.yml. For an untrusted one `within` is its git tree, or the folder itself."""
    real = folder.resolve()
    within = project_root(real, environment.home) if environment.is_untrusted else None
    return ProjectFolder(real, environment.home, within)


def expand_home(text: str, home: Path) -> Path:
    """A path whose `~` at the beginning is the home; `~` anywhere else, and before a name, is a character like others."""
    if text == "~":
        return home
    return home / text.removeprefix("~/").lstrip("/") if text.startswith("~/") else Path(text)
