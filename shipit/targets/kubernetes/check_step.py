"""Checks that a step is for an object of its target: it may come from a file that somebody changed. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from shipit.errors import DeployFailed
from shipit.release import Step
from shipit.targets.kubernetes.canary import canary_identity, is_canary_of
from shipit.targets.kubernetes.concise.names import MOST_PODS
from shipit.targets.kubernetes.desired import Desired
from shipit.targets.kubernetes.observed import key_of
from shipit.targets.kubernetes.plan_secrets import previous_name
from shipit.targets.kubernetes.steps import (
    ApplyObject,
    ApplyPullSecret,
    ApplySecret,
    AwaitPods,
    DeleteObject,
    EndCanary,
    NarrowApplySet,
    ObjectStep,
    RemoveApplySet,
    RemoveObject,
    RestartObject,
    RestoreSecret,
    RunCanary,
    RunReleaseJob,
    ScaleObject,
    WidenApplySet,
)
from shipit.targets.kubernetes.versions import is_version_of

# apiVersion, kind, namespace and name, of any type: a step is only compared.
_Identity = tuple[Any, Any, Any, Any]


def check_step(step: Step, desired: Desired) -> None:
    """Raises: DeployFailed for a step that this target would not plan."""
    if wrong := _wrong(step, desired):
        raise DeployFailed(f"the step {step.id!r} {wrong}", where=desired.target, hint="make a new plan")


def _wrong(step: Step, desired: Desired) -> str:
    if isinstance(step, ApplyPullSecret):
        return ""
    if isinstance(step, WidenApplySet | NarrowApplySet | RemoveApplySet):
        return "" if step.name == desired.set_name else f"should change ConfigMap/{desired.set_name}"
    if isinstance(step, RemoveObject):
        # Whether the object is one that shipit made is checked with the object itself.
        is_whole = step.uid and _identity(step.manifest, desired.namespace) is not None
        return "" if is_whole else "has no uid of the object to remove, or no metadata"
    if not isinstance(
        step,
        ObjectStep | DeleteObject | RunReleaseJob | ScaleObject | RestartObject | RunCanary | EndCanary | AwaitPods,
    ):
        return f"is of the type {step.type}, which Kubernetes does not have"
    identity = _identity(step.manifest, desired.namespace)
    if identity is None:
        return "has an object without metadata"
    if isinstance(step, RunReleaseJob):
        return _wrong_job(step, identity, desired)
    if isinstance(step, AwaitPods) and step.check != desired.slot_check(step.service):
        return "should have the check that deploy.yml has"
    if isinstance(step, RunCanary | EndCanary):
        return _wrong_canary(step, identity, desired)
    if not _is_known(identity, desired) and not _is_env_secret(identity, desired):
        return "is for an object that deploy.yml does not have"
    return _wrong_fields(step, str(identity[-1]), desired)


def _wrong_fields(
    step: ObjectStep | DeleteObject | ScaleObject | RestartObject | AwaitPods, name: str, desired: Desired
) -> str:
    if isinstance(step, DeleteObject | ScaleObject | RestartObject) and not step.uid:
        return f"has no uid of the object to {'delete' if isinstance(step, DeleteObject) else 'change'}"
    if isinstance(step, ScaleObject) and not 0 <= step.replicas <= MOST_PODS:
        return f"should have 0 to {MOST_PODS} replicas"
    if isinstance(step, ApplySecret | RestoreSecret):
        is_version = isinstance(step, ApplySecret) and is_version_of(name, desired.secret_key)
        kept = desired.copies.get(key_of(step.manifest, desired.namespace), previous_name(name))
        if step.previous != ("" if is_version else kept):
            return f"should keep the earlier values in Secret/{kept}"
        if not isinstance(step.manifest.get("data") or {}, Mapping):
            return "has data that is no map of keys"
    if isinstance(step, ApplyObject) and step.replicas is not None:
        return "" if isinstance(step.manifest.get("spec"), Mapping) else "has replicas and no spec"
    return ""


def _wrong_job(step: RunReleaseJob, identity: _Identity, desired: Desired) -> str:
    prefix = desired.job_prefix
    names = [identity[-1], *step.forget]
    if identity[:-1] != ("batch/v1", "Job", desired.namespace):
        return "should run a Job in the namespace of the target"
    if not all(isinstance(name, str) and name.startswith(prefix) for name in names):
        return f"should be for Jobs named {prefix}..."
    return ""


def _wrong_canary(step: RunCanary | EndCanary, identity: _Identity, desired: Desired) -> str:
    for name, config in desired.config.workloads.items():
        workload = desired.workload_name(name)
        if identity != _identity(canary_identity(workload, desired.namespace), desired.namespace):
            continue
        if isinstance(step, EndCanary):
            return ""
        if config.canary is None or step.check != (config.canary.check or ""):
            return "should have the check that deploy.yml has"
        if not is_canary_of(step.manifest, workload, desired):
            return f"should have the labels of a canary of {workload}"
        return ""
    return "is for a canary of no workload of deploy.yml"


def _is_known(identity: _Identity, desired: Desired) -> bool:
    # A part that is no text may not be hashable.
    if not all(isinstance(part, str) for part in identity):
        return False
    return identity == ("v1", "Secret", desired.namespace, desired.secret_key) or identity in desired.heads


def _is_env_secret(identity: _Identity, desired: Desired) -> bool:
    """Whether it is the Secret of the env's secrets, whatever their values."""
    *kind, name = identity
    return kind == ["v1", "Secret", desired.namespace] and is_version_of(str(name), desired.secret_key)


def _identity(manifest: Mapping[str, Any], namespace: str) -> _Identity | None:
    metadata = manifest.get("metadata")
    if not isinstance(metadata, Mapping):
        return None
    own = metadata.get("namespace") or namespace
    return manifest.get("apiVersion"), manifest.get("kind"), own, metadata.get("name")
