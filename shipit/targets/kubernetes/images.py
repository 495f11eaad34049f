"""The images of manifests: found, matched with those of deploy.yml, and pinned to digests. Pure.

Source: Kubernetes API reference, PodSpec: containers, initContainers, ephemeralContainers, volumes[].image.reference. A pod
template is found wherever it stands, in custom resources too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from shipit.errors import ShipitError
from shipit.reference import parse_reference
from shipit.targets.kubernetes.field_path import replaced_at, values_at

_CONTAINERS = ("containers", "initContainers", "ephemeralContainers")


class ImageField(NamedTuple):
    """A field that names an image, of objects of a kind; of all where it is None."""

    kind: str | None
    path: str


def image_names(manifest: Any, fields: Iterable[ImageField] = ()) -> Iterator[str]:
    """Every image of an object: those of containers and image volumes, and those of the fields."""
    yield from _names(manifest)
    for field in _of_kind(fields, manifest):
        yield from (text for text in values_at(manifest, field.path) if isinstance(text, str))


def pin_images(manifest: Any, pinned: Callable[[str], str | None], fields: Iterable[ImageField] = ()) -> Any:
    """The object with each image replaced where `pinned` knows it."""
    manifest = _pin(manifest, pinned)
    for field in _of_kind(fields, manifest):
        manifest = replaced_at(manifest, field.path, lambda text: _pinned(text, pinned))
    return manifest


def image_for(text: str, repositories: Mapping[str, str]) -> str | None:
    """The image of deploy.yml that a container's `image:` means: its name there, or its repository under any tag or digest."""
    if text in repositories:
        return text
    try:
        name = parse_reference(text).name
    except ShipitError:
        return None
    return next((image for image, repository in repositories.items() if repository == name), None)


def _of_kind(fields: Iterable[ImageField], manifest: Mapping[str, Any]) -> Iterator[ImageField]:
    return (field for field in fields if field.kind in (None, manifest.get("kind")))


def _names(value: Any) -> Iterator[str]:
    for key, part in value.items() if isinstance(value, dict) else ():
        if isinstance(part, list):
            for item in part:
                yield from (str(image) for image in (_image_of(key, item),) if image)
        yield from _names(part)
    for part in value if isinstance(value, list) else ():
        yield from _names(part)


def _image_of(key: str, item: Any) -> Any:
    """The image of an item of a list of containers or volumes; None where it has none."""
    if not isinstance(item, dict):
        return None
    if key in _CONTAINERS:
        return item.get("image")
    volume = item.get("image") if key == "volumes" else None
    return volume.get("reference") if isinstance(volume, dict) else None


def _pin(value: Any, pinned: Callable[[str], str | None]) -> Any:
    if isinstance(value, list):
        return [_pin(item, pinned) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        key: [_pin_item(key, item, pinned) for item in part] if isinstance(part, list) else _pin(part, pinned)
        for key, part in value.items()
    }


def _pin_item(key: str, item: Any, pinned: Callable[[str], str | None]) -> Any:
    image, item = _image_of(key, item), _pin(item, pinned)
    if not image:
        return item
    if key in _CONTAINERS:
        return {**item, "image": _pinned(image, pinned)}
    return {**item, "image": {**item["image"], "reference": _pinned(image, pinned)}}


def _pinned(image: Any, pinned: Callable[[str], str | None]) -> Any:
    return pinned(image) or image if isinstance(image, str) else image
