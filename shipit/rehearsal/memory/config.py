"""The configuration of a place in a file, in deploy.yml."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from pydantic import Field

from shipit.config.model import TargetConfig
from shipit.config.position import Keys


class MemoryConfig(TargetConfig):
    """Keeps what was released in a file, and runs nothing: for rehearsals and tests."""

    reverts: ClassVar[bool] = True
    repository_for: ClassVar[str] = "to release from"

    file: str = Field("memory.json", description="The file, relative to deploy.yml; made by the first deploy.")

    def image_keys(self) -> Iterator[tuple[Keys, str | None]]:
        yield ("file",), None
