"""PersistentVolumeClaims: bound, being provisioned, or without anything that will provision them. Pure.

Source: Kubernetes concepts, "Persistent Volumes", "Storage Classes"; events of the volume controller and of external provisioners.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from shipit.release import Verdict
from shipit.targets.kubernetes.health.case import Case
from shipit.targets.kubernetes.live import Happening
from shipit.targets.kubernetes.objects import status_of
from shipit.targets.kubernetes.observed import KubernetesObserved

_NO_CLASS = "no storage class is set"
_UNKNOWN_CLASS = re.compile(r'storageclass\S* "([^"\n]{1,253})" not found')
_CLASS_HINT = "set storageClassName to one that kubectl get storageclass lists, or make one the default"


class Failure(NamedTuple):
    why: str
    hint: str


def claim_failure(namespace: str, name: str, observed: KubernetesObserved) -> Failure | None:
    """Why a claim will not be bound by waiting; None where it may be."""
    newest = _newest(namespace, name, observed, "FailedBinding", "ProvisioningFailed")
    if newest is None or _makes_volumes(observed):
        return None
    if _NO_CLASS in newest.message:
        return Failure(newest.message, _CLASS_HINT)
    if missing := _UNKNOWN_CLASS.search(newest.message):
        return Failure(f"there is no StorageClass {missing[1]}", _CLASS_HINT)
    return None


def claim_reason(namespace: str, name: str, observed: KubernetesObserved) -> str:
    """What a claim waits for; empty where no event says it."""
    reasons = ("FailedBinding", "ProvisioningFailed", "ExternalProvisioning", "Provisioning")
    newest = _newest(namespace, name, observed, *reasons)
    return f"PersistentVolumeClaim/{name}: {newest.message}" if newest else ""


def is_provisioned(namespace: str, name: str, observed: KubernetesObserved) -> bool:
    """Whether a provisioner works on a claim."""
    newest = _newest(namespace, name, observed, "Provisioning", "ProvisioningFailed", "ProvisioningSucceeded")
    return newest is not None and newest.reason == "Provisioning"


def judge_claim(case: Case) -> Verdict:
    meta, phase = case.live.meta, status_of(case.live.manifest).get("phase")
    if phase == "Bound":
        return case.healthy("is bound")
    if phase == "Lost":
        return case.failed("its volume is gone", "restore the PersistentVolume, or delete the claim")
    failure = claim_failure(meta.namespace, meta.name, case.observed)
    if failure is not None and case.is_steady:
        return case.failed(failure.why, failure.hint)
    if _newest(meta.namespace, meta.name, case.observed, "WaitForFirstConsumer") and not _is_used(case):
        return case.healthy("waits for the first pod that uses it")
    reason = claim_reason(meta.namespace, meta.name, case.observed)
    return case.waiting(reason.partition(": ")[2] or "not bound yet", "Pending")


def _is_used(case: Case) -> bool:
    name, namespace = case.live.meta.name, case.live.meta.namespace
    return any(name in pod.claims and pod.meta.namespace == namespace for pod in case.observed.pods)


def _makes_volumes(observed: KubernetesObserved) -> bool:
    """Whether the deploy has a PersistentVolume that no claim is bound to yet."""
    volumes = [live for live in observed.objects.values() if live is not None and live.kind == "PersistentVolume"]
    return any(status_of(live.manifest).get("phase") != "Bound" for live in volumes)


def _newest(namespace: str, name: str, observed: KubernetesObserved, *reasons: str) -> Happening | None:
    found = [
        event
        for event in observed.events or ()
        if (event.kind, event.namespace, event.name) == ("PersistentVolumeClaim", namespace, name)
        and event.reason in reasons
    ]
    return max(found, key=lambda event: event.time, default=None)
