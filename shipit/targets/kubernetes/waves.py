"""The order in which objects are applied: in waves, those of a wave in parallel. Pure.

Source: the InstallOrder of Helm; Kubernetes, "Privilege escalation prevention and bootstrapping" (a binding needs its role).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from types import MappingProxyType

from shipit.release import Step
from shipit.targets.kubernetes.render import Manifest
from shipit.targets.kubernetes.steps import DeleteObject, ObjectStep, RemoveObject

_FIRST = (
    ("Namespace", "CustomResourceDefinition"),
    (
        "PriorityClass", "RuntimeClass", "StorageClass", "IngressClass", "ResourceQuota", "LimitRange", "NetworkPolicy",
        "PodDisruptionBudget", "ServiceAccount", "Role", "ClusterRole",
    ),
    ("RoleBinding", "ClusterRoleBinding", "ConfigMap", "Secret", "PersistentVolume", "PersistentVolumeClaim", "Service"),
)  # fmt: skip
# Workloads, and kinds of which nothing is known, come between.
_LAST = (
    (
        "HorizontalPodAutoscaler", "Ingress", "HTTPRoute", "GRPCRoute", "APIService", "ValidatingAdmissionPolicyBinding",
        "MutatingAdmissionPolicyBinding",
    ),
    # A webhook whose pods do not run yet would refuse the other objects.
    ("MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"),
)  # fmt: skip
_ROWS = (*_FIRST, (), *_LAST)
# Kind -> its wave, and its place in the wave.
_PLACES: Mapping[str, tuple[int, int]] = MappingProxyType(
    {kind: (wave, place) for wave, kinds in enumerate(_ROWS) for place, kind in enumerate(kinds)}
)
# The wave of workloads.
RUN_WAVE = len(_FIRST)
_WORKLOADS = (RUN_WAVE, 0)


def ordered(manifests: Sequence[Manifest]) -> list[Manifest]:
    """The manifests in the order they can be applied; equals stay as written."""
    return sorted(manifests, key=lambda item: rank(item["kind"]))


def rank(kind: str) -> tuple[int, int]:
    """The place of a kind in the order in which objects are applied: its wave first."""
    return _PLACES.get(kind, _WORKLOADS)


def waves_of(steps: Sequence[Step]) -> tuple[tuple[Step, ...], ...]:
    """The steps in their order, divided into waves. Steps on objects of one wave are in one; every other step is alone."""
    keys = {step.id: _key(step, number) for number, step in enumerate(steps)}
    return tuple(tuple(items) for _, items in groupby(steps, key=lambda step: keys[step.id]))


def _key(step: Step, number: int) -> tuple[str, int]:
    """The same for neighbours that may be applied in parallel."""
    for kind in (ObjectStep, DeleteObject, RemoveObject):
        if isinstance(step, kind):
            return kind.__name__, rank(step.manifest["kind"])[0]
    return "alone", number
