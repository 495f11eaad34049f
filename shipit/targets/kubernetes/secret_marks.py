"""The Secrets of the manifests by keyed hashes: of their values, and of their content where pods use them."""

from __future__ import annotations

from collections.abc import Mapping

from shipit.targets.kubernetes.desired import Desired
from shipit.targets.kubernetes.live import Live
from shipit.targets.kubernetes.observed import key_of
from shipit.targets.kubernetes.sealed import Mark, is_secret, secret_values, value_marks


def wanted_marks(desired: Desired, mark: Mark) -> dict[str, dict[str, str]]:
    """Key of a Secret -> name of a value -> its keyed hash."""
    raw = [manifest for manifest in desired.raw if is_secret(manifest)]
    return {key_of(item, desired.namespace): value_marks(secret_values(item), mark) for item in raw}


def marked_contents(desired: Desired, objects: Mapping[str, Live | None], mark: Mark) -> dict[str, str]:
    """Key of a Secret that pods use -> its annotation; a new hash where its values are to change."""
    from shipit.targets.kubernetes.roll import CONTENT_ANNOTATION, used_sources
    from shipit.targets.kubernetes.slow_marks import content_mark

    used = used_sources(desired.raw, desired.namespace)
    found = {}
    for raw in desired.raw:
        key = key_of(raw, desired.namespace)
        if is_secret(raw) and key in used:
            values, live = secret_values(raw), objects.get(key)
            is_current = live is not None and (live.manifest.get("data") or {}) == value_marks(values, mark)
            kept = live.meta.annotations.get(CONTENT_ANNOTATION, "") if live else ""
            found[key] = kept if is_current else content_mark(desired, key, values)
    return found
