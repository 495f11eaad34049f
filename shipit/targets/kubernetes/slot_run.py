"""Waiting for the pods of a new version before a Service selects them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from shipit.clock import Deadline
from shipit.errors import DeployFailed, Interrupted, ShipitError
from shipit.events import Event
from shipit.targets.kubernetes.client import KubernetesClient
from shipit.targets.kubernetes.pod_watch import PodWatch, WatchPlace
from shipit.targets.kubernetes.render import NAME_LABEL
from shipit.targets.kubernetes.steps import AwaitPods

# How long removing a version may take that failed, also after the deadline.
_END_S = 30.0


@dataclass(frozen=True)
class SlotRun:
    """The Deployments of a target that get no requests yet."""

    place: WatchPlace

    def apply(self, step: AwaitPods) -> Iterator[Event]:
        """Wait until the pods are ready and answer the check.

        Raises: DeployFailed with the cause; the Deployment is removed then, unless the Service selects it already.
        """
        place, manifest = self.place, dict(step.manifest)
        live = place.client.read(manifest, place.desired.namespace)
        key = f"Deployment/{manifest['metadata']['name']}"
        if live is None:
            raise DeployFailed(f"{key} is gone", where=place.desired.target, hint="deploy again")
        try:
            yield from PodWatch(place, manifest, live, step.service, step.check, 0.0).until_over()
        except Interrupted:
            raise
        except ShipitError as error:
            what = f"{key} failed before the switch: {error.what}; {self._removed(step, live.meta.uid)}"
            failed = DeployFailed(what, where=place.desired.target, detail=error.detail, hint=error.hint)
            failed.superseded_by = error.superseded_by if isinstance(error, DeployFailed) else ""
            raise failed from None

    def _removed(self, step: AwaitPods, uid: str) -> str:
        """Remove the Deployment; what came of it."""
        place, namespace = self.place, self.place.desired.namespace
        client = KubernetesClient(place.client.server, Deadline.after(place.session.clock, _END_S), place.client.emit)
        try:
            service = client.read(
                {"apiVersion": "v1", "kind": "Service", "metadata": {"name": step.service}}, namespace
            )
            selected = service.spec.selector.get(NAME_LABEL, "") if service else ""
            if selected == step.manifest["metadata"]["name"]:
                return f"it stays, because Service/{step.service} selects it"
            client.delete(step.manifest, namespace, uid)
        except Interrupted:
            raise
        except ShipitError as error:
            return f"Service/{step.service} was not changed, and removing it failed: {error}"
        return f"it is removed, and Service/{step.service} was not changed"
