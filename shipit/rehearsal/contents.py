"""Reads manifests, and renders lists and ranges, for the embedded registry. Pure.

Source: OCI distribution-spec 1.1, "Pushing manifests", "Listing tags", "Listing referrers"; image-spec 1.1, manifest.md.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from shipit.image.manifest import INDEX_TYPES, MANIFEST_TYPES
from shipit.json_text import parse_json

KINDS = (*MANIFEST_TYPES.values(), *INDEX_TYPES)


class Row(NamedTuple):
    digest: str
    size_bytes: int


class Contents(NamedTuple):
    """What a manifest refers to: blobs, its config first; other manifests; and the digest of its subject, if any."""

    blobs: tuple[Row, ...]
    manifests: tuple[Row, ...]
    subject: str


def read_manifest(data: bytes, kind: str) -> Contents | None:
    """What a manifest of a media type refers to; None when it is invalid."""
    try:
        manifest = parse_json(data)
        if manifest.get("mediaType", kind) != kind or manifest["schemaVersion"] != 2:
            return None
        rows = manifest["manifests"] if kind in INDEX_TYPES else [manifest["config"], *manifest["layers"]]
        kept = tuple(Row(str(row["digest"]), int(row["size"])) for row in rows if not _is_elsewhere(row))
        subject = str((manifest.get("subject") or {}).get("digest", ""))
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    return Contents((), kept, subject) if kind in INDEX_TYPES else Contents(kept, (), subject)


def _is_elsewhere(row: Mapping[str, Any]) -> bool:
    """Whether a layer is non-distributable, and so is in no registry."""
    return "nondistributable" in row["mediaType"] or "foreign" in row["mediaType"]


def referrers(
    manifests: Iterable[tuple[str, str, bytes]], subject: str, artifact_type: str | None
) -> list[dict[str, Any]]:
    """Descriptors of the manifests (digest, media type, bytes) whose subject is a digest."""
    found = []
    for digest, kind, data in manifests:
        manifest = parse_json(data)
        if (manifest.get("subject") or {}).get("digest") != subject:
            continue
        own = manifest.get("artifactType") or (manifest.get("config") or {}).get("mediaType", "")
        if artifact_type is None or artifact_type == own:
            row = {"mediaType": kind, "digest": digest, "size": len(data), "artifactType": own}
            annotations = manifest.get("annotations")
            found.append({**row, **({"annotations": annotations} if annotations else {})})
    return found


def page(names: Sequence[str], query: Mapping[str, str]) -> tuple[list[str], bool]:
    """One page of at most `n` names after `last`, sorted; and whether it is the last page."""
    rest = [name for name in sorted(names) if name > query.get("last", "")]
    size = int(query["n"]) if re.fullmatch(r"[0-9]{1,9}", query.get("n", ""), re.ASCII) else len(rest)
    return rest[:size], size == 0 or len(rest) <= size


def parse_range(header: str, size: int) -> tuple[int, int] | None:
    """The first and the last byte of a range such as `bytes=0-99`; None when it can't be satisfied."""
    found = re.fullmatch(r"bytes=([0-9]{0,18})-([0-9]{0,18})", header, re.ASCII)
    if not found or found[1] == found[2] == "" or size == 0:
        return None
    if not found[1]:
        return max(0, size - int(found[2])), size - 1
    start, end = int(found[1]), min(int(found[2] or size), size - 1)
    return (start, end) if start <= end else None
