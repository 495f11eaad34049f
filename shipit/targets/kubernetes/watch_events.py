"""The events of a watch, and what they change in a list of objects. Pure.

Source: Kubernetes API concepts, "Efficient detection of changes", "Watch bookmarks"; API reference, meta/v1 WatchEvent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Generic, NamedTuple, TypeVar

from shipit.errors import RemoteError
from shipit.http.fields import Field
from shipit.json_text import parse_json

T = TypeVar("T")
# Of one event in bytes: etcd accepts objects of 1.5 MiB by default.
LONGEST_LINE = 8 * 1024 * 1024
_CHANGES = ("ADDED", "MODIFIED", "DELETED")


class InvalidWatch(RemoteError):
    """The stream has something else than events."""


class Entry(NamedTuple, Generic[T]):
    """An object of a list: its uid and resourceVersion, and its parsed value."""

    uid: str
    version: str
    value: T


class WatchEvent(NamedTuple):
    """`type` is ADDED, MODIFIED, DELETED, BOOKMARK or ERROR. `code` is the HTTP status of an ERROR."""

    type: str
    version: str
    item: Field
    code: int = 0


def lines_of(pieces: Iterable[bytes], where: str) -> Iterator[bytes]:
    """The lines of a stream, without empty ones. Raises: InvalidWatch for a line that is too long."""
    rest = bytearray()
    for piece in pieces:
        first, *others = piece.split(b"\n")
        rest += first
        if len(rest) > LONGEST_LINE:
            raise InvalidWatch("an event of the watch is longer than 8 MiB", where=where)
        for line in others:
            if whole := bytes(rest).strip():
                yield whole
            rest = bytearray(line)


def parse_watch_event(line: bytes, where: str) -> WatchEvent:
    """Raises: InvalidWatch for what is no event, RemoteError for an object without a resourceVersion."""
    try:
        value = parse_json(line)
    except ValueError:
        raise InvalidWatch("an event of the watch should be JSON", where=where) from None
    part = Field(value, where)
    if not isinstance(value, dict) or not isinstance(value.get("object"), dict):
        raise InvalidWatch("an event of the watch should have a type and an object", where=where)
    kind, item = part["type"].text(), part["object"]
    if kind == "ERROR":
        return WatchEvent(kind, "", item, item["code"].whole())
    if kind != "BOOKMARK" and kind not in _CHANGES:
        raise InvalidWatch("an event of the watch has an unknown type", where=where)
    return WatchEvent(kind, item["metadata"]["resourceVersion"].required(), item)


def entry_of(item: Field, parse: Callable[[Field], T], known: Mapping[str, Entry[T]]) -> tuple[str, Entry[T]]:
    """The name and the entry of an object. One that is known in the same version is not parsed again."""
    metadata = item["metadata"]
    name, uid, version = metadata["name"].required(), metadata["uid"].text(), metadata["resourceVersion"].text()
    entry = known.get(name)
    if entry is not None and version and (entry.uid, entry.version) == (uid, version):
        return name, entry
    return name, Entry(uid, version, parse(item))


def after(entries: Mapping[str, Entry[T]], event: WatchEvent, parse: Callable[[Field], T]) -> Mapping[str, Entry[T]]:
    """The entries by name after an event; the same mapping where it changes nothing, as an event that comes too late.

    Raises: RemoteError for an object that can't be parsed.
    """
    if event.type not in _CHANGES:
        return entries
    metadata = event.item["metadata"]
    name = metadata["name"].required()
    known = entries.get(name)
    if known is not None and _is_older(event.version, known.version):
        return entries
    if event.type == "DELETED":
        if known is None or known.uid != metadata["uid"].text():
            return entries
        return {key: entry for key, entry in entries.items() if key != name}
    name, entry = entry_of(event.item, parse, entries)
    return entries if entry is known else {**entries, name: entry}


def versions_of(entries: Mapping[str, Entry[Any]]) -> dict[str, tuple[str, str]]:
    """Name -> uid and resourceVersion, by which two lists are compared."""
    return {name: (entry.uid, entry.version) for name, entry in entries.items()}


def _is_older(version: str, other: str) -> bool:
    """Whether a resourceVersion is below another one, where both are numbers.

    They are compared as text: Python converts no more than 4300 digits.
    """
    return version.isdecimal() and other.isdecimal() and (len(version), version) < (len(other), other)
