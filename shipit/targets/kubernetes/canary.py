"""The steps of a canary: a second Deployment with the new version behind the same Service. Pure.

Its pods have the labels that the Service selects, and one more, which its own selector needs. The older Deployment does
not adopt them, because each ReplicaSet has a controller.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from shipit.release import Step
from shipit.targets.kubernetes.applyset import PART_OF_LABEL, Member, ObservedSet
from shipit.targets.kubernetes.changes import find_changes
from shipit.targets.kubernetes.concise.canary import CanaryConfig, canary_name
from shipit.targets.kubernetes.desired import Desired
from shipit.targets.kubernetes.drift import APPLIED_ANNOTATION, object_differences, stamp
from shipit.targets.kubernetes.live import Live
from shipit.targets.kubernetes.objects import annotations_of
from shipit.targets.kubernetes.observed import NO_PREVIEW, KubernetesObserved
from shipit.targets.kubernetes.render import Manifest
from shipit.targets.kubernetes.steps import ApplyObject, EndCanary, ObjectStep, RunCanary
from shipit.targets.kubernetes.waves import RUN_WAVE, rank

# The name of the workload that a canary belongs to.
CANARY_LABEL = "shipit.dev/canary-of"


def canary_identity(workload: str, namespace: str) -> Manifest:
    metadata = {"name": canary_name(workload), "namespace": namespace}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata}


def with_canaries(steps: Sequence[Step], desired: Desired, observed: KubernetesObserved) -> tuple[Step, ...]:
    """The steps with those of the canaries before the first workload is changed."""
    canaries = [step for name, config in _configs(desired) for step in _canary_steps(name, config, steps, observed)]
    place = next((index for index, step in enumerate(steps) if _runs_pods(step)), len(steps))
    return (*steps[:place], *canaries, *steps[place:])


def end_canaries(steps: Sequence[Step], desired: Desired, observed: ObservedSet) -> tuple[Step, ...]:
    """The steps that remove the canaries of these steps, and those that an interrupted deploy left."""
    begun = {str(step.manifest["metadata"]["name"]) for step in steps if isinstance(step, RunCanary)}
    left = {member.meta.name for member in observed.members if is_canary(member, desired)}
    return tuple(
        end_canary(name, desired.namespace, is_left=canary_name(name) not in begun)
        for name in map(desired.workload_name, desired.config.workloads)
        if canary_name(name) in begun | left
    )


def end_canary(workload: str, namespace: str, *, is_left: bool = False) -> EndCanary:
    identity = canary_identity(workload, namespace)
    key = f"Deployment/{canary_name(workload)}"
    why = ", which an earlier deploy left" if is_left else ""
    return EndCanary(
        f"end {key}", f"remove {key}{why}", (), "delete", undo="the next deploy makes another one", manifest=identity
    )


def begun_canaries(applied: Mapping[str, object], desired: Desired) -> tuple[Step, ...]:
    """The steps that remove the canaries of a deploy, by the ids of its steps that are done."""
    names = [name for name, config in _configs(desired) if any(_step_id(name, one) in applied for one in config.steps)]
    return tuple(end_canary(name, desired.namespace) for name in names)


def is_canary(member: Member, desired: Desired) -> bool:
    """True for the canary of a workload that deploy.yml has."""
    names = [desired.workload_name(name) for name in desired.config.workloads]
    own = member.meta.labels.get(CANARY_LABEL, "")
    return own in names and (member.group_kind, member.meta.name) == ("Deployment.apps", canary_name(own))


def without_canaries(observed: ObservedSet, desired: Desired) -> ObservedSet:
    """The set without what EndCanary removes."""
    return replace(observed, members=tuple(one for one in observed.members if not is_canary(one, desired)))


def canary_notes(desired: Desired, observed: KubernetesObserved) -> Iterator[str]:
    """Why a workload has no canary, although deploy.yml wants one."""
    for name, _ in _configs(desired):
        live = observed.objects.get(f"Deployment/{name}")
        if live is None:
            yield f"{name}: no canary, because no earlier version runs"
        elif not live.wanted_pods:
            yield f"{name}: no canary, because Deployment/{name} has no pods"


def pods_of(percent: int, replicas: int) -> int:
    """The number of a canary's pods: rounded up, so 1 at least."""
    return max(1, math.ceil(replicas * percent / 100))


def _configs(desired: Desired) -> Iterator[tuple[str, CanaryConfig]]:
    for name, workload in desired.config.workloads.items():
        if workload.canary:
            yield desired.workload_name(name), workload.canary


def _canary_steps(
    name: str, config: CanaryConfig, steps: Sequence[Step], observed: KubernetesObserved
) -> Iterator[RunCanary]:
    key = f"Deployment/{name}"
    live, step = observed.objects.get(key), next((step for step in steps if step.id == f"apply {key}"), None)
    if (
        live is None
        or not live.wanted_pods
        or not isinstance(step, ApplyObject)
        or not _changes_pods(step, live, observed)
    ):
        return
    for percent in config.steps:
        yield _canary_step(name, percent, config, step.manifest, live.wanted_pods)


def _canary_step(
    name: str, percent: int, config: CanaryConfig, manifest: Mapping[str, object], replicas: int
) -> RunCanary:
    pods = pods_of(percent, replicas)
    share = round(100 * pods / (pods + replicas))
    summary = f"canary {percent} %: {pods} of {replicas} pods of {name} beside the earlier version, {share} % of all"
    detail = [f"watched for {config.pause:.0f} s when ready"] if config.pause else []
    detail += [f"{config.check} should answer 2xx"] if config.check else []
    return RunCanary(
        _step_id(name, percent), summary, tuple(detail), "create" if percent == config.steps[0] else "change",
        undo=f"delete Deployment/{canary_name(name)}", manifest=render_canary(name, dict(manifest), pods),
        stable=f"Deployment/{name}", percent=percent, pause_s=config.pause, check=config.check or "",
    )  # fmt: skip


def _step_id(name: str, percent: int) -> str:
    return f"canary {name} {percent}"


def render_canary(workload: str, stable: Manifest, replicas: int) -> Manifest:
    """The Deployment of a canary, from that of the workload."""
    own, metadata, spec = {CANARY_LABEL: workload}, stable["metadata"], stable["spec"]
    annotations = {key: value for key, value in annotations_of(stable).items() if key != APPLIED_ANNOTATION}
    selector = {**spec["selector"], "matchLabels": {**spec["selector"].get("matchLabels", {}), **own}}
    template, head = spec["template"], spec["template"]["metadata"]
    labelled = {**template, "metadata": {**head, "labels": {**head["labels"], **own}}}
    return stamp(
        {
            **stable,
            "metadata": {
                **metadata,
                "name": canary_name(workload),
                "labels": {**metadata["labels"], **own},
                "annotations": annotations,
            },
            "spec": {**spec, "replicas": replicas, "selector": selector, "template": labelled},
        }
    )


def _changes_pods(step: ApplyObject, live: Live, observed: KubernetesObserved) -> bool:
    """True for a step that replaces the pods of a Deployment."""
    result = observed.previews.get(f"Deployment/{live.meta.name}", NO_PREVIEW).result
    changes = find_changes(live, result) if result is not None else object_differences(step.manifest, live)
    return any(change.keys[:2] == ("spec", "template") for change in changes)


def _runs_pods(step: Step) -> bool:
    return isinstance(step, ObjectStep) and rank(step.manifest["kind"])[0] >= RUN_WAVE


def is_canary_of(manifest: Mapping[str, Any], workload: str, desired: Desired) -> bool:
    """True for an object with the labels of a workload's canary, and of the set of this target."""
    labels = manifest["metadata"].get("labels")
    own = labels if isinstance(labels, Mapping) else {}
    return (own.get(CANARY_LABEL), own.get(PART_OF_LABEL)) == (workload, desired.set_id)
