"""The steps of a return to a recorded release. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from shipit.release import Release, Step
from shipit.targets.kubernetes.applyset import ObservedSet
from shipit.targets.kubernetes.history.record import Recalled, unrestored
from shipit.targets.kubernetes.history.recorded import RecordedDesired
from shipit.targets.kubernetes.observed import KubernetesObserved, key_of
from shipit.targets.kubernetes.plan_release import plan_release
from shipit.targets.kubernetes.prune import set_notes
from shipit.targets.kubernetes.steps import ApplySecret, ObjectStep, RestoreSecret

_UNDO = "return to another release"


def release_of(desired: RecordedDesired) -> Release:
    """A release without images: the objects of a record have them."""
    return Release(desired.project.app, desired.project.environment)


def plan_return(desired: RecordedDesired, recalled: Recalled, observed: KubernetesObserved) -> tuple[Step, ...]:
    """The steps of a deploy of what the record holds; empty where that runs.

    Without the ApplySet, as a verdict observes, there are none on it.
    """
    why = f", which {recalled.record.past.version} does not have"
    steps = plan_release(desired, release_of(desired), observed, why)
    if observed.applied_set is None:
        steps = tuple(step for step in steps if isinstance(step, ObjectStep))
    return tuple(_returning(step, desired) for step in steps)


def _returning(step: Step, desired: RecordedDesired) -> Step:
    """The step of a deploy as one of a return: Secrets are restored from their copies."""
    if isinstance(step, ApplySecret):
        name = desired.copies[key_of(step.manifest, desired.namespace)]
        detail = (*step.detail[:1], f"with the values that Secret/{name} has")
        return RestoreSecret(
            step.id, step.summary, detail, step.effect, step.destroys, _UNDO, manifest=step.manifest,
            version=step.version, known=step.known, previous=name, copied_from="",
        )  # fmt: skip
    if isinstance(step, ObjectStep):
        return replace(step, undo=_UNDO)
    return step


def return_notes(
    desired: RecordedDesired, recalled: Recalled, observed: KubernetesObserved, kubectl: str
) -> Iterator[str]:
    """What a return leaves as it is."""
    record = recalled.record
    if record.has_command or desired.project.release is not None:
        yield "the release command is not run: what it changed, such as a database, stays as it is"
    for item in record.objects:
        if item["kind"] == "Job":
            yield f"{key_of(item, desired.namespace)} is not run again"
    for key in unrestored(record, desired.namespace):
        yield f"{key} keeps the values that it has: those of {record.past.version} were not kept"
    yield from set_notes(desired, observed.applied_set or ObservedSet(), kubectl, f"is not in {record.past.version}")
