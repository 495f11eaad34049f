"""From a namespace as it is to one as it should be. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from shipit.release import Effect
from shipit.release import PayloadStep as Step
from shipit.targets.kubernetes.drift import APPLIED_ANNOTATION, OWN_ANNOTATIONS, differences, stamp
from shipit.targets.kubernetes.live import Live
from shipit.targets.kubernetes.objects import container_images, spec_of
from shipit.targets.kubernetes.observed import KubernetesObserved, key_of
from shipit.targets.kubernetes.render import Manifest

# What others build on comes first; what is not listed comes with the workloads.
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
_DETAIL_LINES = 8
_DIGEST = re.compile(r"sha256:([0-9a-f]{12})[0-9a-f]{52}")


def ordered(manifests: Sequence[Manifest]) -> list[Manifest]:
    """The manifests in the order they can be applied; equals stay as written."""
    return sorted(manifests, key=lambda item: _ORDER.index(item["kind"]) if item["kind"] in _ORDER else len(_ORDER))


def plan_objects(wanted: Sequence[Manifest], observed: KubernetesObserved, namespace: str) -> tuple[Step, ...]:
    """One step for each object that is missing or differs.

    How many replicas an autoscaler has come to stays; what the manifest says of them is where it begins.
    """
    scaled = autoscaled(wanted, namespace)
    return tuple(step for manifest in ordered(wanted) if (step := _step(manifest, observed, namespace, scaled)))


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


def _step(manifest: Manifest, observed: KubernetesObserved, namespace: str, scaled: frozenset[str]) -> Step | None:
    key = key_of(manifest, namespace)
    replicas = spec_of(manifest).get("replicas") if key in scaled else None
    live, stamped = observed.objects.get(key), stamp(manifest if replicas is None else _without_replicas(manifest))
    payload: dict[str, Any] = {"apply": stamped, **({} if replicas is None else {"replicas": replicas})}
    if live is None:
        return Step(f"apply {key}", f"create {key}", _facts(manifest), "create", payload=payload)
    changed = list(differences(stamped, live.manifest))
    if not changed:
        return None
    real = [change for change in changed if APPLIED_ANNOTATION not in change[0]]
    # Our own marks follow what they are of; one line for each change is enough.
    shown = [change for change in real if OWN_ANNOTATIONS not in change[0]] or real
    # What a Secret holds is nobody's to read in a plan.
    line = _secret_line if manifest["kind"] == "Secret" else _line
    detail = tuple(line(*change) for change in shown[:_DETAIL_LINES])
    more = (f"and {len(shown) - _DETAIL_LINES} more",) if len(shown) > _DETAIL_LINES else ()
    # A bare Pod and a Job can't be changed in place.
    replace = manifest["kind"] in ("Pod", "Job") and bool(real)
    verb = "replace" if replace else "change"
    return Step(f"apply {key}", f"{verb} {key}", detail + more, payload={**payload, "replace": replace})


def plan_secret(key: str, stale: Sequence[str], exists: bool, which: str) -> Step | None:
    """The step that writes a Secret; its values stay out of the plan."""
    if not stale:
        return None
    verb: Effect = "change" if exists else "create"
    detail = tuple(f"{name} (secret)" for name in stale)
    return Step(f"apply {key}", f"{verb} {key}", detail, verb, payload={"secret": which})


def plan_release_job(job: Manifest, observed: KubernetesObserved, steps: Sequence[Step]) -> Step | None:
    """The step that runs the release command, when anything else is to change or its last run did not succeed.

    The Job's name holds a hash of itself, so the same command on the same image runs once: also when two deploys want
    it at the same time. `replace` is the uid of a run that failed, which gives way to a new one.
    """
    name = job["metadata"]["name"]
    live = next((item for item in observed.jobs if item.meta.name == name), None)
    if (live is not None and job_state(live) == "succeeded") or (live is None and not steps):
        return None
    others = [item.meta.name for item in observed.jobs if item.meta.name != name]
    command = job["spec"]["template"]["spec"]["containers"][0]["command"]
    shown = command[-1] if command[:2] == ["/bin/sh", "-c"] else " ".join(command)
    failed = live.meta.uid if live is not None and job_state(live) == "failed" else ""
    payload = {"job": stamp(job), "replace": failed, "forget": others}
    return Step(f"run Job/{name}", f"run {shown}", ("nothing else is applied unless it succeeds",), payload=payload)


def job_state(job: Live) -> str:
    """`running`, `succeeded` or `failed`."""
    for condition in job.status.conditions:
        if condition.status == "True" and condition.type in ("Complete", "Failed"):
            return "succeeded" if condition.type == "Complete" else "failed"
    return "running"


def _facts(manifest: Manifest) -> tuple[str, ...]:
    spec = spec_of(manifest)
    lines = []
    if "replicas" in spec:
        lines.append(f"replicas {spec['replicas']}")
    lines += [f"image {_shown(image)}" for image in container_images(manifest).values()]
    return tuple(lines)


def _secret_line(path: str, live: Any, wanted: Any) -> str:
    return f"{path} (secret)"


def _line(path: str, live: Any, wanted: Any) -> str:
    where = path.removeprefix("spec.template.").removeprefix("spec.")
    return f"{where}  {_shown(live)} -> {_shown(wanted)}"


def _shown(value: Any) -> str:
    return _DIGEST.sub(r"\1", "none" if value is None else str(value))
