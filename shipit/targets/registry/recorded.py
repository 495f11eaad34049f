"""Reads and writes the records of a registry target; old ones are deleted where the registry allows it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial

from shipit.clock import Clock
from shipit.digest import Digest
from shipit.errors import DeployFailed, RemoteError, ShipitError
from shipit.image.manifest import INDEX_TYPES, Manifest, parse_manifest
from shipit.json_text import parse_json
from shipit.parallel import together
from shipit.past_release import PastRelease
from shipit.reference import DOCKER_HUB, ImageRef, parse_reference
from shipit.registry.registries import Registries
from shipit.release import PublishedImage
from shipit.targets.record_text import NO_RECORD
from shipit.targets.registry.records import (
    KEPT_RUNS,
    Child,
    Record,
    Source,
    parse_index,
    render_index,
    run_tag,
    run_tags,
)
from shipit.targets.registry.steps import MoveTags

OCI = INDEX_TYPES[0]
Delete = Callable[[str, str], None]


class Records:
    """The records of one app, environment and place. The first of its repositories has the record of every release.

    `repositories` are the full names. `delete` deletes a tag of a repository of Docker Hub.
    """

    def __init__(
        self, registries: Registries, clock: Clock, repositories: Sequence[str], owner: Record, delete: Delete
    ) -> None:
        self._registries, self._clock, self._owner, self._delete = registries, clock, owner, delete
        self._repositories = tuple(dict.fromkeys(repositories))

    def read(self, most: int, warn: Callable[[str], None] = lambda text: None) -> tuple[Record, ...]:
        """The newest first. What is no record is left out; `warn` is told its tag. Raises: RemoteError."""
        ref = parse_reference(self._repositories[0])
        listed = self._registries.client(ref).tags(ref.repository)
        tags = run_tags(listed.tags, self._owner.environment)[: min(most, KEPT_RUNS)]
        found = together({tag: partial(self._read, ref, tag, warn) for tag in tags}, self._clock)
        return tuple(record for tag in tags if (record := found[tag]) is not None)

    def _read(self, ref: ImageRef, tag: str, warn: Callable[[str], None]) -> Record | None:
        found = self._registries.client(ref).manifest(ref.repository, tag)
        record = parse_index(found[0]) if found else None
        if found and record is None:
            warn(f"{ref.name}:{tag} {NO_RECORD}")
        return self._own(record) if record else None

    def _own(self, record: Record) -> Record | None:
        """The same record; None for that of another app, environment or place. Whoever may push here may forge one."""
        if record._replace(past=self._owner.past) != self._owner:
            return None
        names = {image.reference.rpartition("@")[0] for image in record.past.images}
        return record if names <= set(self._repositories) else None

    def write(self, past: PastRelease, source: Source) -> None:
        """Write the record of a release to each of its repositories, and delete the oldest. Raises: RemoteError."""
        record = self._owner._replace(past=past)
        # The first one comes last: a release is known when all of its images are kept.
        for name in reversed(self._repositories):
            ref = parse_reference(name)
            images = [image for image in past.images if image.reference.rpartition("@")[0] == ref.name]
            children = [self._child(ref, image) for image in images]
            data = render_index(record, dict.fromkeys(children), source)
            client = self._registries.client(ref)
            client.put_manifest(ref.repository, run_tag(record), data, OCI)
            with suppress(ShipitError):
                self._expire(ref)

    def _child(self, ref: ImageRef, image: PublishedImage) -> Child:
        digest = Digest(image.reference.rpartition("@")[2])
        found = self._registries.client(ref).manifest(ref.repository, digest)
        if found is None:
            raise RemoteError("the image is not there", where=image.reference, hint="deploy again")
        return Child(digest, len(found[0]), _media_type(found[0]), image.platform)

    def _expire(self, ref: ImageRef) -> None:
        """Delete the oldest records. A registry may refuse it."""
        client = self._registries.client(ref)
        for tag in run_tags(client.tags(ref.repository).tags, self._owner.environment)[KEPT_RUNS:]:
            found = client.manifest(ref.repository, tag)
            # Such a tag may name an image, and deleting its manifest would delete the image.
            record = parse_index(found[0]) if found else None
            if found is None or record is None or self._own(record) is None:
                continue
            if ref.registry == DOCKER_HUB:
                self._delete(ref.name, tag)
            else:
                client.delete_manifest(ref.repository, found[1])


def read_digests(registries: Registries, names: Sequence[str]) -> Mapping[str, Digest | None]:
    """`REPOSITORY REFERENCE` -> the digest that it names, read in turn. Raises: RemoteError."""
    found = {}
    for name in names:
        repository, _, reference = name.partition(" ")
        ref = parse_reference(repository)
        found[name] = registries.client(ref).manifest_digest(ref.repository, reference)
    return found


def move_tags(registries: Registries, step: MoveTags, target: str) -> None:
    """Apply a step. Raises: DeployFailed, before any tag is moved, where somebody else moved one since the plan."""
    ref = parse_reference(step.repository)
    client = registries.client(ref)
    for tag, before in step.before.items():
        now = client.manifest_digest(ref.repository, tag)
        if now not in (before, step.digest):
            other = now.short if now else "nothing"
            what = f"someone else moved the tag {tag} to {other} since the plan; it stays there"
            raise DeployFailed(what, where=target, hint="look who did it, and run it again")
    found = client.manifest(ref.repository, step.digest)
    if found is None:
        raise DeployFailed("the image is not there any more", where=f"{ref.name}@{step.digest}", hint="build it again")
    media_type = _media_type(found[0])
    for tag in step.before:
        client.put_manifest(ref.repository, tag, found[0], media_type)


def _media_type(data: bytes) -> str:
    """The media type of a manifest, also of one that does not say it. Raises: InvalidManifest."""
    manifest = parse_manifest(data)
    told = parse_json(data).get("mediaType")
    if isinstance(told, str):
        return told
    return manifest.media_type if isinstance(manifest, Manifest) else OCI
