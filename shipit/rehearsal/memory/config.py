"""What deploy.yml says of a place in memory."""

from __future__ import annotations

from typing import ClassVar

from shipit.config.model import TargetConfig


class MemoryConfig(TargetConfig):
    """What every target takes; a place in memory can be brought back."""

    reverts: ClassVar[bool] = True
