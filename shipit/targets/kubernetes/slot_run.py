"""Waiting for the pods of a new version before a Service selects them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from shipit.errors import DeployFailed, Interrupted, ShipitError
from shipit.events import Event
from shipit.targets.kubernetes.deletion import delete_object
from shipit.targets.kubernetes.pod_watch import PodWatch, WatchPlace
from shipit.targets.kubernetes.slots import selected_name
from shipit.targets.kubernetes.steps import AwaitPods


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
            raise place.failure(what, error) from None

    def _removed(self, step: AwaitPods, uid: str) -> str:
        """Remove the Deployment, unless the Service selects it; the result, for people."""
        client, namespace = self.place.clean_up_client(), self.place.desired.namespace
        try:
            service = client.read(
                {"apiVersion": "v1", "kind": "Service", "metadata": {"name": step.service}}, namespace
            )
            if selected_name(service) == step.manifest["metadata"]["name"]:
                return f"it stays, because Service/{step.service} selects it"
            delete_object(client, step.manifest, namespace, uid)
        except Interrupted:
            raise
        except ShipitError as error:
            return f"removing it failed: {error}; this run did not change Service/{step.service}"
        return f"it is removed, and Service/{step.service} did not select it"
