"""Running a canary: its pods are applied, awaited and watched, and deleted when one of them fails."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from shipit.clock import Clock, Deadline
from shipit.errors import DeployFailed, Interrupted, ShipitError
from shipit.events import Event, Waiting
from shipit.release import Seen, State, Verdict
from shipit.targets.kubernetes.canary import CANARY_LABEL, is_canary_of
from shipit.targets.kubernetes.client import KubernetesClient
from shipit.targets.kubernetes.desired import Desired
from shipit.targets.kubernetes.diagnose import with_last_words
from shipit.targets.kubernetes.drift import hashes, object_differences
from shipit.targets.kubernetes.health.settled import needs_events
from shipit.targets.kubernetes.judge import judge_kubernetes
from shipit.targets.kubernetes.live import Live
from shipit.targets.kubernetes.look import TELLING
from shipit.targets.kubernetes.observed import KubernetesObserved, key_of
from shipit.targets.kubernetes.parse import parse_event, parse_meta, parse_pod
from shipit.targets.kubernetes.pod_check import PodCheck, Unreachable
from shipit.targets.kubernetes.pods import Limits, pods_behind
from shipit.targets.kubernetes.render import Manifest
from shipit.targets.kubernetes.steps import EndCanary, RunCanary
from shipit.targets.kubernetes.superseded import Released
from shipit.targets.session import Session

_POLL_S, _CHECK_EVERY_S = 1.0, 3.0
# How many checks in a row may not reach a pod.
_UNREACHED = 5
# How long deleting a canary may take that failed, also after the deadline; and when the run is interrupted.
_END_S, _INTERRUPTED_S = 30.0, 2.0


@dataclass(frozen=True)
class CanaryRun:
    """The canaries of a target. `pending_s` is how long one may be without progress; `kubectl` is the command for hints."""

    desired: Desired
    client: KubernetesClient
    session: Session
    pending_s: float
    kubectl: str

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
            yield from self._watched(step, live)
        except Interrupted:
            self._interrupted(live)
            raise
        except ShipitError as error:
            raise self._failed(step, live, error) from None

    def _end(self, step: EndCanary) -> None:
        """Delete a canary, and wait until it is gone. Raises: DeployFailed when it is no canary of this target."""
        live = self.client.read(step.manifest, self.desired.namespace)
        if live is not None:
            self._check_ours(live, _workload(step.manifest))
            self.client.delete(step.manifest, self.desired.namespace, live.meta.uid)

    def _applied(self, step: RunCanary) -> Live:
        """Apply the canary, also over one that an earlier deploy left."""
        manifest = dict(step.manifest)
        live = self.client.read(manifest, self.desired.namespace)
        if live is not None:
            self._check_ours(live, manifest["metadata"]["labels"][CANARY_LABEL])
        return self.client.apply(manifest, self.desired.namespace)

    def _check_ours(self, live: Live, workload: str) -> None:
        if not is_canary_of(live.manifest, workload, self.desired):
            what = f"Deployment/{live.meta.name} exists, and is no canary that shipit made"
            raise DeployFailed(what, where=self.desired.target, hint="rename it, or the workload")

    def _watched(self, step: RunCanary, applied: Live) -> Iterator[Event]:
        """Wait until the pods are ready, then watch them for as long as the step says."""
        watch = _Watch(self, step, applied)
        said = ""
        while not watch.is_over:
            reason = watch.look()
            if reason and reason != said:
                said = reason
                yield Waiting(self.desired.target, reason)
            if not watch.is_over:
                self.client.deadline.sleep(_POLL_S, said or f"the canary {applied.meta.name}")

    def observed(self, manifest: Manifest) -> KubernetesObserved:
        """The canary with its pods, ReplicaSets and, where it is not ready, events."""
        namespace, client = self.desired.namespace, self.client
        live = client.read(manifest, namespace)
        selector = f"{CANARY_LABEL}={manifest['metadata']['labels'][CANARY_LABEL]}"
        sets = client.listed(
            "apis/apps/v1", "replicasets", namespace, lambda row: parse_meta(row["metadata"]), selector
        )
        pods = tuple(client.listed("api/v1", "pods", namespace, parse_pod, selector))
        events = None
        if needs_events([live], pods, is_applied=True):
            events = tuple(client.listed("api/v1", "events", namespace, parse_event, fields=TELLING))
        return KubernetesObserved({key_of(manifest, namespace): live}, pods, tuple(sets), events=events)

    def _failed(self, step: RunCanary, live: Live, error: ShipitError) -> DeployFailed:
        """The error for a canary that failed, which is deleted first."""
        result = f"it is removed, and {step.stable} was not changed"
        own = KubernetesClient(self.client.server, Deadline.after(self.session.clock, _END_S), self.client.emit)
        try:
            own.delete(step.manifest, self.desired.namespace, live.meta.uid)
        except Interrupted:
            self._interrupted(live)
            raise
        except ShipitError as other:
            result = (
                f"{step.stable} was not changed, and removing the canary failed: {other}; the next deploy removes it"
            )
        what = f"the canary at {step.percent} % failed: {error.what}; {result}"
        failed = DeployFailed(what, where=self.desired.target, detail=error.detail, hint=error.hint)
        failed.superseded_by = error.superseded_by if isinstance(error, DeployFailed) else ""
        return failed

    def _interrupted(self, live: Live) -> None:
        """Ask for the deletion without waiting, on a clock that is not cancelled. What is left then, the next deploy removes."""
        own = KubernetesClient(
            self.client.server, Deadline.after(Clock(), _INTERRUPTED_S), self.client.emit, attempts=1
        )
        with suppress(ShipitError):
            options = {"propagationPolicy": "Background", "preconditions": {"uid": live.meta.uid}}
            own.request_delete(live.manifest, self.desired.namespace, options)


@dataclass
class _Watch:
    """One step of a canary while it is watched."""

    run: CanaryRun
    step: RunCanary
    applied: Live
    progress: str = ""
    moved_s: float = field(init=False)
    started_s: float = field(init=False)
    ready_s: float | None = None
    checked_s: float = float("-inf")
    # Checks in a row for which the API server did not reach a pod.
    unreached: int = 0
    is_over: bool = False

    def __post_init__(self) -> None:
        self.started_s = self.moved_s = self.run.session.clock.now()
        self.manifest = dict(self.step.manifest)
        self.key = key_of(self.manifest, self.run.desired.namespace)
        known = frozenset(hashes(object_differences(self.manifest, self.applied)))
        self.released = Released(objects={self.key: self.manifest}, known={self.key: known})
        self.check = PodCheck(self.run.client, self.run.session.environment, self.run.desired.namespace)

    def look(self) -> str:
        """Look once; what is waited for. Raises: DeployFailed."""
        observed, now = self.run.observed(self.manifest), self.run.session.clock.now()
        verdict = self._judged(observed, now)
        if verdict.state is State.FAILED:
            raise self._failure(verdict)
        if verdict.state is State.WAITING:
            return verdict.reason
        if self.ready_s is None:
            self.ready_s = now
        self._ask(observed, now)
        self.is_over = not self.unreached and self.run.session.clock.now() - self.ready_s >= self.step.pause_s
        return f"{verdict.reason}, watched for {self.step.pause_s:.0f} s"

    def _judged(self, observed: KubernetesObserved, now_s: float) -> Verdict:
        """The verdict now. Any restart is a failure, and `pending` counts from the last progress."""
        judged = partial(judge_kubernetes, self.released, observed, limits=Limits(0, self.run.pending_s))
        verdict = judged(seen=Seen(now_s, self.started_s, self.moved_s))
        if verdict.progress != self.progress:
            self.progress, self.moved_s = verdict.progress, now_s
            verdict = judged(seen=Seen(now_s, self.started_s, now_s))
        return verdict

    def _failure(self, verdict: Verdict) -> DeployFailed:
        run = self.run
        known = with_last_words(verdict, run.client, run.desired.namespace, run.kubectl)
        error = DeployFailed(known.reason, where=run.desired.target, detail=known.detail, hint=known.hint)
        error.superseded_by = known.superseded_by
        return error

    def _ask(self, observed: KubernetesObserved, now_s: float) -> None:
        """The check of the step, at most every few seconds. Raises: DeployFailed."""
        live = observed.objects[self.key]
        if not self.step.check or live is None or now_s - self.checked_s < _CHECK_EVERY_S:
            return
        port = self.run.desired.port_of(_workload(self.manifest))
        try:
            self.check.ask(self.step.check, port, pods_behind(live, observed))
            self.unreached = 0
        except Unreachable:
            # A pod that ended is a better reason, which one of the next looks has.
            self.unreached += 1
            if self.unreached == _UNREACHED:
                raise
        self.checked_s = self.run.session.clock.now()


def _workload(manifest: Mapping[str, Any]) -> str:
    return str(manifest["metadata"]["name"]).removesuffix("-canary")
