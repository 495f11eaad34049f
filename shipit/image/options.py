"""The options of a build."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from shipit.image.withheld import Withheld
from shipit.platforms import this_platform

# 1980-01-01, the earliest time that every archive format can hold; SOURCE_DATE_EPOCH sets another time of the image.
EPOCH_S = 315_532_800


@dataclass(frozen=True)
class BuildOptions:
    """`context` and `dockerfile` are absolute paths. `created_s` is the image's time, in Unix seconds.

    `platform` is the target platform; `build_platform` is that of the builder: this machine, or an engine.
    `times` is the source of file times. For `commit`, git runs with the environment `variables`, and when the project
    `is_untrusted`, without programs that its repository configures.
    `secrets`: id -> value for `RUN --mount=type=secret`. `ssh`: forward the ssh agent.
    `cache` is the reference for the build cache in a registry, empty for none.
    `left_out` are paths of the context that belong to shipit, and `withheld` are files that no build may read.
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
