"""Objects that several manifests define. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from shipit.targets.kubernetes.manifest_objects import Written
from shipit.targets.kubernetes.observed import key_of


def doubled(objects: Iterable[Written], namespace: str) -> Iterator[tuple[Written, str, str]]:
    """Each object that an earlier one is the same as, with an error and a hint. Objects are the same by group, kind, namespace and name."""
    first: dict[str, Written] = {}
    for written in objects:
        key = key_of(written.manifest, namespace)
        before = first.setdefault(key, written)
        if before is not written:
            yield (
                written,
                f"{key} is defined twice, first at {before.at.where}",
                "remove one of them, or give it another name",
            )
