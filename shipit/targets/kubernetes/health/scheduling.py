"""Pods that no node can take: what the scheduler says, and claims that are not bound. Pure.

Source: the reasons of the scheduler's filter plugins, as kube-scheduler 1.34 writes them; events of the volume controller.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from shipit.release import Verdict
from shipit.targets.kubernetes.health.case import STEADY_S
from shipit.targets.kubernetes.health.claims import claim_failure, claim_reason
from shipit.targets.kubernetes.health.happenings import Events, about
from shipit.targets.kubernetes.health.pod_case import PodCase
from shipit.targets.kubernetes.live import Pod

# A cluster autoscaler, or Karpenter, adds a node for the pod.
_SCALING = ("TriggeredScaleUp", "Nominated")
_PREEMPTION = re.compile(r"\.? (?:no new claims to deallocate, )?preemption: .*|\.? not found$", re.DOTALL)
_NO_CLAIM = re.compile(r'persistentvolumeclaim "([^"\n]{1,253})" not found')
_PORTS = "didn't have free ports"
# Text of the scheduler -> what to do, in the order in which they are looked for.
_HINTS = (
    (_PORTS, "another pod has the same hostPort: use another port or a Service, or strategy Recreate where it is an older pod of the same object"),
    ("node affinity/selector", "no node has the labels that nodeSelector or nodeAffinity ask for: label a node, or change them"),
    ("untolerated taint", "the nodes have a taint: add a toleration, or remove the taint"),
    ("Insufficient", "ask for less cpu or memory, or add nodes"),
    ("Too many pods", "add nodes: those that are there have as many pods as they may"),
    ("anti-affinity", "podAntiAffinity leaves no node: add nodes, or make it preferred"),
    ("topology spread", "topologySpreadConstraints leave no node: add nodes, or set whenUnsatisfiable: ScheduleAnyway"),
    ("volume node affinity", "its volume is bound to another node or zone"),
)  # fmt: skip


class Unplaced(NamedTuple):
    """Why a pod has no node, and what to do."""

    why: str
    hint: str


def unplaced(pod: Pod) -> Unplaced | None:
    """None for a pod that has a node."""
    for row in pod.conditions:
        if row.type == "PodScheduled" and row.status == "False":
            why = _PREEMPTION.sub("", row.message)
            hint = next((hint for text, hint in _HINTS if text in why), "")
            return Unplaced(why or row.reason, hint)
    return None


def is_scaling(pod: Pod, events: Events) -> bool:
    """Whether an autoscaler adds a node for a pod."""
    return bool(about(pod.meta.uid, events, *_SCALING))


def why_unplaced(case: PodCase) -> str:
    """Why a pod has no node, with what its claims wait for; empty for one that has a node."""
    found = unplaced(case.pod)
    if found is None:
        return ""
    if is_scaling(case.pod, case.observed.events):
        return f"waits for a new node: {found.why}"
    claims = [text for name in case.pod.claims if (text := claim_reason(case.pod.meta.namespace, name, case.observed))]
    return f"can't be scheduled: {claims[0] if claims else found.why}"


def judge_place(case: PodCase) -> Verdict | None:
    """A failure for a pod that will get no node by waiting; others may get one when pods end or nodes are added."""
    found = unplaced(case.pod)
    if found is None or case.seen.unchanged_s < STEADY_S or is_scaling(case.pod, case.observed.events):
        return None
    name = case.pod.meta.name
    for claim in case.pod.claims:
        if failure := claim_failure(case.pod.meta.namespace, claim, case.observed):
            return case.failed(f"{name} waits for PersistentVolumeClaim/{claim}: {failure.why}", failure.hint)
    if missing := _NO_CLAIM.search(found.why):
        hint = "create the PersistentVolumeClaim, or put it in the manifests"
        return None if case.has_operator else case.failed(f"{name} can't be scheduled: {missing[0]}", hint)
    # A pod that is being deleted frees its ports.
    if _PORTS in found.why and not any(pod.meta.is_deleting for pod in case.observed.pods):
        return case.failed(f"{name} can't be scheduled: {found.why}", found.hint)
    return None
