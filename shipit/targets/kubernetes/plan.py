"""The steps from a namespace as observed to the manifests of a release. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from shipit.release import Step
from shipit.targets.kubernetes.details import detail_of, facts_of
from shipit.targets.kubernetes.drift import hashes, object_differences, stamp
from shipit.targets.kubernetes.live import Live
from shipit.targets.kubernetes.objects import spec_of
from shipit.targets.kubernetes.observed import KubernetesObserved, key_of
from shipit.targets.kubernetes.plan_secrets import apply_secret
from shipit.targets.kubernetes.render import Manifest
from shipit.targets.kubernetes.sealed import is_secret
from shipit.targets.kubernetes.steps import ApplyObject, ReplaceObject, RunReleaseJob
from shipit.targets.kubernetes.superseded import author_of, is_autoscaled

# Kinds that others refer to come first; what is not listed comes with the workloads.
_ORDER = [
    "Namespace",
    "CustomResourceDefinition",
    "ServiceAccount",
    "Role",
    "ClusterRole",
    "RoleBinding",
    "ClusterRoleBinding",
    "ConfigMap",
    "Secret",
    "StorageClass",
    "PersistentVolume",
    "PersistentVolumeClaim",
    "Service",
]


def ordered(manifests: Sequence[Manifest]) -> list[Manifest]:
    """The manifests in the order they can be applied; equals stay as written."""
    return sorted(manifests, key=lambda item: _ORDER.index(item["kind"]) if item["kind"] in _ORDER else len(_ORDER))


def plan_objects(
    wanted: Sequence[Manifest],
    observed: KubernetesObserved,
    namespace: str,
    files: Mapping[str, str] = MappingProxyType({}),
) -> tuple[Step, ...]:
    """One step for each object that is missing or differs. Secrets are sealed; `files`: key -> file of a manifest.

    A count of replicas that an autoscaler set stays; that of the manifest is the initial one.
    """
    scaled = autoscaled(wanted, namespace)
    steps = (_step(manifest, observed, namespace, scaled, files) for manifest in ordered(wanted))
    return tuple(step for step in steps if step)


def autoscaled(manifests: Sequence[Manifest], namespace: str) -> frozenset[str]:
    """The keys of the objects whose replicas an autoscaler among the manifests decides."""
    found = set()
    for manifest in manifests:
        target = spec_of(manifest).get("scaleTargetRef")
        if manifest["kind"] == "HorizontalPodAutoscaler" and isinstance(target, dict):
            own = {"name": target.get("name"), "namespace": manifest["metadata"].get("namespace")}
            found.add(key_of({"kind": target.get("kind"), "metadata": own}, namespace))
    return frozenset(found)


def stamped_by_key(wanted: Sequence[Manifest], namespace: str) -> dict[str, Manifest]:
    """Key -> what is applied, and what a live object is held against: without replicas that an autoscaler decides."""
    scaled = autoscaled(wanted, namespace)
    keyed = {key_of(manifest, namespace): manifest for manifest in wanted}
    return {key: stamp(_without_replicas(item) if key in scaled else item) for key, item in keyed.items()}


def _without_replicas(manifest: Manifest) -> Manifest:
    return {**manifest, "spec": {key: value for key, value in spec_of(manifest).items() if key != "replicas"}}


def _step(
    manifest: Manifest, observed: KubernetesObserved, namespace: str, scaled: frozenset[str], files: Mapping[str, str]
) -> Step | None:
    key = key_of(manifest, namespace)
    live, replicas = observed.objects.get(key), spec_of(manifest).get("replicas") if key in scaled else None
    stamped = stamp(manifest if replicas is None else _without_replicas(manifest))
    found = object_differences(stamped, live, counts_replicas=key not in scaled) if live else []
    if live is not None and (other := [item for item in found if is_autoscaled(item, author_of(live, item))]):
        # The count is that of an autoscaler which is not in deploy.yml.
        found = [item for item in found if item not in other]
        stamped, replicas = _without_replicas(stamped), spec_of(manifest).get("replicas")
    if live is not None and not found:
        return None
    if is_secret(manifest):
        return apply_secret(key, stamped, live, found, files.get(key, ""))
    if live is None:
        facts = facts_of(manifest)
        undo = f"delete {key}"
        return ApplyObject(
            f"apply {key}", f"create {key}", facts, "create", False, undo, manifest=stamped, replicas=replicas
        )
    known = hashes(found)
    # Pods and Jobs can't be changed in place.
    if live.kind in ("Pod", "Job") and any(not item.is_own_mark for item in found):
        undo = f"replace {key} by what it was"
        return ReplaceObject(
            f"apply {key}", f"replace {key}", detail_of(found, live), "replace", False, undo,
            manifest=stamped, version=live.meta.version, known=known, uid=live.meta.uid,
        )  # fmt: skip
    undo = f"apply {key} as it was"
    return ApplyObject(
        f"apply {key}", f"change {key}", detail_of(found, live), "change", False, undo,
        manifest=stamped, version=live.meta.version, known=known, replicas=replicas,
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
    command = job["spec"]["template"]["spec"]["containers"][0]["command"]
    shown = command[-1] if command[:2] == ["/bin/sh", "-c"] else " ".join(command)
    failed = live.meta.uid if live is not None and job_state(live) == "failed" else ""
    detail = ("nothing else is applied unless it succeeds",)
    return RunReleaseJob(
        f"run Job/{name}", f"run {shown}", detail, "run", manifest=stamp(job), failed=failed, forget=others
    )


def job_state(job: Live) -> str:
    """`running`, `succeeded` or `failed`."""
    for condition in job.status.conditions:
        if condition.status == "True" and condition.type in ("Complete", "Failed"):
            return "succeeded" if condition.type == "Complete" else "failed"
    return "running"
