"""Running a canary: its pods are applied, awaited and watched, and deleted when one of them fails."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from shipit.clock import Clock, Deadline
from shipit.errors import DeployFailed, Interrupted, ShipitError
from shipit.events import Event
from shipit.targets.kubernetes.canary import is_canary_of
from shipit.targets.kubernetes.client import KubernetesClient
from shipit.targets.kubernetes.concise.canary import workload_of_canary
from shipit.targets.kubernetes.deletion import delete_object
from shipit.targets.kubernetes.live import Live
from shipit.targets.kubernetes.pod_watch import PodWatch, WatchPlace
from shipit.targets.kubernetes.steps import EndCanary, RunCanary

# The time limit for deleting a canary when the run is interrupted.
_INTERRUPTED_S = 2.0


@dataclass(frozen=True)
class CanaryRun:
    """The canaries of a target."""

    place: WatchPlace

    def apply(self, step: RunCanary | EndCanary) -> Iterator[Event]:
        """Run or delete a canary. Raises: as these do."""
        if isinstance(step, RunCanary):
            yield from self._run(step)
        else:
            self._end(step)

    def _run(self, step: RunCanary) -> Iterator[Event]:
        """Apply and watch the canary.

        Raises: DeployFailed with the cause when a pod fails or restarts, when it is not ready in time, or when the check
        fails. The canary is deleted then, also when the run is interrupted.
        """
        live = self._applied(step)
        try:
            workload = _workload(step.manifest)
            watch = PodWatch(self.place, dict(step.manifest), live, workload, step.check, step.pause_s)
            yield from watch.until_over()
        except Interrupted:
            self._interrupted(live)
            raise
        except ShipitError as error:
            raise self._failed(step, live, error) from None

    def _end(self, step: EndCanary) -> None:
        """Delete a canary, and wait until it is gone. Raises: DeployFailed when it is no canary of this target."""
        live = self.place.client.read(step.manifest, self.place.desired.namespace)
        if live is not None:
            self._check_ours(live, _workload(step.manifest))
            delete_object(self.place.client, step.manifest, self.place.desired.namespace, live.meta.uid)

    def _applied(self, step: RunCanary) -> Live:
        """Apply the canary, also over one that an earlier deploy left."""
        manifest = dict(step.manifest)
        live = self.place.client.read(manifest, self.place.desired.namespace)
        if live is not None:
            self._check_ours(live, _workload(manifest))
        return self.place.client.apply(manifest, self.place.desired.namespace)

    def _check_ours(self, live: Live, workload: str) -> None:
        if not is_canary_of(live.manifest, workload, self.place.desired):
            what = f"Deployment/{live.meta.name} exists, and is no canary that shipit made"
            raise DeployFailed(what, where=self.place.desired.target, hint="rename it, or the workload")

    def _failed(self, step: RunCanary, live: Live, error: ShipitError) -> DeployFailed:
        """The error for a canary that failed, which is deleted first; one that somebody else changed stays."""
        is_theirs = isinstance(error, DeployFailed) and bool(error.superseded_by)
        result = "it stays as it is now" if is_theirs else self._removed(step, live)
        what = f"the canary at {step.percent} % failed: {error.what}; {result}"
        # Somebody else may have changed it meanwhile.
        return self.place.failure(f"{what}; this run did not change {step.stable}", error)

    def _removed(self, step: RunCanary, live: Live) -> str:
        """Delete the canary; the result, for people."""
        try:
            delete_object(self.place.clean_up_client(), step.manifest, self.place.desired.namespace, live.meta.uid)
        except Interrupted:
            self._interrupted(live)
            raise
        except ShipitError as other:
            return f"removing it failed: {other}; the next deploy removes it"
        return "it is removed"

    def _interrupted(self, live: Live) -> None:
        """Ask for the deletion without waiting, on a clock that is not cancelled. What is left then, the next deploy removes."""
        own = KubernetesClient(
            self.place.client.server, Deadline.after(Clock(), _INTERRUPTED_S), self.place.client.emit, attempts=1
        )
        with suppress(ShipitError):
            options = {"propagationPolicy": "Background", "preconditions": {"uid": live.meta.uid}}
            own.request_delete(live.manifest, self.place.desired.namespace, options)


def _workload(manifest: Mapping[str, Any]) -> str:
    return workload_of_canary(str(manifest["metadata"]["name"]))
