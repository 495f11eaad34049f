"""The objects of a release beside the live ones. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from shipit.targets.kubernetes.drift import Difference, author_of, object_differences, stamp
from shipit.targets.kubernetes.live import Live, applied_part
from shipit.targets.kubernetes.objects import spec_of
from shipit.targets.kubernetes.observed import KubernetesObserved, key_of
from shipit.targets.kubernetes.render import Manifest
from shipit.targets.kubernetes.superseded import is_autoscaled

# Applying a manifest with this resourceVersion creates the object or is refused with 409: no object ever has it.
ABSENT = "1"
_SCALED = {"apiVersion": "apps/v1", "kind": "Deployment"}


class Wanted(NamedTuple):
    """An object of a release. `manifest` has its stamp, and keyed hashes for the values of a Secret.

    `replicas` is the initial count where an autoscaler sets it (`is_scaled`); the manifest then has none. `found` are the
    differences of the live object by shipit's own comparison: without any the object is as it was applied.
    """

    key: str
    manifest: Manifest
    live: Live | None = None
    replicas: Any = None
    is_scaled: bool = False
    found: tuple[Difference, ...] = ()

    @property
    def is_as_applied(self) -> bool:
        return self.live is not None and not self.found


def want_all(manifests: Sequence[Manifest], observed: KubernetesObserved, namespace: str) -> list[Wanted]:
    """Each manifest beside its live object. A count of replicas that an autoscaler set stays."""
    scaled = autoscaled(manifests, namespace)
    keyed = [(key_of(manifest, namespace), manifest) for manifest in manifests]
    return [want(key, item, observed.objects.get(key), is_scaled=key in scaled) for key, item in keyed]


def want(key: str, manifest: Manifest, live: Live | None, *, is_scaled: bool = False) -> Wanted:
    """A manifest beside its live object. `is_scaled`: an autoscaler of the manifests sets its replicas."""
    replicas = spec_of(manifest).get("replicas") if is_scaled else None
    bare = manifest if replicas is None else without_replicas(manifest)
    return beside(Wanted(key, stamp(bare), None, replicas, is_scaled), live)


def beside(wanted: Wanted, live: Live | None) -> Wanted:
    """The same wanted object, compared with another version of the live one."""
    if live is None:
        return wanted._replace(live=None, found=())
    if wanted.is_scaled and wanted.replicas is None and _is_left_to_us(live):
        # The manifest has no count any more: without one the server would set its default, until the autoscaler acts.
        wanted = wanted._replace(replicas=live.spec.replicas)
    found = object_differences(wanted.manifest, live, counts_replicas=not wanted.is_scaled)
    left = tuple(item for item in found if not is_autoscaled(item, author_of(live, item)))
    if len(left) < len(found):
        # The count is that of an autoscaler which is not in deploy.yml.
        replicas = spec_of(wanted.manifest).get("replicas")
        return Wanted(wanted.key, without_replicas(wanted.manifest), live, replicas, True, left)
    return wanted._replace(live=live, found=left)


def _is_left_to_us(live: Live) -> bool:
    """Whether the count is still that of shipit, or of what it takes over: no autoscaler has set one."""
    owned = applied_part(live.meta.managers)
    return owned is not None and owned.has(("spec", "replicas"), live.manifest)


def with_version(manifest: Manifest, version: str) -> Manifest:
    return {**manifest, "metadata": {**manifest["metadata"], "resourceVersion": version}}


def with_replicas(manifest: Manifest, replicas: Any, live: Live | None) -> Manifest:
    """The manifest with the current count: without one, a count that shipit set before would become the default, 1."""
    if replicas is None:
        return dict(manifest)
    count = replicas if live is None or live.spec.replicas is None else live.spec.replicas
    return {**manifest, "spec": {**manifest["spec"], "replicas": count}}


def autoscaled(manifests: Sequence[Manifest], namespace: str) -> frozenset[str]:
    """The keys of the objects whose replicas an autoscaler among the manifests decides, or a ScaledObject of KEDA.

    Source: KEDA, ScaledObject specification: without kind and apiVersion the target is a Deployment of apps/v1.
    """
    found = set()
    for manifest in manifests:
        target = spec_of(manifest).get("scaleTargetRef")
        if manifest["kind"] in ("HorizontalPodAutoscaler", "ScaledObject") and isinstance(target, dict):
            own = {"name": target.get("name"), "namespace": manifest["metadata"].get("namespace")}
            default = _SCALED if manifest["kind"] == "ScaledObject" else {}
            head = {key: target.get(key) or default.get(key) for key in ("apiVersion", "kind")}
            found.add(key_of({**head, "metadata": own}, namespace))
    return frozenset(found)


def stamped_by_key(wanted: Sequence[Manifest], namespace: str) -> dict[str, Manifest]:
    """Key -> what is applied, and what a live object is held against: without replicas that an autoscaler decides."""
    scaled = autoscaled(wanted, namespace)
    keyed = {key_of(manifest, namespace): manifest for manifest in wanted}
    return {key: stamp(without_replicas(item) if key in scaled else item) for key, item in keyed.items()}


def without_replicas(manifest: Manifest) -> Manifest:
    return {**manifest, "spec": {key: value for key, value in spec_of(manifest).items() if key != "replicas"}}
