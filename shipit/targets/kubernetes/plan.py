"""The steps from a namespace as observed to the manifests of a release. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from shipit.config.units import is_shell_text
from shipit.release import Step
from shipit.targets.kubernetes.adoption import is_adopted
from shipit.targets.kubernetes.changes import is_up_to_date
from shipit.targets.kubernetes.details import changes_of, detail_of, facts_of, unchecked_lines
from shipit.targets.kubernetes.drift import hashes, stamp
from shipit.targets.kubernetes.live import job_state
from shipit.targets.kubernetes.observed import NO_PREVIEW, KubernetesObserved
from shipit.targets.kubernetes.plan_secrets import apply_secret
from shipit.targets.kubernetes.render import Manifest, written
from shipit.targets.kubernetes.roll import rolled_by
from shipit.targets.kubernetes.sealed import is_secret
from shipit.targets.kubernetes.steps import ApplyObject, ReplaceObject, RunReleaseJob
from shipit.targets.kubernetes.wanted import Wanted, want_all
from shipit.targets.kubernetes.waves import ordered


def plan_objects(
    wanted: Sequence[Manifest],
    observed: KubernetesObserved,
    namespace: str,
    files: Mapping[str, str] = MappingProxyType({}),
) -> tuple[Step, ...]:
    """One step for each object that is missing or differs. Secrets are sealed; `files`: key -> file of a manifest.

    A count of replicas that an autoscaler set stays; that of the manifest is the initial one.
    """
    found = want_all(ordered(wanted), observed, namespace)
    steps = (_step(item, observed, files.get(item.key, "")) for item in found)
    return tuple(step for step in steps if step)


def _step(wanted: Wanted, observed: KubernetesObserved, file: str) -> Step | None:
    key, manifest, live = wanted.key, wanted.manifest, wanted.live
    preview = observed.previews.get(key, NO_PREVIEW)
    if wanted.is_as_applied or is_up_to_date(live, preview):
        return None
    if is_secret(manifest):
        return apply_secret(wanted, preview, file)
    if live is None:
        detail = (*facts_of(manifest, wanted.replicas), *unchecked_lines(preview))
        return ApplyObject(
            f"apply {key}", f"create {key}", detail, "create", False, f"delete {key}",
            manifest=manifest, replicas=wanted.replicas,
        )  # fmt: skip
    known, detail = hashes(wanted.found), detail_of(wanted, live, preview)
    changes = changes_of(wanted, live, preview)
    # Pods and Jobs can't be changed in place.
    is_bare = live.kind in ("Pod", "Job") and (
        any(not item.is_own_mark for item in wanted.found) or bool(rolled_by(wanted.found, live))
    )
    if is_bare or preview.is_replaced:
        undo = f"replace {key} by what it was"
        return ReplaceObject(
            f"apply {key}", f"replace {key}", detail, "replace", not is_bare, undo,
            manifest=manifest, version=live.meta.version, known=known, uid=live.meta.uid, changes=changes,
        )  # fmt: skip
    return ApplyObject(
        f"apply {key}", f"change {key}", detail, "change", False, f"apply {key} as it was",
        manifest=manifest, version=live.meta.version, known=known, replicas=wanted.replicas, adopts=is_adopted(live),
        changes=changes,
    )  # fmt: skip


def plan_release_job(job: Manifest, observed: KubernetesObserved, steps: Sequence[Step]) -> Step | None:
    """The step that runs the release command, where anything else is to change or its last run did not succeed.

    The Job's name has a hash of its manifest, so the same command on the same image runs once, also for two deploys at
    the same time. A run that failed is replaced.
    """
    name = job["metadata"]["name"]
    live = next((item for item in observed.jobs if item.meta.name == name), None)
    if (live is not None and job_state(live) == "succeeded") or (live is None and not steps):
        return None
    others = tuple(item.meta.name for item in observed.jobs if item.meta.name != name)
    command = [written(word) for word in job["spec"]["template"]["spec"]["containers"][0]["command"]]
    shown = command[-1] if is_shell_text(tuple(command)) else " ".join(command)
    failed = live.meta.uid if live is not None and job_state(live) == "failed" else ""
    detail = ("nothing else is applied unless it succeeds",)
    return RunReleaseJob(
        f"run Job/{name}", f"run {shown}", detail, "run", manifest=stamp(job), failed=failed, forget=others
    )
