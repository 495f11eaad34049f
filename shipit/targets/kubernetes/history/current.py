"""Compares the objects of a record with those that run. Pure."""

from __future__ import annotations

from shipit.targets.kubernetes.drift import APPLIED_ANNOTATION
from shipit.targets.kubernetes.history.record import Record, applied_objects
from shipit.targets.kubernetes.live import Live
from shipit.targets.kubernetes.objects import annotations_of, container_images
from shipit.targets.kubernetes.observed import KubernetesObserved
from shipit.targets.kubernetes.render import Manifest
from shipit.targets.kubernetes.wanted import stamped_by_key


def is_running(record: Record, observed: KubernetesObserved, namespace: str) -> bool:
    """Whether every object was applied last with the manifest of the record, and has its images still."""
    wanted = stamped_by_key(applied_objects(record, namespace), namespace)
    return bool(wanted) and all(_is_as_recorded(item, observed.objects.get(key)) for key, item in wanted.items())


def _is_as_recorded(manifest: Manifest, live: Live | None) -> bool:
    if live is None or live.meta.is_deleting:
        return False
    stamp = annotations_of(manifest)[APPLIED_ANNOTATION]
    return live.meta.annotations.get(APPLIED_ANNOTATION) == stamp and _digests(live.manifest) == _digests(manifest)


def _digests(manifest: Manifest) -> dict[str, str]:
    """Container -> its image; of a pinned one the digest only, since a mirror has another repository."""
    return {name: image.rpartition("@")[2] for name, image in container_images(manifest).items()}
