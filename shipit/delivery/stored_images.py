"""What the repositories of a project hold: the images that their tags name, and others that are asked for by digest."""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextlib import closing
from datetime import datetime

from shipit.delivery.delivery import Delivery
from shipit.digest import Digest
from shipit.errors import RemoteError
from shipit.image.manifest import Index, InvalidManifest, Manifest, parse_object
from shipit.image.options import EPOCH_S
from shipit.reference import ImageRef, parse_reference
from shipit.release import Repository, StoredImage
from shipit.threads import Workers, result_of

# Of a repository with more tags, the last ones of the list are read.
MOST_TAGS = 200
_PARALLEL = 8
_REVISION = "org.opencontainers.image.revision"
# The short or whole name of a commit, as the default tags have it. Digits alone may also be a date or a build number.
_COMMIT = re.compile(r"(?=[0-9]*[a-f]|[0-9]{40}|[0-9]{7}(?![0-9]))([0-9a-f]{7,40})(-dirty)?")


def read_repository(
    delivery: Delivery, image: str, repository: str, also: Iterable[Digest] = (), most_tags: int = MOST_TAGS
) -> Repository:
    """The images that the tags of a repository name, at most `most_tags`, and those of the digests in `also` that it still has.

    Raises: RemoteError, DeadlinePassed, Interrupted.
    """
    ref, deadline = parse_reference(repository), delivery.registries.deadline
    listed = delivery.registries.client(ref).tags(ref.repository)
    own = [tag for tag in delivery.project.tags(image) if tag in listed.tags]
    chosen = list(dict.fromkeys([*own, *reversed(listed.tags)]))[:most_tags]
    named: dict[Digest, list[str]] = {}
    for tag, answer in delivery.inventory.tags(ref, sorted(chosen)).items():
        if digest := result_of(answer, deadline, f"what {ref.name}:{tag} names"):
            named.setdefault(digest, []).append(tag)
    for digest in also:
        named.setdefault(digest, [])
    with closing(Workers("images", _PARALLEL)) as workers:
        asked = [workers.submit(_stored, delivery, ref, digest, tuple(tags)) for digest, tags in named.items()]
        found = [result_of(answer, deadline, f"the images of {ref.name}") for answer in asked]
    times = delivery.project.git.commit_times(item.commit for item in found if item)
    images = [item._replace(committed=times.get(item.commit, "")) for item in found if item]
    return Repository(image, ref.name, in_order(images), len(listed.tags) - len(chosen), listed.is_whole)


def in_order(images: Iterable[StoredImage]) -> tuple[StoredImage, ...]:
    """The newest first; those of which no time is known come last."""
    return tuple(
        sorted(sorted(images, key=lambda item: item.tags), key=lambda item: made_at_s(item) or 0, reverse=True)
    )


def made_at_s(image: StoredImage) -> float | None:
    """When an image was made, or else the commit that it was built from; None where neither is known."""
    for text in (image.created, image.committed):
        try:
            return datetime.fromisoformat(text).timestamp()
        except ValueError:
            continue
    return None


def _stored(delivery: Delivery, ref: ImageRef, digest: Digest, tags: tuple[str, ...]) -> StoredImage | None:
    """One image; None where the repository does not have it any more. Of an index or an artifact less is known."""
    bare = StoredImage(digest, tags, commit=_commit_of({}, tags))
    # A tag has just been asked for; the content store may have what the repository has lost.
    if not tags and delivery.registries.client(ref).manifest_digest(ref.repository, digest) is None:
        return None
    try:
        manifest = delivery.registries.manifest(ref, digest)
        if not isinstance(manifest, Manifest):
            return bare
        data = delivery.registries.config(ref, manifest.config)
        config = parse_object(data, "config")
    except RemoteError as error:
        if error.status != 404:
            raise
        return None if not tags else bare
    except InvalidManifest:
        return bare
    size = manifest.config.size_bytes + sum(layer.size_bytes for layer in manifest.layers)
    runtime = config.get("config")
    labels = runtime.get("Labels") if isinstance(runtime, dict) else None
    commit = _commit_of(labels if isinstance(labels, dict) else {}, tags)
    return bare._replace(
        config_digest=manifest.config.digest, commit=commit, size_bytes=size, created=_created(config.get("created"))
    )


def children(delivery: Delivery, repository: str, images: Iterable[StoredImage]) -> frozenset[Digest]:
    """The manifests that the indexes among the images name. Raises: RemoteError."""
    ref, found = parse_reference(repository), set[Digest]()
    for image in images:
        if not image.config_digest:
            try:
                manifest = delivery.registries.manifest(ref, image.manifest_digest)
            except InvalidManifest:
                continue
            if isinstance(manifest, Index):
                found |= {row.digest for row in manifest.rows}
    return frozenset(found)


def is_commit(tag: str, image: StoredImage) -> bool:
    """Whether a tag of an image is the name of a commit, as the default tags of shipit are.

    Seven digits are one only where this git repository has the commit.
    """
    found = _COMMIT.fullmatch(tag)
    if found is None:
        return False
    return not found[1].isdigit() or len(found[1]) == 40 or (found[1] == image.commit and bool(image.committed))


def _commit_of(labels: dict[str, object], tags: Iterable[str]) -> str:
    label = labels.get(_REVISION)
    for text in (label if isinstance(label, str) else "", *tags):
        if found := _COMMIT.fullmatch(text):
            return found[1]
    return ""


def _created(value: object) -> str:
    """A time in RFC 3339; empty for the time that reproducible builds have, and for what is no time."""
    try:
        at = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return ""
    if at is None or at.tzinfo is None or at.timestamp() <= EPOCH_S:
        return ""
    return at.isoformat()
