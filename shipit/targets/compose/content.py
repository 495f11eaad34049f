"""A rendered file with all that a run of it needs, and what a plan sees of it. Pure."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Callable, Mapping
from typing import NamedTuple

from shipit.errors import RemoteError
from shipit.json_text import parse_json
from shipit.record import InvalidRecord, from_json, to_json
from shipit.targets.compose.file import GIVEN, WHERE, ComposeFile, parse_file
from shipit.targets.compose.observed import Wanted, WantedService

# A label with more characters is not written; a kept file that unpacks to more bytes is not read.
LONGEST_LABEL = 256 * 1024
_LARGEST = 16 * 1024 * 1024


class Content(NamedTuple):
    """A rendered file. Text, hashes and variables may tell secrets: they go to the engine, and nowhere else.

    `hashes`: service -> the hash that Compose gives its settings. `images`: service -> its pinned image, where it is one of
    deploy.yml. `platforms`: pinned image -> its platform. `variables` are those that the file takes from the environment when
    it is started. `commit` is the one that was released with it first, where that is known.
    """

    text: str
    hashes: Mapping[str, str]
    images: Mapping[str, str]
    platforms: Mapping[str, str]
    variables: Mapping[str, str] = {}
    commit: str = ""

    def file_id(self, mark: Callable[[str], str]) -> str:
        return mark(json.dumps([self.text, dict(sorted(self.variables.items()))]))


def wanted_of(content: Content, mark: Callable[[str], str]) -> Wanted:
    """A rendered file for plans and verdicts: keyed hashes in place of values. Raises: RemoteError for a text that is no compose file."""
    services = {
        name: WantedService(
            service.image or f"<{name}>",
            mark(content.hashes.get(name, "")),
            service.quantity,
            service.may_end,
            service.is_awaited,
            {key: mark(value) for key, value in sorted(service.env.items())},
            service.needs,
            service.follows,
            service.awaits,
            service.alone,
            service.volumes,
            service.claims,
        )
        for name, service in parse_file(content.text.encode()).services.items()
    }
    return Wanted(content.file_id(mark), services, content.images, content.platforms)


def pack(content: Content) -> str:
    """The content as text of a label."""
    return base64.b64encode(zlib.compress(json.dumps(to_json(content)).encode(), 9)).decode()


def unpack(text: str) -> Content | None:
    """None for text that is no content, and for one that is larger than any that is written."""
    if not text or len(text) > LONGEST_LABEL:
        return None
    try:
        unpacker = zlib.decompressobj()
        data = unpacker.decompress(base64.b64decode(text, validate=True), _LARGEST)
        return from_json(Content, parse_json(data)) if unpacker.eof else None
    except (ValueError, zlib.error, InvalidRecord):
        return None


def starting_variables(file: ComposeFile, values: Mapping[str, str]) -> dict[str, str]:
    """The variables that secrets and configs of a file take from the environment when it is started."""
    names = {str(row["environment"]) for kind in GIVEN for row in file.of_kind(kind).values() if row.get("environment")}
    if missing := sorted(names - set(values)):
        raise RemoteError(f"the variable {missing[0]} is not set", where=WHERE)
    return {name: values[name] for name in sorted(names)}
