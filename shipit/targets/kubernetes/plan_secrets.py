"""The steps that write Secrets. They hold keyed hashes in place of values. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from shipit.release import Step
from shipit.targets.kubernetes.applyset import PART_OF_LABEL
from shipit.targets.kubernetes.details import detail_of, secret_line, secret_names
from shipit.targets.kubernetes.drift import Difference, hashes, object_differences, stamp
from shipit.targets.kubernetes.live import Live
from shipit.targets.kubernetes.observed import KubernetesObserved
from shipit.targets.kubernetes.render import Manifest
from shipit.targets.kubernetes.steps import ApplyPullSecret, ApplySecret


def apply_secret(key: str, stamped: Manifest, live: Live | None, found: Sequence[Difference], file: str) -> Step:
    """The step that writes a sealed Secret."""
    previous = previous_name(stamped["metadata"]["name"])
    if live is None:
        return ApplySecret(
            f"apply {key}", f"create {key}", secret_names(stamped), "create", False, f"delete {key}",
            manifest=stamped, previous=previous, file=file,
        )  # fmt: skip
    kept = f"its values until now are kept in Secret/{previous}"
    return ApplySecret(
        f"apply {key}", f"change {key}", (*detail_of(found, live, secret_line), kept), "change", False, f"restore it from Secret/{previous}",
        manifest=stamped, version=live.meta.version, known=hashes(found), previous=previous, file=file,
    )  # fmt: skip


def previous_name(name: str) -> str:
    """The Secret that has the values which a Secret had before its last change."""
    return f"{name[:244]}-previous"


def plan_env_secret(wanted: Manifest, observed: KubernetesObserved) -> Step | None:
    """The step that writes the Secret of the env; `wanted` is sealed. None where the values are up to date."""
    live, stamped = observed.secret, stamp(wanted)
    found = object_differences(stamped, live) if live else []
    label = wanted["metadata"]["labels"].get(PART_OF_LABEL)
    is_member = live is not None and live.meta.labels.get(PART_OF_LABEL) == label
    if live is not None and is_member and all(change.is_own_mark for change in found):
        return None
    return apply_secret(f"Secret/{wanted['metadata']['name']}", stamped, live, found, "")


def plan_pull_secret(name: str | None, observed: KubernetesObserved) -> Step | None:
    """The step that gives the cluster the registry credentials; None where it has them, or should have none."""
    if not name or observed.pull_secret_current is not False:
        return None
    detail, undo = ("registry credentials (secret)",), "the next deploy writes the credentials in use then"
    return ApplyPullSecret(f"apply Secret/{name}", f"write Secret/{name}", detail, "change", False, undo, name=name)
