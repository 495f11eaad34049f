"""What an engine says of itself, read from its answer to GET /version. Pure.

Source: Docker Engine API, GET /version.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from shipit.http.fields import Field
from shipit.platforms import normal_platform

_API = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,9})*")
# The first API version with BuildKit in POST /build.
_BUILDKIT_SINCE = (1, 39)


class EngineVersion(NamedTuple):
    """Product and version, such as `Engine 20.10.24`; the version of its API; its platform, empty when it does not say."""

    title: str = "Engine"
    api: str = "0"
    platform: str = ""

    def has_api(self, major: int, minor: int) -> bool:
        return tuple(int(part) for part in self.api.split(".")) >= (major, minor)

    @property
    def is_podman(self) -> bool:
        return "podman" in self.title.lower()

    @property
    def has_buildkit(self) -> bool:
        """Whether POST /build?version=2 should work, by product and API version."""
        return self.has_api(*_BUILDKIT_SINCE) and not self.is_podman


def parse_version(answer: Any, where: str) -> EngineVersion:
    """The version in an engine's answer. Raises: RemoteError for an answer that no engine gives."""
    found = Field(answer, where)
    name = next((row["Name"].text("Engine") for row in found["Components"].rows()), "Engine")
    system, architecture = found["Os"], found["Arch"]
    is_silent = system.is_missing or architecture.is_missing
    return EngineVersion(
        f"{name} {found['Version'].text()}".strip(),
        found["ApiVersion"].matching(_API, "a version such as 1.45"),
        "" if is_silent else str(normal_platform(system.text(), architecture.text())),
    )
