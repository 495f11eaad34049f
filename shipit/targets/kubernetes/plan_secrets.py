"""The steps that write Secrets. They hold keyed hashes in place of values. Pure."""

from __future__ import annotations

from shipit.release import Step
from shipit.targets.kubernetes.adoption import is_adopted
from shipit.targets.kubernetes.applyset import PART_OF_LABEL
from shipit.targets.kubernetes.changes import is_up_to_date
from shipit.targets.kubernetes.details import changes_of, detail_of, secret_names, unchecked_lines
from shipit.targets.kubernetes.drift import hashes
from shipit.targets.kubernetes.observed import NO_PREVIEW, KubernetesObserved, Preview
from shipit.targets.kubernetes.render import Manifest
from shipit.targets.kubernetes.steps import ApplyPullSecret, ApplySecret
from shipit.targets.kubernetes.versions import is_version
from shipit.targets.kubernetes.wanted import Wanted, want


def apply_secret(wanted: Wanted, preview: Preview, file: str) -> Step:
    """The step that writes a sealed Secret; `file` is that of its manifest, empty for the env's."""
    key, manifest, live = wanted.key, wanted.manifest, wanted.live
    # A version has the same values for ever.
    previous = "" if is_version(manifest) else previous_name(manifest["metadata"]["name"])
    if live is None:
        detail = (*secret_names(manifest), *unchecked_lines(preview))
        return ApplySecret(
            f"apply {key}", f"create {key}", detail, "create", False, f"delete {key}",
            manifest=manifest, previous=previous, file=file,
        )  # fmt: skip
    detail = detail_of(wanted, live, preview)
    kept = (f"its values until now are kept in Secret/{previous}",) if previous else ()
    undo = f"restore it from Secret/{previous}" if previous else f"apply {key} as it was"
    return ApplySecret(
        f"apply {key}", f"change {key}", (*detail, *kept), "change", False, undo,
        manifest=manifest, version=live.meta.version, known=hashes(wanted.found), previous=previous, file=file,
        adopts=is_adopted(live), changes=changes_of(wanted, live, preview),
    )  # fmt: skip


def previous_name(name: str) -> str:
    """The Secret that has the values which a Secret had before its last change."""
    return f"{name[:244]}-previous"


def plan_env_secret(secret: Manifest, observed: KubernetesObserved) -> Step | None:
    """The step that writes the Secret of the env; `secret` is sealed. None where the values are up to date."""
    wanted = want(f"Secret/{secret['metadata']['name']}", secret, observed.secret)
    preview = observed.previews.get(wanted.key, NO_PREVIEW)
    if is_current_secret(wanted) or is_up_to_date(wanted.live, preview):
        return None
    return apply_secret(wanted, preview, "")


def is_current_secret(wanted: Wanted) -> bool:
    """Whether the Secret of the env has its values, and belongs to its ApplySet."""
    if wanted.live is None:
        return False
    label = wanted.manifest["metadata"]["labels"].get(PART_OF_LABEL)
    is_member = wanted.live.meta.labels.get(PART_OF_LABEL) == label
    return is_member and all(change.is_own_mark for change in wanted.found)


def plan_pull_secret(name: str | None, observed: KubernetesObserved) -> Step | None:
    """The step that gives the cluster the registry credentials; None where it has them, or should have none."""
    if not name or observed.pull_secret_current is not False:
        return None
    detail, undo = ("registry credentials (secret)",), "the next deploy writes the credentials in use then"
    return ApplyPullSecret(f"apply Secret/{name}", f"write Secret/{name}", detail, "change", False, undo, name=name)
