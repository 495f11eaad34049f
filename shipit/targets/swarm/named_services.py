"""The services of a target for shell completion: those of its stack file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from shipit.config.folder import ProjectFolder
from shipit.targets.engine.service_names import service_names, texts_of


def named_services(folder: ProjectFolder, part: Mapping[str, Any]) -> Sequence[str]:
    """`part` is the part of the target in deploy.yml. An unreadable file has none."""
    return service_names(folder, texts_of(part.get("file")))
