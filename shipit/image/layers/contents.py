"""Extracts the content of files from layers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from shipit.errors import BuildError
from shipit.image.image import Layer
from shipit.image.layers.fetch import LayerReader
from shipit.image.layers.layer import spool
from shipit.image.tar.write import read_content
from shipit.image.tree.entries import Entry, InLayer, Slice

# The limit for /etc/passwd and /etc/group.
_MAX_USERS_BYTES = 4 * 1024 * 1024


def extract_contents(entries: Mapping[str, Entry], layers: LayerReader, folder: Path) -> Mapping[str, Entry]:
    """The same entries; contents in layers are extracted to a file in `folder`. Raises: BuildError, NeedsEngine."""
    wanted: dict[Layer, set[str]] = {}
    for entry in entries.values():
        if isinstance(entry.content, InLayer):
            wanted.setdefault(entry.content.layer, set()).add(entry.content.member)
    if not wanted:
        return entries
    places: dict[tuple[str, str], tuple[Slice, int]] = {}
    for layer, members in wanted.items():
        with spool(folder) as add:
            for member, reader in layers.members(layer):
                if member.kind == "file" and member.name in members:
                    # A name may occur twice; the last member counts.
                    places[layer.digest, member.name] = add(reader.content()), member.size
    return {path: _local(path, entry, places) for path, entry in entries.items()}


def read_users(path: str, entry: Entry, layers: LayerReader) -> bytes:
    """The bytes of a file such as /etc/passwd; empty when the entry is not a file.

    Raises: BuildError when it is too large for such a file.
    """
    if entry.kind != "file":
        return b""
    if entry.size <= _MAX_USERS_BYTES:
        if not isinstance(entry.content, InLayer):
            return b"".join(read_content(path, entry))
        data = layers.small_file(entry.content, _MAX_USERS_BYTES)
        if data is not None:
            return data
    raise BuildError(f"/{path} is larger than 4 MiB, so no name is looked up in it", hint="use a number")


def _local(path: str, entry: Entry, places: Mapping[tuple[str, str], tuple[Slice, int]]) -> Entry:
    if not isinstance(entry.content, InLayer):
        return entry
    place = places.get((entry.content.layer.digest, entry.content.member))
    if place is None:
        raise BuildError(f"/{path} is a hard link to a file that its layer lacks", where=entry.content.layer.digest)
    return entry._replace(content=place[0], size=place[1])
