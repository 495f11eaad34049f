"""The registry that the user of `login` and `logout` means."""

from __future__ import annotations

from shipit.errors import ShipitError, UsageError
from shipit.reference import DOCKER_HUB, parse_reference


def registry_host(text: str) -> str:
    """The host of a registry, of a URL, or of a repository in it. Raises: UsageError for anything else."""
    bare = text.removeprefix("https://").removeprefix("http://").rstrip("/")
    if bare in ("docker.io", "index.docker.io", "registry-1.docker.io", "index.docker.io/v1"):
        return DOCKER_HUB
    try:
        found = parse_reference(f"{bare.split('/')[0]}/x/x")
    except ShipitError:
        found = None
    if found is None or found.registry == DOCKER_HUB:
        raise UsageError(
            f"{text!r} should be a registry's host", hint="for example ghcr.io, or docker.io for Docker Hub"
        )
    return found.registry
