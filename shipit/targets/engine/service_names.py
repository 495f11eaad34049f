"""The services that compose files name, as far as it is known without `docker compose`: for shell completion."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from shipit.config.document import parse_document, plain_data
from shipit.config.folder import ProjectFolder
from shipit.errors import ShipitError

_LARGEST, _MOST_FILES = 256 * 1024, 8


def service_names(folder: ProjectFolder, files: Sequence[str], profiles: Sequence[str] = ()) -> list[str]:
    """The services of these files without those of other profiles; a file that can't be read has none."""
    own = list(dict.fromkeys(files))[:_MOST_FILES]
    return list(dict.fromkeys(name for file in own for name in _names(folder, file, profiles)))


def _names(folder: ProjectFolder, file: str, profiles: Sequence[str]) -> Iterator[str]:
    try:
        text = plain_data(parse_document(folder.read(file, max_bytes=_LARGEST), file))
    except ShipitError:
        return
    services = text.get("services") if isinstance(text, Mapping) else None
    for name, service in services.items() if isinstance(services, Mapping) else ():
        own = service.get("profiles") if isinstance(service, Mapping) else None
        if not isinstance(own, list) or not own or set(map(str, own)) & set(profiles):
            yield str(name)


def texts_of(value: Any) -> list[str]:
    """A text or a list of texts, as it is written."""
    return [str(one) for one in value] if isinstance(value, list) else [value] if isinstance(value, str) else []
