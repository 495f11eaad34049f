"""Fields that somebody set with kubectl and that no manifest has: the plan tells them, and a deploy leaves them alone. Pure.

Source: kubectl names its field managers kubectl-edit, kubectl-set, kubectl-patch, kubectl-label and so on.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from shipit.targets.kubernetes.changes import label
from shipit.targets.kubernetes.drift import object_differences
from shipit.targets.kubernetes.fields import FieldPath, Owned
from shipit.targets.kubernetes.live import Live, Manager, taken_over
from shipit.targets.kubernetes.one_line import one_line
from shipit.targets.kubernetes.render import Manifest
from shipit.targets.kubernetes.sealed import is_secret

_MOST_FIELDS, _MOST_NOTES, _LONGEST = 3, 20, 60
# Annotations that kubectl writes for itself, such as the time of a restart.
_OF_KUBECTL = "kubectl.kubernetes.io/"
# Field managers that create objects own what the server sets by default, too. Of these fields of a spec the values that it sets;
# None is any value: the server chooses one.
_CREATORS = ("kubectl-create", "kubectl-run", "kubectl-expose", "kubectl-replace", "kubectl-autoscale")
_DEFAULTS: Mapping[str, tuple[Any, ...] | None] = {
    "allocateLoadBalancerNodePorts": (True,), "backoffLimit": (6,), "clusterIP": None, "clusterIPs": None,
    "completionMode": ("NonIndexed",), "completions": (1,), "concurrencyPolicy": ("Allow",), "defaultMode": (420,),
    "dnsPolicy": ("ClusterFirst",), "enableServiceLinks": (True,), "externalTrafficPolicy": ("Cluster",),
    "failedJobsHistoryLimit": (1,), "imagePullPolicy": ("Always", "IfNotPresent"), "internalTrafficPolicy": ("Cluster",),
    "ipFamilies": None, "ipFamilyPolicy": ("SingleStack",), "manualSelector": (False,), "maxSurge": ("25%", 0),
    "maxUnavailable": ("25%", 1), "parallelism": (1,), "partition": (0,), "podManagementPolicy": ("OrderedReady",),
    "podReplacementPolicy": ("TerminatingOrFailed",), "progressDeadlineSeconds": (600,), "protocol": ("TCP",),
    "resources": ({},), "restartPolicy": ("Always",), "revisionHistoryLimit": (10,), "schedulerName": ("default-scheduler",),
    "securityContext": ({},), "serviceAccount": None, "sessionAffinity": ("None",), "successfulJobsHistoryLimit": (3,),
    "suspend": (False,), "terminationGracePeriodSeconds": (30,), "terminationMessagePath": ("/dev/termination-log",),
    "terminationMessagePolicy": ("File",), "type": ("ClusterIP", "RollingUpdate"), "volumeMode": ("Filesystem",),
    "whenDeleted": ("Retain",), "whenScaled": ("Retain",),
}  # fmt: skip


def hand_notes(objects: Mapping[str, Live | None], wanted: Callable[[], Mapping[str, Manifest]]) -> Iterator[str]:
    """A note for each field manager of kubectl that owns fields of an object which a deploy leaves as they are.

    `wanted`: key -> manifest, asked for where there is such a field manager.
    """
    by_hand = {key: live for key, live in objects.items() if live is not None and any(_theirs(live))}
    manifests = wanted() if by_hand else {}
    yield from _helm_notes(objects)
    found = [note for key, live in by_hand.items() for note in _notes(key, live, manifests.get(key))]
    yield from found[:_MOST_NOTES]
    if len(found) > _MOST_NOTES:
        yield f"and {len(found) - _MOST_NOTES} more objects with fields that kubectl set"


def _helm_notes(objects: Mapping[str, Live | None]) -> Iterator[str]:
    """A note where Helm owns fields: those that it sets by default are among them, so that they are not named."""
    found = [key for key, live in objects.items() if live and any(map(_is_of_helm, live.meta.managers))]
    if found:
        more = f" and {len(found) - 1} more" if len(found) > 1 else ""
        yield f"{found[0]}{more}: Helm owns fields; those that no manifest has stay until a deploy with take_over: true"


def _is_of_helm(manager: Manager) -> bool:
    return manager.is_helm and not manager.is_left


def _theirs(live: Live) -> list[Manager]:
    adopted = taken_over(live.meta.managers)
    return [manager for manager in live.meta.managers if _is_by_hand(manager) and manager not in adopted]


def _notes(key: str, live: Live, wanted: Manifest | None) -> Iterator[str]:
    ours = next((manager.owned for manager in live.meta.managers if manager.is_ours), None)
    if ours is None:
        return
    # What differs from the manifest is set back.
    found = object_differences(wanted, live) if wanted else ()
    changed = [tuple(difference.keys) for difference in found if not difference.is_removed]
    for manager in _theirs(live):
        fields = [
            _described(path, value, live)
            for path, keys, value in _leaves(manager.owned, live.manifest, "", ())
            if not ours.has(keys, live.manifest) and not str(keys[-1]).startswith(_OF_KUBECTL)
            if not any(_is_within(tuple(keys), other) for other in changed)
            if manager.name not in _CREATORS or not _is_default(keys, value)
        ]
        if fields:
            more = f" and {len(fields) - _MOST_FIELDS} more" if len(fields) > _MOST_FIELDS else ""
            at = f" at {manager.time}" if manager.time else ""
            yield f"{key}: {manager.name} set {', '.join(fields[:_MOST_FIELDS])}{more}{at}; no manifest has it, and it stays"


def _is_default(keys: FieldPath, value: Any) -> bool:
    """Whether a field of a spec has the value that the server sets where nobody does."""
    if keys[0] != "spec" or keys[-1] not in _DEFAULTS:
        return False
    values = _DEFAULTS[str(keys[-1])]
    return values is None or value in values


def _is_within(keys: tuple[str | int, ...], other: tuple[str | int, ...]) -> bool:
    shorter = min(len(keys), len(other))
    return keys[:shorter] == other[:shorter]


def _is_by_hand(manager: Manager) -> bool:
    is_kubectl = manager.name.startswith("kubectl") and manager.operation == "Update"
    return is_kubectl and not manager.subresource


def _described(path: str, value: Any, live: Live) -> str:
    shown = path.removeprefix("spec.template.").removeprefix("spec.")
    if is_secret(live.manifest) and path.startswith("data."):
        return f"{shown} (secret)"
    text = one_line(value if isinstance(value, str) else json.dumps(value))
    return f"{shown}={text if len(text) <= _LONGEST else f'{text[:_LONGEST]}...'}"


def _leaves(owned: Owned, value: Any, path: str, keys: FieldPath) -> Iterator[tuple[str, FieldPath, Any]]:
    """The owned fields that are there, each with its path for people, its keys and its value."""
    if owned.is_whole:
        yield path, keys, value
    elif isinstance(value, dict):
        for name, inner in owned.fields.items():
            if name in value:
                yield from _leaves(inner, value[name], f"{path}.{name}".lstrip("."), (*keys, name))
    elif isinstance(value, list):
        for index, row in enumerate(value):
            item = _without_keys(owned, row)
            if item is not None:
                yield from _leaves(item, row, f"{path}[{label(row, value)}]", (*keys, index))


def _without_keys(owned: Owned, row: Any) -> Owned | None:
    """The owned part of a list item, without the keys that name it where there is more."""
    for names, item in owned.items:
        if isinstance(row, dict) and all(row.get(name) == value for name, value in names.items()):
            rest = {name: inner for name, inner in item.fields.items() if name not in names}
            return item._replace(fields=rest) if rest else item
    return owned.item(row)
