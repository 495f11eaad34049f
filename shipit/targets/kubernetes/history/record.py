"""The record of a release: everything that a return needs, without any value of a Secret. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from shipit.past_release import PastRelease
from shipit.printable import FreeJson, FreeText, Name
from shipit.release import Release
from shipit.targets.kubernetes.desired import Desired
from shipit.targets.kubernetes.history.copies import MOST_COPIES, copies_of
from shipit.targets.kubernetes.observed import KubernetesObserved, key_of
from shipit.targets.kubernetes.render import VERSION_LABEL, Manifest
from shipit.targets.kubernetes.sealed import is_secret
from shipit.targets.kubernetes.versions import is_version

# Raised when a field changes its meaning. A record of another format can't be read.
FORMAT = 1


class Record(NamedTuple):
    """One release. `objects` are its manifests as applied, their images pinned; those in `needs` without their content.

    `needs` are the ConfigMaps and Secrets that stay in the cluster for a return, as `Secret/name`. `copies`: key of a Secret of
    the manifests -> name of the copy that has its values; one without a copy keeps the values that it has. `digests`: image
    as pinned -> the digests under which it may run. `health`: Service -> port and path of its health check. `pull_secret` is
    the name of the Secret with the registry credentials, empty without one. `has_command` is whether it had a release
    command. `left_out` says why the objects are not there.
    """

    past: PastRelease
    objects: tuple[Mapping[str, FreeJson], ...] = ()
    needs: tuple[Name, ...] = ()
    copies: Mapping[str, str] = {}
    digests: Mapping[str, tuple[str, ...]] = {}
    health: Mapping[str, tuple[int, str]] = {}
    pull_secret: Name = ""
    has_command: bool = False
    left_out: FreeText = ""
    format: int = FORMAT


class Recalled(NamedTuple):
    """A record that was read to return to it. `name` is that of its Secret.

    `marks`: key of a Secret of the manifests -> name -> keyed hash, on this machine, of the value that its copy has.
    """

    name: Name
    record: Record
    marks: Mapping[str, Mapping[str, str]] = {}


def record_of(desired: Desired, past: PastRelease, release: Release, observed: KubernetesObserved) -> Record:
    """The record of a release. `observed` is what its plan was made with."""
    copies = copies_of(desired, observed)
    manifests = tuple(desired.manifests(release, observed))
    env = observed.secret_name or desired.secret_key
    needs = {
        *(key_of(item, desired.namespace) for item in manifests if is_version(item)),
        *(f"Secret/{name}" for name in copies.values()),
        *((f"Secret/{env}",) if desired.secret_names else ()),
    }
    return Record(
        past,
        tuple(_without_content(item) for item in manifests),
        tuple(sorted(needs)),
        copies,
        {image.pinned: (image.manifest_digest, image.config_digest) for image in release.images},
        desired.health(),
        desired.pull_key if desired.config.pull_secret else "",
        desired.project.release is not None,
    )


def _without_content(manifest: Manifest) -> Manifest:
    """A manifest without the values of a Secret, and without the content of what stays in the cluster under its name."""
    if is_version(manifest):
        metadata = manifest["metadata"]
        labels = {VERSION_LABEL: metadata["labels"][VERSION_LABEL]}
        head = {"apiVersion": manifest["apiVersion"], "kind": manifest["kind"]}
        return {**head, "metadata": {"name": metadata["name"], "namespace": metadata["namespace"], "labels": labels}}
    if is_secret(manifest) and manifest.get("data"):
        return {**manifest, "data": dict.fromkeys(manifest["data"], "")}
    return manifest


def problem_in(record: Record) -> str:
    """What is wrong with a record that was read, beyond the types of its fields; empty where nothing is."""
    if record.format != FORMAT:
        return f"has the format {record.format}, and this shipit reads {FORMAT}"
    if any(not _is_manifest(item) for item in record.objects):
        return "has an object without apiVersion, kind or name"
    # Each is read at the same time.
    if len(record.copies) > MOST_COPIES:
        return f"has more than {MOST_COPIES} copies of Secrets"
    return ""


def _is_manifest(item: Mapping[str, Any]) -> bool:
    metadata = item.get("metadata")
    if not isinstance(metadata, Mapping):
        return False
    names = (item.get("apiVersion"), item.get("kind"), metadata.get("name"))
    if not all(isinstance(name, str) and name for name in names):
        return False
    maps = (metadata.get("labels") or {}, metadata.get("annotations") or {})
    return isinstance(metadata.get("namespace") or "", str) and all(isinstance(value, Mapping) for value in maps)


def unrestored(record: Record, namespace: str) -> Iterator[str]:
    """The keys of the Secrets of the manifests whose values nobody kept."""
    for item in record.objects:
        key = key_of(item, namespace)
        if is_secret(item) and key not in record.copies and key not in record.needs:
            yield key


def applied_objects(record: Record, namespace: str) -> Sequence[Manifest]:
    """The objects that a return applies: not those that stay in the cluster, and no Job, which would run again."""
    lost = set(unrestored(record, namespace)) | set(record.needs)
    return [dict(item) for item in record.objects if item["kind"] != "Job" and key_of(item, namespace) not in lost]
