"""The installed `docker buildx`: its version, and the builder that its user has chosen."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping

from shipit.process import ProgramFailed, run_program

# As long as it may take to ask it anything.
_TIMEOUT_S = 15


def buildx_version(variables: Mapping[str, str]) -> str:
    """`v0.13.1` of the plugin, or nothing."""
    words = _said(["version"], variables).split()
    return words[1] if len(words) > 1 and "buildx" in words[0] else ""


def chosen_builder(variables: Mapping[str, str]) -> str:
    """The builder that `docker buildx use` or BUILDX_BUILDER names; nothing where that is the engine itself."""
    said = _said(["inspect"], variables)
    name, driver = (re.search(rf"^{key}:\s+(\S+)$", said, re.MULTILINE) for key in ("Name", "Driver"))
    return name[1] if name and driver and driver[1] != "docker" else ""


def _said(words: list[str], variables: Mapping[str, str]) -> str:
    """What it answers; nothing where it is not installed, fails, or takes too long."""
    docker = shutil.which("docker", path=variables.get("PATH"))
    if docker is None:
        return ""
    try:
        done = run_program([docker, "buildx", *words], variables=variables, timeout_s=_TIMEOUT_S)
    except ProgramFailed:
        return ""
    return done.output.decode("utf-8", "replace") if done.code == 0 else ""
