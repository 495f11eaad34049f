"""ConfigMaps and Secrets that are named by their content and never change. Pure.

Another content is another object, so a rollback and the ReplicaSets of earlier revisions still find theirs.
Source: Kubernetes concepts, "Immutable Secrets", "Immutable ConfigMaps".
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from shipit.targets.kubernetes.applyset import Member, ObservedSet
from shipit.targets.kubernetes.drift import Difference, fingerprint
from shipit.targets.kubernetes.render import VERSION_LABEL, Manifest

_LONGEST_LABEL, _LONGEST_NAME = 63, 253
_VERSION = re.compile(r"(?P<name>.+)-[0-9a-f]{16}", re.ASCII)
# The last field of a reference to a ConfigMap or Secret.
_NAMES = ("name", "secretName")


def versioned(manifest: Manifest, mark: str) -> Manifest:
    """A ConfigMap or Secret as the version of a hash: immutable, and named after it."""
    metadata = manifest["metadata"]
    name = metadata["name"]
    labels = {**(metadata.get("labels") or {}), VERSION_LABEL: version_label(name)}
    return {**manifest, "metadata": {**metadata, "name": version_name(name, mark), "labels": labels}, "immutable": True}


def versioned_config_map(manifest: Manifest) -> Manifest:
    """A ConfigMap as the version of its own data."""
    return versioned(manifest, fingerprint({key: manifest.get(key) or {} for key in ("data", "binaryData")}))


def version_label(name: str) -> str:
    """The label of the versions of a name."""
    return name[:_LONGEST_LABEL].rstrip("-.")


def version_name(name: str, mark: str) -> str:
    return f"{name[: _LONGEST_NAME - len(mark) - 1].rstrip('-.')}-{mark}"


def is_version(manifest: Mapping[str, Any]) -> bool:
    return VERSION_LABEL in (manifest["metadata"].get("labels") or {})


def is_version_of(name: str, base: str) -> bool:
    """Whether an object has the name of a version of `base`."""
    return name == version_name(base, name[-16:]) and bool(_VERSION.fullmatch(name))


def switched(change: Difference) -> str:
    """`Kind/name` without the hash, where a change is that of a reference from one version to another; else empty."""
    if len(change.keys) < 2 or change.keys[-1] not in _NAMES:
        return ""
    before, after = (_base(value) for value in (change.live, change.wanted))
    # An older shipit wrote the Secret of the env without a hash.
    if not after or after not in (before, change.live):
        return ""
    return f"{'Secret' if str(change.keys[-2]).startswith('secret') else 'ConfigMap'}/{after}"


def mark_versions(found: ObservedSet, versions: Collection[str], used: Collection[str] | None) -> ObservedSet:
    """The set with what is known of the use of its versions.

    `versions` and `used` are names as `Secret/name`: the members to mark, and what is in use; None where that is not known.
    """

    def marked(member: Member) -> Member:
        key = f"{member.kind}/{member.meta.name}"
        if key not in versions:
            return member
        return member._replace(version="used" if used is None or key in used else "unused")

    return replace(found, members=tuple(map(marked, found.members)))


def _base(value: Any) -> str:
    match = _VERSION.fullmatch(value) if isinstance(value, str) else None
    return match["name"] if match else ""
