"""What was applied before, read back from a live object; and the way back to it. Pure.

Source: Kubernetes, "Server-Side Apply", field management.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from shipit.digest import parse_digest
from shipit.release import PayloadStep as Step
from shipit.targets.kubernetes.live import Live
from shipit.targets.kubernetes.objects import container_images
from shipit.targets.kubernetes.observed import KubernetesObserved, key_of
from shipit.targets.kubernetes.plan import autoscaled, ordered
from shipit.targets.kubernetes.render import CONFIG_ANNOTATION, Manifest
from shipit.targets.kubernetes.superseded import Released, find_change


def applied(live: Live) -> Manifest | None:
    """The manifest that we applied last, which is what we own of a live object; None when we own nothing of it."""
    for manager in live.meta.managers:
        if manager.is_ours:
            own = manager.owned.part_of(live.manifest)
            return _named(live, own if isinstance(own, dict) else {})
    return None


def projected(wanted: Any, live: Any) -> Any:
    """Of a live object what a manifest speaks of, as it is there; lists are taken whole."""
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
    """The way back to the objects of before: what was changed is applied as it was, what was not there is deleted.

    An object that is now neither what this deploy applied nor what it was before was changed by somebody else, and then
    everything is left alone. Jobs stay: what a release command did is done.
    """
    if any(_is_foreign(key, before, now, released) for key in now.objects):
        return ()
    pairs = {key: (before.objects.get(key), now.objects.get(key)) for key in now.objects}
    back = {key: manifest for key, (old, new) in pairs.items() if (manifest := _back(old, new))}
    scaled = autoscaled(list(back.values()), namespace)
    steps = [_apply(key_of(manifest, namespace), manifest, scaled) for manifest in ordered(list(back.values()))]
    new_ones = [(key, new) for key, (old, new) in pairs.items() if old is None and new and new.kind != "Job"]
    steps += [
        Step(f"delete {key}", f"delete {key}, which was not there", payload={"delete": _named(new, {})})
        for key, new in new_ones
    ]
    if _differs(before.secret, now.secret):
        steps.insert(0, Step("apply the Secret of before", "put the secrets back", payload={"secret": "before"}))
    return tuple(steps)


def _is_foreign(key: str, before: KubernetesObserved, now: KubernetesObserved, released: Released) -> bool:
    """Whether an object is neither what this deploy applies nor what it was before."""
    old, new, ours = before.objects.get(key), now.objects.get(key), released.objects.get(key)
    if new is None or ours is None or (old is not None and old.meta.version == new.meta.version):
        return False
    was = wanted_back(old, new) if old else None
    if was is not None and find_change(was, new) is None:
        return False
    return find_change(ours, new, released.answers.get(key)) is not None


def wanted_back(old: Live, new: Live | None) -> Manifest | None:
    """What an object of before was, as far as we speak of it; None when we own nothing of it."""
    ours = applied(new) if new else None
    return applied(old) or (projected(ours, old.manifest) if ours else None)


def released_before(before: KubernetesObserved, now: KubernetesObserved, answers: Mapping[str, Live]) -> Released:
    """What ran before, to hold a place against on its way back."""
    pairs = {key: (old, now.objects.get(key)) for key, old in before.objects.items() if old is not None}
    objects = {key: wanted_back(old, new) or _named(old, {}) for key, (old, new) in pairs.items()}
    return Released(
        objects=objects,
        answers={key: live for key, live in answers.items() if key in objects},
        digests={image: found for item in objects.values() for image, found in _digests(item)},
    )


def _digests(manifest: Manifest) -> Iterator[tuple[str, frozenset[str]]]:
    """The digests under which the images of an object may run, as far as it pins them."""
    own = manifest.get("spec", {}).get("template", {}).get("metadata", {}).get("annotations", {})
    config = parse_digest(own.get(CONFIG_ANNOTATION))
    for image in container_images(manifest).values():
        if pinned := parse_digest(image.rpartition("@")[2]):
            yield image, frozenset({pinned, *([config] if config else ())})


def _back(old: Live | None, new: Live | None) -> Manifest | None:
    """What has to be applied so that an object is what it was; None when nothing of it was changed."""
    if old is None or old.kind == "Job":
        return None
    was = wanted_back(old, new)
    return None if was is None or (new is not None and was == applied(new)) else was


def _apply(key: str, manifest: Manifest, scaled: frozenset[str]) -> Step:
    payload: dict[str, Any] = {"apply": manifest, "replace": manifest["kind"] == "Pod"}
    if key in scaled and "replicas" in manifest.get("spec", {}):
        payload["replicas"] = manifest["spec"]["replicas"]
    return Step(f"apply {key}", f"put {key} back", payload=payload)


def _differs(old: Live | None, new: Live | None) -> bool:
    return old is not None and (new is None or old.manifest.get("data") != new.manifest.get("data"))
