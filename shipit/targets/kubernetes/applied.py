"""What was applied before, read back from a live object; and the way back to it. Pure.

Source: Kubernetes, "Server-Side Apply", field management; structured-merge-diff's fieldsV1: `f:` a key, `k:` a list item
by its keys, `v:` a value of a set, `.` the thing itself.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from shipit.release import Step
from shipit.targets.kubernetes.observed import KubernetesObserved, key_of
from shipit.targets.kubernetes.plan import autoscaled, ordered
from shipit.targets.kubernetes.render import MANAGED_BY, Manifest


def applied(live: Manifest) -> Manifest | None:
    """The manifest that we applied last, which is what we own of a live object; None when we own nothing of it."""
    for entry in live["metadata"].get("managedFields") or []:
        if entry.get("manager") == MANAGED_BY and entry.get("operation") == "Apply" and not entry.get("subresource"):
            own = _owned(live, entry.get("fieldsV1") or {})
            return _named(live, own if isinstance(own, dict) else {})
    return None


def projected(wanted: Any, live: Any) -> Any:
    """Of a live object what a manifest speaks of, as it is there; lists are taken whole."""
    if isinstance(wanted, dict) and isinstance(live, dict):
        return {key: projected(value, live[key]) for key, value in wanted.items() if key in live}
    return live


def _named(live: Manifest, own: Manifest) -> Manifest:
    metadata = live["metadata"]
    name = {key: metadata[key] for key in ("name", "namespace") if key in metadata}
    head = {"apiVersion": live["apiVersion"], "kind": live["kind"]}
    return {**own, **head, "metadata": {**own.get("metadata", {}), **name}}


def _owned(value: Any, fields: Mapping[str, Any]) -> Any:
    """The part of a value that the fields name; all of it where they name nothing in it."""
    inner = {key: item for key, item in fields.items() if key != "."}
    if not inner:
        return value
    if isinstance(value, dict):
        names = {key[2:]: item for key, item in inner.items() if key.startswith("f:")}
        return {key: _owned(item, names[key]) for key, item in value.items() if key in names}
    if isinstance(value, list):
        return [found for item in value if (found := _item(item, inner)) is not None]
    return value


def _item(item: Any, fields: Mapping[str, Any]) -> Any:
    """A list item, as far as it is among the fields; None when it is not."""
    for key, inner in fields.items():
        kind, _, text = key.partition(":")
        wanted = json.loads(text)
        if kind == "v" and item == wanted:
            return item
        if kind == "k" and isinstance(item, dict) and all(item.get(name) == value for name, value in wanted.items()):
            return _owned(item, inner)
    return None


def plan_back(before: KubernetesObserved, now: KubernetesObserved, namespace: str) -> tuple[Step, ...]:
    """The way back to the objects of before: what was changed is applied as it was, what was not there is deleted.

    Jobs stay: what a release command did is done.
    """
    pairs = {key: (before.objects.get(key), now.objects.get(key)) for key in now.objects}
    back = {key: manifest for key, (old, new) in pairs.items() if (manifest := _back(old, new))}
    scaled = autoscaled(list(back.values()), namespace)
    steps = [_apply(key_of(manifest, namespace), manifest, scaled) for manifest in ordered(list(back.values()))]
    new_ones = [(key, new) for key, (old, new) in pairs.items() if old is None and new and new["kind"] != "Job"]
    steps += [
        Step(f"delete {key}", f"delete {key}, which was not there", payload={"delete": _named(new, {})})
        for key, new in new_ones
    ]
    if _differs(before.secret, now.secret):
        steps.insert(0, Step("apply the Secret of before", "put the secrets back", payload={"secret": "before"}))
    return tuple(steps)


def _back(old: Manifest | None, new: Manifest | None) -> Manifest | None:
    """What has to be applied so that an object is what it was; None when nothing of it was changed."""
    if old is None or old["kind"] == "Job":
        return None
    ours = applied(new) if new else None
    was = applied(old) or (projected(ours, old) if ours else None)
    if was is None or was == ours:
        return None
    return was


def _apply(key: str, manifest: Manifest, scaled: frozenset[str]) -> Step:
    payload: dict[str, Any] = {"apply": manifest, "replace": manifest["kind"] == "Pod"}
    if key in scaled and "replicas" in manifest.get("spec", {}):
        payload["replicas"] = manifest["spec"]["replicas"]
    return Step(f"apply {key}", f"put {key} back", payload=payload)


def _differs(old: Manifest | None, new: Manifest | None) -> bool:
    return old is not None and (new is None or old.get("data") != new.get("data"))
