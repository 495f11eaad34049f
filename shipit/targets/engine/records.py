"""The releases of a target, recorded on its engine: each is the label of an object, on a Docker host of an empty volume.

A volume needs no image, outlives `docker container prune` and `docker system prune`, and is created atomically.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from typing import Protocol, Self, TypeVar

from shipit.errors import RemoteError, ShipitError
from shipit.json_text import parse_json
from shipit.past_release import PastRelease
from shipit.record import from_json
from shipit.targets.engine.client import HostClient
from shipit.targets.engine.label_store import LabelStore, short_name
from shipit.targets.engine.owner import LOCK, RECORD, Owner
from shipit.targets.record_text import NO_RECORD, record_text

# Records beyond the kept ones tell the history; their containers are gone.
MOST_RECORDS = 20
# The longest label: a longer record goes without the summaries of its steps.
_LONGEST = 64 * 1024


class ReleaseRecord(Protocol):
    """A release as its host keeps it: each kind has a named tuple of its own. Newer ones have a higher `sequence`."""

    @property
    def past(self) -> PastRelease: ...

    @property
    def sequence(self) -> int: ...

    def _replace(self, *, past: PastRelease = ..., sequence: int = ...) -> Self: ...


R = TypeVar("R", bound=ReleaseRecord)


def read_records(
    store: LabelStore, owner: Owner, kind: type[R], warn: Callable[[str], None] = lambda text: None
) -> tuple[R, ...]:
    """The newest first. What is no record of the kind is left out; `warn` is told its name."""
    found: list[R] = []
    for one in store.list_labelled(owner.filters):
        record = parse_record(one.labels.get(RECORD, ""), kind)
        if record:
            found.append(record)
        elif RECORD in one.labels:
            warn(f"{one.name} {NO_RECORD}")
    return tuple(sorted(found, key=lambda record: -record.sequence))


def find_record(store: LabelStore, owner: Owner, kind: type[R], version: str, where: str) -> R:
    """The record of a release. `where` is the identity of the place, for the error. Raises: RemoteError where there is none."""
    for record in read_records(store, owner, kind):
        if record.past.version == version:
            return record
    raise cannot_return(f"has no record of the release {version}", where)


def cannot_return(what: str, where: str) -> RemoteError:
    """The error for a release to which a place can't return."""
    return RemoteError(what, where=where, hint="shipit history lists the releases")


def parse_record(text: str, kind: type[R]) -> R | None:
    try:
        return from_json(kind, parse_json(text)) if text else None
    except (ShipitError, ValueError):
        return None


def write_record(store: LabelStore, owner: Owner, record: ReleaseRecord) -> None:
    """Write a record, or replace the one of the same version; the oldest ones are removed."""
    kind = type(record)
    earlier = read_records(store, owner, kind)
    same = next((one for one in earlier if one.past.version == record.past.version), None)
    newest = max((one.sequence for one in earlier), default=0)
    record = record._replace(sequence=same.sequence if same else newest + 1)
    text = record_text(record, _LONGEST)
    name = _name(owner, record, text)
    store.put(name, {**owner.labels, RECORD: text})
    old = {one.past.version for one in earlier[MOST_RECORDS:]} | {record.past.version}
    for one in store.list_labelled(owner.filters):
        found = parse_record(one.labels.get(RECORD, ""), kind)
        if found and found.past.version in old and one.name != name:
            store.drop(one.name)


def remove_records(store: LabelStore, owner: Owner) -> None:
    for one in store.list_labelled(owner.filters):
        if RECORD in one.labels:
            store.drop(one.name)


def data_volumes(client: HostClient, owner: Owner) -> tuple[str, ...]:
    """The volumes of services that shipit made."""
    found = client.volumes(owner.filters)
    return tuple(sorted(volume.name for volume in found if RECORD not in volume.labels and LOCK not in volume.labels))


def kept_records(records: Iterable[R], keep: int) -> tuple[R, ...]:
    """The newest records whose containers are kept: `keep` healthy ones beside the newest, and all that are newer."""
    kept: list[R] = []
    for record in records:
        if sum(one.past.state == "healthy" for one in kept) > keep:
            break
        kept.append(record)
    return tuple(kept)


def _name(owner: Owner, record: ReleaseRecord, text: str) -> str:
    """A name of its own for each content: a record is never changed, it is followed by another one."""
    short = hashlib.sha256(f"{owner.target} {text}".encode()).hexdigest()[:12]
    return short_name(f"{owner.prefix}-release-{short}")
