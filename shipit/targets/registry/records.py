"""The releases of a registry target: an index for each image and run, whose tag names the run. Pure.

The index names the image's own manifest, so that the image stays as it is, can be pulled by the tag of the run, and is not
collected while the tag is there. Source: OCI image-spec 1.1, image-index.md and annotations.md.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from shipit.digest import Digest, InvalidDigest
from shipit.image.manifest import INDEX_TYPES
from shipit.json_text import parse_json
from shipit.past_release import PastRelease
from shipit.platforms import parse_platform
from shipit.printable import Name
from shipit.record import InvalidRecord, from_json
from shipit.release import is_run_tag
from shipit.targets.record_text import record_text

# Tags of older runs are deleted, where the registry allows it.
KEPT_RUNS = 20
_PREFIX = "shipit-"
_OCI, _OWN = "org.opencontainers.image.", "dev.shipit."
_RELEASE = f"{_OWN}release"
# The longest record: Docker Hub takes manifests of 4 MiB, others less.
_LONGEST = 32 * 1024
# The most images and tags of a record that is read: each is a request when the history is.
_MOST_NAMES = 200


class Source(NamedTuple):
    """Where an image comes from, as its annotations have it: a repository's URL and the name of a version; empty where not known."""

    url: str = ""
    version: str = ""


class Child(NamedTuple):
    """The manifest of an image in a repository."""

    digest: Digest
    size_bytes: int
    media_type: str
    platform: str


class Record(NamedTuple):
    """A release as it is kept. `app`, `environment` and `place` are whose it is: a repository may be that of several."""

    app: Name
    environment: Name
    place: Name
    past: PastRelease


def run_tag(record: Record) -> str:
    """The tag of a run: sorted by name, those of an environment are in the order of their times."""
    time = re.sub(r"[^0-9T]", "", record.past.released_at[:23]).ljust(18, "0")
    run = re.sub(r"[^0-9a-zA-Z]", "", record.past.version)[:20]
    return f"{_environment_prefix(record.environment)}{time}Z-{run}"


def run_tags(tags: Iterable[str], environment: str) -> list[str]:
    """The tags of the runs of an environment, the newest first."""
    prefix = _environment_prefix(environment)
    return sorted((tag for tag in tags if is_run_tag(tag) and tag.startswith(prefix)), reverse=True)


def render_index(record: Record, children: Iterable[Child], source: Source) -> bytes:
    """The index of a release for one repository, with the images that it has there."""
    past = record.past
    annotations = {
        f"{_OCI}created": past.released_at,
        f"{_OCI}revision": past.commit,
        f"{_OCI}source": source.url,
        f"{_OCI}version": source.version,
        f"{_OWN}run": past.run,
        f"{_OWN}by": past.by,
        f"{_OWN}environment": record.environment,
        _RELEASE: record_text(record, _LONGEST),
    }
    index = {
        "schemaVersion": 2,
        "mediaType": INDEX_TYPES[0],
        "manifests": [_row(child) for child in children],
        "annotations": {name: value for name, value in annotations.items() if value},
    }
    return json.dumps(index, indent=1).encode()


def parse_index(data: bytes) -> Record | None:
    """The release that an index is of; None for any other manifest, and for a record that nobody can return to."""
    try:
        text = parse_json(data)["annotations"][_RELEASE]
        record = from_json(Record, parse_json(text)) if isinstance(text, str) and len(text) <= _LONGEST else None
        images = record.past.images if record is not None else ()
        for image in images:
            Digest(image.reference.rpartition("@")[2])
        return record if sum(1 + len(image.tags) for image in images) <= _MOST_NAMES else None
    except (InvalidRecord, InvalidDigest, ValueError, KeyError, TypeError):
        return None


def history_of(
    records: Sequence[Record], tags: Mapping[str, Digest | None] | None, most: int
) -> tuple[PastRelease, ...]:
    """The releases, newest first, and which of them the tags name. `tags`: `REPOSITORY TAG` -> digest; None where not read."""
    found = [record.past for record in records[:most]]
    if tags is None or not found:
        return tuple(found)
    current = next((at for at, past in enumerate(found) if _is_named(past, tags)), None)
    if current is not None:
        found[current] = found[current]._replace(is_current=True)
        return tuple(found)
    # Somebody else moved them, or a run that was killed before it wrote its record.
    named = ((tags.get(name), digest) for name, digest in wanted_tags(found[0]).items())
    other = next((now for now, digest in named if now not in (None, digest)), None)
    return (PastRelease(other.short, is_current=True), *found) if other else tuple(found)


def wanted_tags(past: PastRelease) -> dict[str, Digest]:
    """`REPOSITORY TAG` -> the digest that it names in a release."""
    found: dict[str, Digest] = {}
    for image in past.images:
        repository, _, digest = image.reference.rpartition("@")
        found |= {f"{repository} {tag}": Digest(digest) for tag in image.tags}
    return found


def _row(child: Child) -> dict[str, Any]:
    platform = parse_platform(child.platform)
    told = {"os": platform.os, "architecture": platform.architecture, "variant": platform.variant}
    return {
        "mediaType": child.media_type,
        "digest": child.digest,
        "size": child.size_bytes,
        "platform": {name: value for name, value in told.items() if value},
    }


def _is_named(past: PastRelease, tags: Mapping[str, Digest | None]) -> bool:
    wanted = wanted_tags(past)
    return bool(wanted) and all(tags.get(name, digest) == digest for name, digest in wanted.items())


def _environment_prefix(environment: str) -> str:
    return f"{_PREFIX}{re.sub(r'[^a-z0-9_]', '_', environment.lower())[:40]}-"
