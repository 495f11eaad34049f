"""The installed `docker buildx` plugin: its version, and the builder that the user selected."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping

from shipit.process import ProgramFailed, run_program

# For each call of the plugin.
_TIMEOUT_S = 15


def buildx_version(variables: Mapping[str, str]) -> str:
    """The plugin's version, such as `v0.13.1`; empty when it is not installed."""
    words = _output(["version"], variables).split()
    return words[1] if len(words) > 1 and "buildx" in words[0] else ""


def chosen_builder(variables: Mapping[str, str]) -> str:
    """The builder that `docker buildx use` or BUILDX_BUILDER selects; empty when that is the engine itself."""
    output = _output(["inspect"], variables)
    name, driver = (re.search(rf"^{key}:\s+(\S+)$", output, re.MULTILINE) for key in ("Name", "Driver"))
    return name[1] if name and driver and driver[1] != "docker" else ""


def _output(words: list[str], variables: Mapping[str, str]) -> str:
    """The plugin's standard output; empty when it is not installed, fails, or times out."""
    docker = shutil.which("docker", path=variables.get("PATH"))
    if docker is None:
        return ""
    try:
        done = run_program([docker, "buildx", *words], variables=variables, timeout_s=_TIMEOUT_S)
    except ProgramFailed:
        return ""
    return done.output.decode("utf-8", "replace") if done.code == 0 else ""
