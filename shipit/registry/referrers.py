"""The manifests that refer to an image: signatures, SBOMs, attestations.

Source: OCI distribution-spec 1.1, "Listing Referrers" and "Referrers Tag Schema"; cosign's specification, "Discovery".
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from shipit.digest import Digest
from shipit.image.manifest import INDEX_TYPES, Index, InvalidManifest, parse_manifest, parse_object
from shipit.registry.wire import RegistryWire

INDEX = INDEX_TYPES[0]
# Of a registry that does not know the request.
_UNKNOWN = (400, 404, 405, 501)
_MOST = 200


class Listed(NamedTuple):
    """The digests of a list of referrers, at most 200; whether these are all of the registry's."""

    digests: tuple[Digest, ...]
    is_whole: bool = True


def referrers_tag(subject: Digest) -> str:
    """The tag of the list of referrers where the registry keeps none itself."""
    return f"{subject.partition(':')[0]}-{subject.partition(':')[2]}"


def attached_tags(subject: Digest) -> tuple[str, ...]:
    """The tags by which cosign finds a signature, attestations and an SBOM of an image."""
    return tuple(f"{referrers_tag(subject)}.{kind}" for kind in ("sig", "att", "sbom"))


def read_referrers(wire: RegistryWire, repository: str, subject: Digest) -> Listed | None:
    """The first page of what a registry lists as referrers; None where it keeps no such list.

    Raises: RemoteError; InvalidManifest for an index that is none.
    """
    answer = wire.ask("GET", repository, f"referrers/{subject}", headers={"Accept": INDEX}, ok=(200, *_UNKNOWN))
    # A proxy may answer 200 to everything.
    if answer.status != 200 or answer.header("Content-Type").partition(";")[0].strip() != INDEX:
        return None
    found = digests_of(answer.content)
    return found._replace(is_whole=found.is_whole and not answer.header("Link"))


def digests_of(data: bytes) -> Listed:
    """The digests of a list of referrers. Raises: InvalidManifest."""
    found = parse_manifest(data)
    if not isinstance(found, Index):
        raise InvalidManifest("the list of referrers is no index")
    digests = tuple(dict.fromkeys(row.digest for row in found.rows))
    return Listed(digests[:_MOST], len(digests) <= _MOST)


def described(data: bytes, digest: Digest, media_type: str) -> dict[str, Any]:
    """The descriptor of a manifest in a list of referrers. Raises: InvalidManifest."""
    manifest = parse_object(data, "manifest")
    config = manifest.get("config")
    kind = manifest.get("artifactType") or (config.get("mediaType") if isinstance(config, dict) else None)
    row = {"mediaType": media_type, "digest": str(digest), "size": len(data)}
    own = {"artifactType": kind, "annotations": manifest.get("annotations")}
    return {**row, **{name: value for name, value in own.items() if value}}


def with_referrer(listed: bytes | None, row: dict[str, Any]) -> bytes:
    """A list of referrers with one more. `listed` is the list until now. Raises: InvalidManifest."""
    rows = parse_object(listed, "list of referrers").get("manifests", []) if listed else []
    if not isinstance(rows, list) or not all(isinstance(other, dict) for other in rows):
        raise InvalidManifest("the list of referrers is no index")
    kept = [other for other in rows if other.get("digest") != row["digest"]]
    return json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": [*kept, row]}).encode()
