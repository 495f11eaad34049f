"""Removing everything that shipit made at a target: the members of its ApplySet, then the parent. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Literal

from shipit.errors import RemoteError
from shipit.release import Destruction, Leftover, Step
from shipit.targets.kubernetes.applyset import NOWHERE, Member, ObservedSet
from shipit.targets.kubernetes.desired import Desired
from shipit.targets.kubernetes.objects import HAVE_PODS
from shipit.targets.kubernetes.observed import key_of
from shipit.targets.kubernetes.prune import in_order, is_kept, removal_steps, waits_for
from shipit.targets.kubernetes.steps import Doomed, RemoveApplySet, RemoveObject

_VOLUMES = ("PersistentVolumeClaim", "PersistentVolume")


def plan_destroy(desired: Desired, inventory: ObservedSet, wanted: Destruction) -> tuple[Step, ...]:
    """The steps that remove what shipit made. The pods of a workload are gone before it is."""
    _check_listed(desired, inventory)
    going = in_order(member for member in inventory.members if _goes(desired, member, wanted))
    steps = [_whole(step, wanted) for step in removal_steps(desired, inventory, going, NOWHERE, "")]
    if len(going) < len(inventory.members) or not inventory.exists:
        return tuple(steps)
    name = desired.set_name
    removals = [step for step in steps if isinstance(step, RemoveObject)]
    summary = f"wait until it is gone and remove ConfigMap/{name}" if going else f"remove ConfigMap/{name}"
    gone = tuple(Doomed(member.manifest, member.meta.uid) for member in inventory.members)
    parent = RemoveApplySet(f"remove {name}", summary, (), "delete", undo="deploy again", name=name, gone=gone)
    return (*removals, parent)


def leftovers(desired: Desired, inventory: ObservedSet, wanted: Destruction) -> Iterator[Leftover]:
    """The members that stay, and those that somebody deletes already and that are still there."""
    for member in inventory.members:
        key = key_of(member.manifest, desired.namespace)
        if _goes(desired, member, wanted):
            continue
        if member.meta.is_deleting:
            yield Leftover(f"{key} is being deleted{waits_for(member)}")
        elif not member.is_ours:
            yield Leftover(f"{key} stays: shipit did not make it, or it has an owner")
        else:
            yield Leftover(f"{key} stays: --include {key} removes it", key, member.group_kind in _VOLUMES)


def _goes(desired: Desired, member: Member, wanted: Destruction) -> bool:
    if not member.is_ours or member.meta.is_deleting:
        return False
    if member.group_kind in _VOLUMES and wanted.keep_data:
        return False
    return not is_kept(member) or key_of(member.manifest, desired.namespace) in wanted.named


def _whole(step: Step, wanted: Destruction) -> Step:
    """A removal that waits for the pods of a workload."""
    if not isinstance(step, RemoveObject):
        return step
    kind = step.manifest["kind"]
    propagation: Literal["Background", "Foreground"] = (
        "Foreground" if kind in HAVE_PODS and kind != "Pod" else "Background"
    )
    return replace(step, propagation=propagation, keep_data=wanted.keep_data, destroys=True, undo="deploy again")


def _check_listed(desired: Desired, inventory: ObservedSet) -> None:
    if inventory.unlisted:
        what = f"you may not list {', '.join(inventory.unlisted)}: what shipit made of these is not known"
        raise RemoteError(what, where=desired.target, hint="ask for a Role with the verb list", status=403)
