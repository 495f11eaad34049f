"""The services of a target for shell completion: those of its compose files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from shipit.config.folder import ProjectFolder
from shipit.targets.engine.service_names import service_names, texts_of


def named_services(folder: ProjectFolder, part: Mapping[str, Any]) -> Sequence[str]:
    """`part` is the part of the target in deploy.yml. Unreadable files have none."""
    from shipit.targets.compose.config import usual_files

    files = texts_of(part.get("file")) or list(usual_files(folder))
    return service_names(folder, files, texts_of(part.get("profiles")))
