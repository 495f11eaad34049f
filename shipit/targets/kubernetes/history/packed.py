"""The record of a release as a Secret, and back: compressed and bounded. Pure.

Source: Kubernetes API reference, v1 Secret: the values of a Secret have 1 MiB in all.
"""

from __future__ import annotations

import base64
import gzip
import json
import zlib
from collections.abc import Mapping

from shipit.errors import RemoteError, ShipitError
from shipit.json_text import parse_json
from shipit.record import from_json, to_json
from shipit.targets.kubernetes.applyset import label_part
from shipit.targets.kubernetes.desired import Desired
from shipit.targets.kubernetes.history.record import Record, problem_in
from shipit.targets.kubernetes.live import Meta
from shipit.targets.kubernetes.render import MANAGED_BY, RELEASE_LABEL, Manifest

TYPE = "shipit.dev/release"
# The state of the release, when it was released, and what it needs in the cluster, as `Secret/name ConfigMap/name`.
STATE, RELEASED, NEEDS = "shipit.dev/state", "shipit.dev/released-at", "shipit.dev/needs"
_KEY = "record"
# Compressed, and after it was unpacked.
MOST_BYTES, _MOST_UNPACKED = 900 * 1024, 64 * 1024 * 1024
_MOST_CHANGES = 100


def record_name(desired: Desired, version: str) -> str:
    """The name of the Secret of a release."""
    return f"{desired.set_name}.{label_part(version)}"


def render_record(desired: Desired, record: Record) -> Manifest:
    """The Secret. It is no member of the ApplySet: prune leaves it, and destroy removes it by its own label.

    A record that is too large has no objects, and says so.
    """
    packed, record = _fitting(record)
    past = record.past
    labels = {
        "app.kubernetes.io/part-of": desired.project.app,
        "app.kubernetes.io/managed-by": MANAGED_BY,
        RELEASE_LABEL: desired.set_id,
    }
    annotations = {STATE: past.state, RELEASED: past.released_at, NEEDS: " ".join(record.needs)}
    metadata = {"name": record_name(desired, past.version), "namespace": desired.namespace, "labels": labels}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {**metadata, "annotations": annotations},
        "type": TYPE,
        "data": {_KEY: base64.b64encode(packed).decode()},
    }


def _fitting(record: Record) -> tuple[bytes, Record]:
    packed = _packed(record)
    if len(packed) <= MOST_BYTES:
        return packed, record
    why = f"its manifests have {len(packed) // 1024} KiB, compressed, and a Secret holds 1 MiB"
    past = record.past._replace(gone=why, changes=record.past.changes[:_MOST_CHANGES])
    bare = Record(past, digests=record.digests, has_command=record.has_command, left_out=why)
    return _packed(bare), bare


def _packed(record: Record) -> bytes:
    return gzip.compress(json.dumps(to_json(record), separators=(",", ":")).encode(), mtime=0)


def unpack(data: Mapping[str, object]) -> Record:
    """The record in the data of a Secret. Raises: RemoteError with what is wrong with it."""
    try:
        packed = base64.b64decode(str(data[_KEY]), validate=True)
        decompressor = zlib.decompressobj(wbits=31)
        text = decompressor.decompress(packed, _MOST_UNPACKED)
        if not decompressor.eof:
            raise RemoteError(f"should have at most {_MOST_UNPACKED >> 20} MiB, and an end")
        record = from_json(Record, parse_json(text))
    except (KeyError, zlib.error, ValueError):
        raise RemoteError(f"should have the JSON of a release, compressed, under {_KEY}") from None
    except ShipitError as error:
        raise RemoteError(f"has {error}") from None
    if problem := problem_in(record):
        raise RemoteError(problem)
    return record


def needs_of(meta: Meta) -> frozenset[str]:
    """What a kept release needs in the cluster, by the metadata of its Secret."""
    return frozenset(meta.annotations.get(NEEDS, "").split())
