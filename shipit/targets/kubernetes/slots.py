"""Workloads with two Deployments, of which the Service selects one: where a version goes. Pure.

A version is the hash of the pod template, which the Deployment has as an annotation. The Service says which Deployment
is active. A version that the active one has stays there; any other goes to the other one, also when somebody edited that.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from shipit.targets.kubernetes.concise.blue_green import slot_names
from shipit.targets.kubernetes.drift import fingerprint
from shipit.targets.kubernetes.live import Live
from shipit.targets.kubernetes.objects import spec_of
from shipit.targets.kubernetes.observed import KubernetesObserved
from shipit.targets.kubernetes.render import NAME_LABEL, Manifest

VERSION_ANNOTATION = "shipit.dev/version"


class Slot(NamedTuple):
    """The Deployment that a workload's version goes to, and that version."""

    name: str
    version: str


def choose_slot(workload: str, plain: Sequence[Manifest], observed: KubernetesObserved) -> Slot:
    """Where a version goes. `plain` are the objects with one Deployment that has the name of the workload."""
    deployment = next(item for item in plain if (item["kind"], item["metadata"]["name"]) == ("Deployment", workload))
    version = fingerprint(deployment["spec"]["template"])
    names, active = slot_names(workload), active_slot(workload, observed)
    having = [name for name in names if version_of(observed.objects.get(f"Deployment/{name}")) == version]
    if active in having or (active and observed.objects.get(f"Deployment/{active}") is None and not having):
        return Slot(active, version)
    others = [name for name in names if name != active]
    return Slot(next((name for name in others if name in having), others[0]), version)


def active_slot(workload: str, observed: KubernetesObserved) -> str:
    """The name of the Deployment that the Service selects; empty where it selects neither."""
    name = selected_name(observed.objects.get(f"Service/{workload}"))
    return name if name in slot_names(workload) else ""


def version_of(live: Live | None) -> str:
    return live.meta.annotations.get(VERSION_ANNOTATION, "") if live else ""


def in_slots(
    manifests: Sequence[Manifest], slots: Mapping[str, Slot], scaled: Mapping[str, str], observed: KubernetesObserved
) -> Iterator[Manifest]:
    """The manifests with the versions of their slots.

    `scaled`: slot -> workload whose replicas an autoscaler sets: a new Deployment starts with as many as are active.
    """
    versions = {slot.name: slot.version for slot in slots.values()}
    for item in manifests:
        name = item["metadata"]["name"]
        if item["kind"] != "Deployment" or name not in versions:
            yield item
            continue
        metadata = item["metadata"]
        annotations = {**metadata.get("annotations", {}), VERSION_ANNOTATION: versions[name]}
        found = {**item, "metadata": {**metadata, "annotations": annotations}}
        active = observed.objects.get(f"Deployment/{active_slot(scaled[name], observed)}") if name in scaled else None
        if active is not None:
            count = max(active.wanted_pods, spec_of(found).get("replicas") or 0)
            found = {**found, "spec": {**found["spec"], "replicas": count}}
        yield found


def selected_name(live: Live | None) -> str:
    """The name of the workload whose pods a Service selects; empty for none."""
    return live.spec.selector.get(NAME_LABEL, "") if live else ""
