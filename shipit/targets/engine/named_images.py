"""The images of deploy.yml that a compose file or a stack file names, as far as it is known without Docker's own programs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from typing import Any

from shipit.config.document import parse_document, plain_data
from shipit.config.folder import ProjectFolder
from shipit.config.image import ImageConfig
from shipit.errors import ShipitError
from shipit.reference import parse_reference

_LARGEST = 1024 * 1024


def named_images(
    folder: ProjectFolder, files: Sequence[str], chosen: Mapping[str, str], images: Mapping[str, ImageConfig]
) -> Set[str]:
    """The names of the images; all of them where a file says it in a way that only Compose knows: builds, variables, other files.

    `chosen` is the `images:` of the target: service -> image.
    """
    try:
        texts = [plain_data(parse_document(folder.read(name, max_bytes=_LARGEST), name)) for name in files]
        return frozenset(name for text in texts for name in _named(text, chosen, images))
    except (ShipitError, _Unknown):
        return frozenset(images)


class _Unknown(Exception):
    """The file leaves it to Compose which image a service runs."""


def _named(text: Any, chosen: Mapping[str, str], images: Mapping[str, ImageConfig]) -> Iterator[str]:
    services = text.get("services") if isinstance(text, dict) else None
    if not isinstance(services, dict) or "include" in text:
        raise _Unknown
    for name, service in services.items():
        image = service.get("image") if isinstance(service, dict) else None
        if name in chosen:
            yield chosen[name]
        elif not isinstance(image, str) or "$" in image or "build" in service or "extends" in service:
            raise _Unknown
        else:
            repository = parse_reference(image).name
            yield from (own for own, config in images.items() if config.repository == repository)
