"""What a build is asked for."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from shipit.image.withheld import Withheld
from shipit.platforms import this_platform

# 1980-01-01, the first moment that every archive format can hold; SOURCE_DATE_EPOCH says another time of the image.
EPOCH_S = 315_532_800


@dataclass(frozen=True)
class BuildOptions:
    """`context` and `dockerfile` are absolute. `created_s` is the time of the image, in Unix seconds.

    `platform` is the one to build for, `build_platform` the one that builds: that of this machine, or of an engine.
    `times` is what gives files theirs; `variables` are the environment of git, which is asked for those of commits, and runs
    no program that its repository names where the project `is_untrusted`.
    `secrets` are the values by id for `RUN --mount=type=secret`; `ssh` is whether the agent is forwarded.
    `cache` is the reference in a registry that keeps what RUN made, empty for none. `left_out` are paths of the context that
    are our own, and that no build sees; `withheld` are others, by more than their path.
    """

    context: Path
    dockerfile: Path
    args: Mapping[str, str] = field(default_factory=dict)
    stage: str | None = None
    platform: str = "linux/amd64"
    build_platform: str = field(default_factory=this_platform)
    builder: Literal["auto", "native", "engine", "buildx"] = "auto"
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    ssh: bool = False
    cache: str = ""
    left_out: tuple[str, ...] = (".shipit",)
    withheld: Withheld = field(default_factory=Withheld, repr=False)
    times: Literal["content", "commit"] = "content"
    variables: Mapping[str, str] = field(default_factory=dict, repr=False)
    is_untrusted: bool = False
    created_s: int = EPOCH_S

    @property
    def created(self) -> str:
        return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self.created_s))
