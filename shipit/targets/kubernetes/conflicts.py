"""Fields that another field manager applies with another value. Pure.

Source: Kubernetes, "Server-Side Apply", conflicts: changes of an Update manager (kubectl edit, set, scale) are set back;
two Apply managers (Argo CD, Flux, kubectl apply --server-side) would set a field to and fro.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from shipit.targets.kubernetes.drift import author_of, object_differences
from shipit.targets.kubernetes.live import Live
from shipit.targets.kubernetes.render import Manifest
from shipit.targets.kubernetes.superseded import Change, describe_change


def has_others(live: Live) -> bool:
    """True where another tool applies fields of an object."""
    return any(manager.is_another_tool for manager in live.meta.managers)


def find_conflicts(wanted: Mapping[str, Manifest], objects: Mapping[str, Live | None]) -> Iterator[str]:
    """A line for each field that another Apply manager owns and that the manifest sets to another value."""
    for key, manifest in wanted.items():
        live = objects.get(key)
        if live is None or not has_others(live):
            continue
        for difference in object_differences(manifest, live):
            manager = author_of(live, difference)
            if difference.is_removed or manager is None or not manager.is_another_tool:
                continue
            change = Change(manager, difference)
            yield f"{key}: {describe_change(change, live)}; {change.by} set it{change.at}"
