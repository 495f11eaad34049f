"""The releases of a target, recorded on its first host: each is the label of an empty volume.

A volume needs no image, outlives `docker container prune` and `docker system prune`, and is created atomically.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable

from shipit.errors import ShipitError
from shipit.json_text import parse_json
from shipit.record import from_json, to_json
from shipit.targets.docker.client import HostClient
from shipit.targets.docker.plan_back import Record
from shipit.targets.docker.spec import LOCK, RECORD, Owner

# Records beyond the kept ones tell the history; their containers are gone.
MOST_RECORDS = 20
# The longest label: a longer record goes without the summaries of its steps.
_LONGEST = 64 * 1024


def read_records(client: HostClient, owner: Owner) -> tuple[Record, ...]:
    """The newest first. What is no record is left out."""
    found = (parse_record(volume.labels.get(RECORD, "")) for volume in client.volumes(owner.filters))
    return tuple(sorted((record for record in found if record), key=lambda record: -record.sequence))


def parse_record(text: str) -> Record | None:
    try:
        return from_json(Record, parse_json(text)) if text else None
    except (ShipitError, ValueError):
        return None


def write_record(client: HostClient, owner: Owner, record: Record) -> None:
    """Write a record, or replace the one of the same version; the oldest ones are removed."""
    earlier = read_records(client, owner)
    same = next((one for one in earlier if one.past.version == record.past.version), None)
    newest = max((one.sequence for one in earlier), default=0)
    record = record._replace(sequence=same.sequence if same else newest + 1)
    text = _text(record)
    name = _name(owner, record, text)
    client.create_volume(name, {**owner.labels, RECORD: text})
    old = {one.past.version for one in earlier[MOST_RECORDS:]} | {record.past.version}
    for volume in client.volumes(owner.filters):
        found = parse_record(volume.labels.get(RECORD, ""))
        if found and found.past.version in old and volume.name != name:
            client.remove_volume(volume.name)


def remove_records(client: HostClient, owner: Owner) -> None:
    for volume in client.volumes(owner.filters):
        if RECORD in volume.labels:
            client.remove_volume(volume.name)


def data_volumes(client: HostClient, owner: Owner) -> tuple[str, ...]:
    """The volumes of services that shipit made."""
    found = client.volumes(owner.filters)
    return tuple(sorted(volume.name for volume in found if RECORD not in volume.labels and LOCK not in volume.labels))


def kept_records(records: Iterable[Record], keep: int) -> tuple[Record, ...]:
    """The newest records whose containers are kept: `keep` healthy ones beside the newest, and all that are newer."""
    kept: list[Record] = []
    for record in records:
        if sum(one.past.state == "healthy" for one in kept) > keep:
            break
        kept.append(record)
    return tuple(kept)


def _text(record: Record) -> str:
    text = json.dumps(to_json(record), separators=(",", ":"))
    if len(text) <= _LONGEST:
        return text
    return json.dumps(to_json(record._replace(past=record.past._replace(changes=(), reason=""))), separators=(",", ":"))


def _name(owner: Owner, record: Record, text: str) -> str:
    """A name of its own for each content: a record is never changed, it is followed by another one."""
    short = hashlib.sha256(f"{owner.target} {text}".encode()).hexdigest()[:12]
    return f"{owner.prefix}-release-{short}"
