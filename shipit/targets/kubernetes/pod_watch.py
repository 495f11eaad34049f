"""Watching the pods of a Deployment before they get all requests: until they are ready, and for a time after that."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial

from shipit.clock import Deadline
from shipit.errors import DeployFailed, ShipitError
from shipit.events import Event, Waiting
from shipit.release import Seen, State, Verdict
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
from shipit.targets.kubernetes.superseded import Released
from shipit.targets.session import Session

_POLL_S, _CHECK_EVERY_S = 1.0, 3.0
# The time limit for deleting pods that failed, also after the deadline.
_CLEAN_UP_S = 30.0
# The limit of checks in a row that don't reach a pod.
_UNREACHED = 5


@dataclass(frozen=True)
class WatchPlace:
    """Where pods are watched. `pending_s` is how long they may be without progress; `kubectl` is the command for hints."""

    desired: Desired
    client: KubernetesClient
    session: Session
    pending_s: float
    kubectl: str

    def observe(self, manifest: Manifest) -> KubernetesObserved:
        """A Deployment with its pods, ReplicaSets and, where it is not ready, events."""
        namespace, client = self.desired.namespace, self.client
        live = client.read(manifest, namespace)
        selector = ",".join(f"{key}={value}" for key, value in manifest["spec"]["selector"]["matchLabels"].items())
        sets = client.listed(
            "apis/apps/v1", "replicasets", namespace, lambda row: parse_meta(row["metadata"]), selector
        )
        pods = tuple(client.listed("api/v1", "pods", namespace, parse_pod, selector))
        events = None
        if needs_events([live], pods, is_applied=True):
            events = tuple(client.listed("api/v1", "events", namespace, parse_event, fields=TELLING))
        return KubernetesObserved({key_of(manifest, namespace): live}, pods, tuple(sets), events=events)

    def clean_up_client(self) -> KubernetesClient:
        """A client that deletes pods that failed, within a time limit of its own."""
        deadline = Deadline.after(self.session.clock, _CLEAN_UP_S)
        return KubernetesClient(self.client.server, deadline, self.client.emit)

    def failure(self, what: str, cause: ShipitError) -> DeployFailed:
        """A failure of the target, with the detail and the hint of its cause, and who superseded it."""
        failed = DeployFailed(what, where=self.desired.target, detail=cause.detail, hint=cause.hint)
        failed.superseded_by = cause.superseded_by if isinstance(cause, DeployFailed) else ""
        return failed


@dataclass
class PodWatch:
    """The pods of a manifest, which was applied as `applied`. `check` is that of a step, for `pause_s` after they are ready.

    Any restart is a failure.
    """

    place: WatchPlace
    manifest: Manifest
    applied: Live
    workload: str
    check: str
    pause_s: float
    _progress: str = ""
    _moved_s: float = field(init=False)
    _started_s: float = field(init=False)
    _ready_s: float | None = None
    _checked_s: float = float("-inf")
    # Checks in a row for which the API server did not reach a pod.
    _unreached: int = 0
    _is_over: bool = False

    def __post_init__(self) -> None:
        self._started_s = self._moved_s = self.place.session.clock.now()
        self._key = key_of(self.manifest, self.place.desired.namespace)
        found = (item for item in object_differences(self.manifest, self.applied) if not item.is_own_mark)
        self._released = Released(objects={self._key: self.manifest}, known={self._key: frozenset(hashes(found))})

    def until_over(self) -> Iterator[Event]:
        """Look until the time is over. Raises: DeployFailed with the cause when a pod or the check fails."""
        said = ""
        while not self._is_over:
            reason = self._look()
            if reason and reason != said:
                said = reason
                yield Waiting(self.place.desired.target, reason)
            if not self._is_over:
                self.place.client.deadline.sleep(_POLL_S, said or f"the pods of {self._key}")

    def _look(self) -> str:
        """Look once; what is waited for. Raises: DeployFailed."""
        observed, now = self.place.observe(self.manifest), self.place.session.clock.now()
        verdict = self._judged(observed, now)
        if verdict.state is State.FAILED:
            raise self._failure(verdict)
        if verdict.state is State.WAITING:
            return verdict.reason
        if self._ready_s is None:
            self._ready_s = now
        self._ask(observed, now)
        self._is_over = not self._unreached and self.place.session.clock.now() - self._ready_s >= self.pause_s
        return f"{verdict.reason}, watched for {self.pause_s:.0f} s" if self.pause_s else ""

    def _judged(self, observed: KubernetesObserved, now_s: float) -> Verdict:
        """The verdict now; `pending` counts from the last progress."""
        judged = partial(judge_kubernetes, self._released, observed, limits=Limits(0, self.place.pending_s))
        verdict = judged(seen=Seen(now_s, self._started_s, self._moved_s))
        if verdict.progress != self._progress:
            self._progress, self._moved_s = verdict.progress, now_s
            verdict = judged(seen=Seen(now_s, self._started_s, now_s))
        return verdict

    def _failure(self, verdict: Verdict) -> DeployFailed:
        place = self.place
        known = with_last_words(verdict, place.client, place.desired.namespace, place.kubectl)
        error = DeployFailed(known.reason, where=place.desired.target, detail=known.detail, hint=known.hint)
        error.superseded_by = verdict.superseded_by
        return error

    def _ask(self, observed: KubernetesObserved, now_s: float) -> None:
        """Check, at most every few seconds. Raises: DeployFailed."""
        live = observed.objects[self._key]
        if not self.check or live is None or now_s - self._checked_s < _CHECK_EVERY_S:
            return
        asked = PodCheck(self.place.client, self.place.session.environment, self.place.desired.namespace)
        try:
            asked.ask(self.check, self.place.desired.port_of(self.workload), pods_behind(live, observed))
            self._unreached = 0
        except Unreachable:
            # A pod that ended is a better reason, which one of the next looks has.
            self._unreached += 1
            if self._unreached == _UNREACHED:
                raise
        self._checked_s = self.place.session.clock.now()
