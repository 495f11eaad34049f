"""The steps that record and remove the objects of an ApplySet. Pure.

Source: KEP-3659: the parent is widened before the first object is applied, and narrowed when the last one is pruned.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from shipit.release import Effect, Step
from shipit.targets.kubernetes.applyset import PART_OF_LABEL, Member, ObservedSet, Scope, scope_of
from shipit.targets.kubernetes.desired import Desired
from shipit.targets.kubernetes.live import Live
from shipit.targets.kubernetes.observed import key_of
from shipit.targets.kubernetes.render import VERSION_LABEL
from shipit.targets.kubernetes.steps import Doomed, NarrowApplySet, RemoveObject, WidenApplySet
from shipit.targets.kubernetes.waves import rank

# Removed only where a user names them: with them goes what no deploy brings back.
KEPT_KINDS = frozenset(
    {"PersistentVolumeClaim", "PersistentVolume", "Namespace", "CustomResourceDefinition.apiextensions.k8s.io"}
)
KEEP_ANNOTATION = "shipit.dev/keep"
_HELM_KEEP = "helm.sh/resource-policy"
LEFT = ", which left deploy.yml"


def is_kept(member: Member) -> bool:
    """Whether a member stays unless it is named."""
    annotations = member.meta.annotations
    says = annotations.get(KEEP_ANNOTATION, "").lower() == "true" or annotations.get(_HELM_KEEP) == "keep"
    return says or member.group_kind in KEPT_KINDS


def plan_widening(desired: Desired, observed: ObservedSet) -> Step | None:
    """The step that records the kinds and namespaces of what is wanted; None where they are recorded."""
    missing = wanted_scope(desired).without(observed.scope)
    if not (missing.kinds or missing.namespaces):
        return None
    name = desired.set_name
    what = f"ConfigMap/{name}, which records the kinds of the app's objects"
    detail = tuple(sorted(missing.kinds)) + tuple(f"namespace {name}" for name in sorted(missing.namespaces))
    effect: Effect = "change" if observed.exists else "create"
    verb = "extend" if observed.exists else "create"
    return WidenApplySet(
        f"widen {name}", f"{verb} {what}", (", ".join(detail),), effect, undo="the next deploy corrects it",
        name=name, kinds=tuple(sorted(missing.kinds)), namespaces=tuple(sorted(missing.namespaces)),
    )  # fmt: skip


def plan_removal(
    desired: Desired, observed: ObservedSet, *, has_changes: bool = True, why: str = LEFT
) -> tuple[Step, ...]:
    """The steps that remove the members which left deploy.yml, and that record what is left. `why` follows their names.

    Without `has_changes`, versions that nothing uses any more wait for the next deploy that changes anything: a deploy
    leaves no changes for the next plan.
    """
    going = removable(observed.members) if desired.config.prune else []
    if not (has_changes or any(not _is_old_version(member, desired) for member in going)):
        going = []
    return removal_steps(desired, observed, going, wanted_scope(desired), why)


def _is_old_version(member: Member, desired: Desired) -> bool:
    """Whether deploy.yml has another version of a member."""
    return bool(member.version) and member.meta.labels.get(VERSION_LABEL, member.meta.name) in desired.versions


def removal_steps(
    desired: Desired,
    observed: ObservedSet,
    going: Sequence[Member],
    wanted: Scope,
    why: str = LEFT,
) -> tuple[Step, ...]:
    """The steps that remove members, then narrow the parent to what is wanted and to the members that stay."""
    namespace, name = desired.namespace, desired.set_name
    other = other_file(desired, observed)
    steps: list[Step] = [_removal(member, namespace, why, other) for member in going]
    kept = [member for member in observed.members if member not in going and not member.is_copy]
    staying = [member.manifest for member in kept if not member.meta.is_deleting]
    extra = observed.scope.without(wanted.with_(scope_of(staying, namespace)))
    if observed.unlisted:
        # There may be members that nobody could see.
        extra = Scope()
    if steps or extra.kinds or extra.namespaces:
        steps.append(
            NarrowApplySet(
                f"narrow {name}", _narrowing(name, extra, going), effect="change", undo="the next deploy corrects it", name=name,
                gone=tuple(Doomed(member.manifest, member.meta.uid) for member in going),
                kinds=tuple(sorted(extra.kinds)), namespaces=tuple(sorted(extra.namespaces)),
            )
        )  # fmt: skip
    return tuple(steps)


def removable(members: Iterable[Member]) -> list[Member]:
    """The members that shipit may remove, in the order in which it does."""
    going = (item for item in members if item.is_ours and not is_kept(item) and item.version != "used")
    return in_order(item for item in going if not item.meta.is_deleting)


def in_order(members: Iterable[Member]) -> list[Member]:
    """What uses others first."""
    return sorted(members, key=lambda member: rank(member.kind), reverse=True)


def set_notes(desired: Desired, observed: ObservedSet, kubectl: str, left: str = "left deploy.yml") -> Iterator[str]:
    """What left deploy.yml and stays, for the reader of the plan. `left` says so of an object."""
    for member in observed.members:
        key = key_of(member.manifest, desired.namespace)
        if member.version or member.is_copy:
            continue
        if member.meta.is_deleting:
            yield f"{key} {left} and is being deleted{waits_for(member)}"
        elif not member.is_ours:
            yield f"{key} has the label {PART_OF_LABEL}, which shipit did not set: it stays"
        elif is_kept(member) or not desired.config.prune:
            yield f"{key} {left} and stays; delete it with {kubectl}{_delete_command(member)}"
    for resource in observed.unlisted:
        yield f"you may not list {resource}: what {left} of these is not found"


def waits_for(member: Member) -> str:
    """The end of a sentence: the finalizers that a member which is being deleted waits for, or nothing."""
    return f", and waits for {', '.join(member.meta.finalizers)}" if member.meta.finalizers else ""


def find_other_sets(desired: Desired, objects: Iterable[Live | None]) -> Iterator[str]:
    """A line for each wanted object that is a member of another set: of another target, environment, app or tool."""
    for live in objects:
        if live is not None and live.meta.labels.get(PART_OF_LABEL, desired.set_id) != desired.set_id:
            yield f"{key_of(live.manifest, desired.namespace)} belongs to another app, environment or target"


def wanted_scope(desired: Desired) -> Scope:
    return scope_of(desired.members(), desired.namespace)


def other_file(desired: Desired, observed: ObservedSet) -> str:
    """Another deploy.yml of the same name of app, which deployed the set before; empty where it is the same or unknown."""
    return observed.file if desired.file and observed.file != desired.file else ""


def _removal(member: Member, namespace: str, why: str, other: str) -> Step:
    key = key_of(member.manifest, namespace)
    # Two files with one name of app would remove each other's objects: the user is asked.
    detail = (f"{other} deployed here before, with the same app, environment and target",) if other else ()
    return RemoveObject(
        f"remove {member.group_kind}/{member.meta.namespace}/{member.meta.name}", f"remove {key}{why}", detail, "delete",
        destroys=bool(other), undo="add it to deploy.yml again, and deploy", manifest=member.manifest, uid=member.meta.uid,
    )  # fmt: skip


def _narrowing(name: str, extra: Scope, going: Sequence[Member]) -> str:
    record = f"record in ConfigMap/{name} what is left" if extra.kinds or extra.namespaces else ""
    return " and ".join(filter(None, ["wait until it is gone" if going else "", record]))


def _delete_command(member: Member) -> str:
    place = f" -n {member.meta.namespace}" if member.meta.namespace else ""
    return f"{place} delete {member.group_kind.lower()} {member.meta.name}"
