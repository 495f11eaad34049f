"""Counts of replicas that an autoscaler set which is not in the cluster any more: a deploy sets them back."""

from __future__ import annotations

from collections.abc import Mapping

from shipit.errors import RemoteError
from shipit.http.fields import Field
from shipit.targets.kubernetes.client import KubernetesClient
from shipit.targets.kubernetes.desired import Desired
from shipit.targets.kubernetes.live import Live, Manager
from shipit.targets.kubernetes.render import Manifest
from shipit.targets.kubernetes.superseded import is_autoscaler
from shipit.targets.kubernetes.wanted import autoscaled

_AUTOSCALER = ("autoscaling/v2", "HorizontalPodAutoscaler")
# KEDA has an autoscaler for each of its objects, but for one that is paused, whose count stays.
# Source: KEDA documentation, "Pausing autoscaling".
_KEDA = ("keda.sh/v1alpha1", "ScaledObject")
_GONE = "an autoscaler that is gone"


def without_gone(
    objects: Mapping[str, Live | None], desired: Desired, client: KubernetesClient
) -> Mapping[str, Live | None]:
    """The same objects, whose counts belong to an autoscaler only where there is one.

    Autoscalers are listed where one has set a count and none of deploy.yml does. Without the right to list them, nothing is gone.
    """
    ours = autoscaled(desired.identities(), desired.namespace)
    scaled = {
        key: live
        for key, live in objects.items()
        if live is not None and key not in ours and any(map(is_autoscaler, live.meta.managers))
    }
    places = {live.meta.namespace or desired.namespace for live in scaled.values()}
    found = [_listed(client, *kind, place) for place in sorted(places) for kind in (_AUTOSCALER, _KEDA)]
    if not scaled or None in found:
        return objects
    there = autoscaled([row for rows in found for row in rows or ()], desired.namespace)
    return {**objects, **{key: _freed(live) for key, live in scaled.items() if key not in there}}


def still_gone(live: Live, before: Live | None) -> Live:
    """A later version of an object, whose count is no autoscaler's where that of the version before was none's."""
    was_gone = before is not None and any(manager.name == _GONE for manager in before.meta.managers)
    return _freed(live) if was_gone else live


def _listed(client: KubernetesClient, version: str, kind: str, namespace: str) -> list[Manifest] | None:
    """The autoscalers of a kind and namespace; None where they can't be listed."""
    path = client.list_path(version, kind, namespace)
    if not path:
        return [] if (version, kind) == _KEDA else None

    def parse(item: Field) -> Manifest:
        # The items of a list lack their kind.
        return dict(item.within({"apiVersion": version, "kind": kind}).map())

    try:
        return client.read_list(path, {}, parse).items
    except RemoteError as error:
        if error.status == 403:
            return None
        raise


def _freed(live: Live) -> Live:
    managers = tuple(_renamed(manager) if is_autoscaler(manager) else manager for manager in live.meta.managers)
    return live._replace(meta=live.meta._replace(managers=managers))


def _renamed(manager: Manager) -> Manager:
    return manager._replace(name=_GONE)
