"""The images of manifests: found, matched with those of deploy.yml, and pinned to digests. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from shipit.errors import ShipitError
from shipit.reference import parse_reference


def image_names(manifest: Any) -> Iterator[str]:
    """Every `image:` of a container in an object, wherever its pod template stands."""
    if isinstance(manifest, dict):
        for key, value in manifest.items():
            if key in ("containers", "initContainers") and isinstance(value, list):
                yield from (str(item["image"]) for item in value if isinstance(item, dict) and "image" in item)
            yield from image_names(value)
    elif isinstance(manifest, list):
        for item in manifest:
            yield from image_names(item)


def pin_images(manifest: Any, pinned: Callable[[str], str | None]) -> Any:
    """The object with each container's image replaced where `pinned` knows it."""
    if isinstance(manifest, list):
        return [pin_images(item, pinned) for item in manifest]
    if not isinstance(manifest, dict):
        return manifest
    out = {}
    for key, value in manifest.items():
        if key in ("containers", "initContainers") and isinstance(value, list):
            out[key] = [_pin_container(item, pinned) for item in value]
        else:
            out[key] = pin_images(value, pinned)
    return out


def _pin_container(container: Any, pinned: Callable[[str], str | None]) -> Any:
    if not isinstance(container, dict) or "image" not in container:
        return container
    return {**container, "image": pinned(str(container["image"])) or container["image"]}


def image_for(text: str, repositories: Mapping[str, str]) -> str | None:
    """The image of deploy.yml that a container's `image:` means: its name there, or its repository under any tag."""
    if text in repositories:
        return text
    try:
        name = parse_reference(text).name
    except ShipitError:
        return None
    return next((image for image, repository in repositories.items() if repository == name), None)
