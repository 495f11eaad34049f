"""The annotations that say which run wrote an object, of which commit, and who started it. Pure.

They are written with an object that changes anyway, and are no part of what is compared: another run or commit alone changes
no object.
"""

from __future__ import annotations

from typing import NamedTuple

from shipit.targets.kubernetes.render import Manifest

RUN, COMMIT, BY = "shipit.dev/run", "shipit.dev/commit", "shipit.dev/by"
NAMES = (RUN, COMMIT, BY)


class Origin(NamedTuple):
    """The id of a run, the commit of what it releases, and who started it; empty where not known."""

    run: str = ""
    commit: str = ""
    by: str = ""


def with_origin(manifest: Manifest, origin: Origin) -> Manifest:
    """The manifest with annotations for what is known of its origin."""
    known = {name: value for name, value in zip(NAMES, (origin.run, origin.commit, origin.by), strict=True) if value}
    metadata = manifest["metadata"]
    return {**manifest, "metadata": {**metadata, "annotations": {**(metadata.get("annotations") or {}), **known}}}


def without_origin(manifest: Manifest) -> Manifest:
    """An object of the server without these annotations."""
    metadata = manifest.get("metadata")
    if not isinstance(metadata, dict):
        return manifest
    annotations = metadata.get("annotations")
    if not isinstance(annotations, dict) or not annotations.keys() & set(NAMES):
        return manifest
    kept = {name: value for name, value in annotations.items() if name not in NAMES}
    others = {key: value for key, value in metadata.items() if key != "annotations"}
    return {**manifest, "metadata": {**others, **({"annotations": kept} if kept else {})}}
