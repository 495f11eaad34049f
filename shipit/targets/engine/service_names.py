"""The services that compose files name, as far as it is known without `docker compose`: for shell completion.

Source: docs.docker.com/reference/compose-file/include: paths are relative to the file that has them.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from shipit.config.document import read_map
from shipit.config.folder import ProjectFolder

_LARGEST, _MOST_FILES = 256 * 1024, 8


def service_names(folder: ProjectFolder, files: Sequence[str], profiles: Sequence[str] = ()) -> list[str]:
    """The services of these files and of those that they include, without those of other profiles; a file that can't be read has none."""
    found: list[str] = []
    waiting, seen = deque(map(folder.file, files)), set[Path]()
    while waiting and len(seen) < _MOST_FILES:
        file = waiting.popleft()
        if file not in seen:
            seen.add(file)
            text = read_map(folder, file, max_bytes=_LARGEST)
            found += _names(text, profiles)
            waiting += [Path(os.path.realpath(file.parent / path)) for path in _included(text) if "\0" not in path]
    return list(dict.fromkeys(found))


def _names(text: Mapping[str, Any], profiles: Sequence[str]) -> Iterator[str]:
    services = text.get("services")
    for name, service in services.items() if isinstance(services, Mapping) else ():
        own = service.get("profiles") if isinstance(service, Mapping) else None
        if not isinstance(own, list) or not own or set(map(str, own)) & set(profiles):
            yield str(name)


def _included(text: Mapping[str, Any]) -> Iterator[str]:
    rows = text.get("include")
    for row in rows if isinstance(rows, list) else ():
        yield from texts_of(row.get("path") if isinstance(row, Mapping) else row)


def texts_of(value: Any) -> list[str]:
    """A text or a list of texts, as it is written."""
    return [str(one) for one in value] if isinstance(value, list) else [value] if isinstance(value, str) else []
