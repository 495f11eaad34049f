"""The manifest that was applied before, read back from a live object; and the steps of a rollback. Pure.

Source: Kubernetes, "Server-Side Apply", field management.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from shipit.digest import parse_digest
from shipit.release import Effect, Step
from shipit.targets.kubernetes.drift import hashes, object_differences
from shipit.targets.kubernetes.live import Live, applied_part
from shipit.targets.kubernetes.objects import annotations_of, container_images, template_of
from shipit.targets.kubernetes.observed import KubernetesObserved, key_of
from shipit.targets.kubernetes.plan_secrets import previous_name
from shipit.targets.kubernetes.render import CONFIG_ANNOTATION, MANAGED_BY, Manifest
from shipit.targets.kubernetes.sealed import is_secret
from shipit.targets.kubernetes.steps import ApplyObject, DeleteObject, ReplaceObject, RestoreSecret
from shipit.targets.kubernetes.superseded import Released, find_change
from shipit.targets.kubernetes.wanted import autoscaled
from shipit.targets.kubernetes.waves import ordered

_AGAIN = "deploy again"


def applied(live: Live) -> Manifest | None:
    """The manifest that was applied last: the fields that shipit owns, or took over. None when it owns none."""
    owned = applied_part(live.meta.managers)
    if owned is None:
        return None
    own = owned.part_of(live.manifest)
    return _named(live, own if isinstance(own, dict) else {})


def projected(wanted: Any, live: Any) -> Any:
    """The fields of a live object that a manifest has, with their live values; lists as a whole."""
    if isinstance(wanted, dict) and isinstance(live, dict):
        return {key: projected(value, live[key]) for key, value in wanted.items() if key in live}
    return live


def _named(live: Live, own: Manifest) -> Manifest:
    head = {"apiVersion": live.manifest["apiVersion"], "kind": live.kind}
    name = {"name": live.meta.name, **({"namespace": live.meta.namespace} if live.meta.namespace else {})}
    metadata = own.get("metadata")
    return {**own, **head, "metadata": {**(metadata if isinstance(metadata, dict) else {}), **name}}


def plan_back(
    before: KubernetesObserved, now: KubernetesObserved, namespace: str, released: Released
) -> tuple[Step, ...]:
    """The steps back to the objects of `before`: changed objects are applied as they were, new ones are deleted.

    Empty when somebody else changed an object meanwhile: it is then neither what `released` has nor what it was before.
    Jobs stay, because a release command can't be undone.
    """
    if any(_is_foreign(key, before, now, released) for key in now.objects):
        return ()
    pairs = {key: (before.objects.get(key), now.objects.get(key)) for key in now.objects}
    pairs |= {"the env's Secret": (before.secret, now.secret)} if before.secret else {}
    back = [(manifest, old, new) for old, new in pairs.values() if old and (manifest := _back(old, new))]
    scaled = autoscaled([manifest for manifest, _, _ in back], namespace)
    order = {id(item): place for place, item in enumerate(ordered([manifest for manifest, _, _ in back]))}
    back.sort(key=lambda item: order[id(item[0])])
    steps = [_apply(key_of(manifest, namespace), manifest, old, new, scaled) for manifest, old, new in back]
    return (*steps, *(_delete(key, new) for key, new in new_objects(before, now).items()))


def new_objects(before: KubernetesObserved, now: KubernetesObserved) -> dict[str, Live]:
    """The objects that were not there before, by key; without Jobs, which stay."""
    found = {key: live for key, live in now.objects.items() if before.objects.get(key) is None}
    return {key: live for key, live in found.items() if live and live.kind != "Job"}


def _is_foreign(key: str, before: KubernetesObserved, now: KubernetesObserved, released: Released) -> bool:
    """Whether an object is neither what this deploy applies nor what it was before."""
    old, new, ours = before.objects.get(key), now.objects.get(key), released.objects.get(key)
    if new is None or ours is None or (old is not None and old.meta.version == new.meta.version):
        return False
    was = wanted_back(old, new) if old else None
    if was is not None and find_change(was, new) is None:
        return False
    change = find_change(ours, new, released.known.get(key, ()))
    # Where a step failed after its write, `known` lacks the object. The changes of a webhook are then told by their field
    # manager: they are recorded under the name of the one that applied, as an Update.
    is_webhook = change is not None and change.manager is not None and change.manager.name == MANAGED_BY
    return change is not None and not (is_webhook and change.manager and not change.manager.is_ours)


def wanted_back(old: Live, new: Live | None) -> Manifest | None:
    """The manifest of an object of before, with the fields that shipit sets; None when it owns none."""
    ours = applied(new) if new else None
    return applied(old) or (projected(ours, old.manifest) if ours else None)


def released_before(
    before: KubernetesObserved, now: KubernetesObserved, known: Mapping[str, frozenset[str]]
) -> Released:
    """What ran before, to judge a rollback against."""
    pairs = {key: (old, now.objects.get(key)) for key, old in before.objects.items() if old is not None}
    objects = {key: wanted_back(old, new) or _named(old, {}) for key, (old, new) in pairs.items()}
    return Released(
        objects=objects,
        known={key: found for key, found in known.items() if key in objects},
        digests={image: found for item in objects.values() for image, found in _digests(item)},
    )


def _digests(manifest: Manifest) -> Iterator[tuple[str, frozenset[str]]]:
    """The digests under which the images of an object may run, as far as it pins them."""
    config = parse_digest(annotations_of(template_of(manifest)).get(CONFIG_ANNOTATION))
    for image in container_images(manifest).values():
        if pinned := parse_digest(image.rpartition("@")[2]):
            yield image, frozenset({pinned, *([config] if config else ())})


def _back(old: Live, new: Live | None) -> Manifest | None:
    """The manifest that makes an object what it was; None when nothing of it was changed."""
    if old.kind == "Job":
        return None
    was = wanted_back(old, new)
    return None if was is None or (new is not None and was == applied(new)) else was


def _apply(key: str, manifest: Manifest, old: Live, new: Live | None, scaled: frozenset[str]) -> Step:
    name, summary = f"apply {key}", f"put {key} back"
    version = new.meta.version if new else ""
    known = hashes(object_differences(manifest, new)) if new else ()
    if is_secret(manifest):
        previous = previous_name(old.meta.name)
        detail = (f"with the values that Secret/{previous} has",)
        return RestoreSecret(
            name, summary, detail, undo=_AGAIN, manifest=manifest, version=version, known=known,
            previous=previous, copied_from=old.meta.version,
        )  # fmt: skip
    # What this deploy replaced can't be changed back in place.
    if new is not None and (old.kind == "Pod" or old.meta.uid != new.meta.uid):
        return ReplaceObject(
            name, summary, (), "replace", undo=_AGAIN, manifest=manifest, version=version, known=known, uid=new.meta.uid
        )
    spec = manifest.get("spec")
    replicas = spec.get("replicas") if key in scaled and isinstance(spec, dict) else None
    effect: Effect = "change" if new else "create"
    return ApplyObject(
        name, summary, (), effect, undo=_AGAIN, manifest=manifest, version=version, known=known, replicas=replicas
    )


def _delete(key: str, new: Live) -> Step:
    summary = f"delete {key}, which was not there"
    return DeleteObject(f"delete {key}", summary, (), "delete", undo=_AGAIN, manifest=_named(new, {}), uid=new.meta.uid)
