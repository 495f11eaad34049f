"""A namespace as a target: joins the wire, the plan and the judgement."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self

from shipit.config.process_environment import ProcessEnvironment
from shipit.config.project import Project
from shipit.errors import OwnedByOthers
from shipit.events import Event
from shipit.release import Facts, Finding, ImageUse, Release, Seen, State, Status, Step, Verdict
from shipit.targets.kubernetes.applyset import ObservedSet
from shipit.targets.kubernetes.client import CONFLICT, WRITE_ATTEMPTS
from shipit.targets.kubernetes.config import KubernetesConfig
from shipit.targets.kubernetes.desired import Desired
from shipit.targets.kubernetes.observed import KubernetesObserved, key_of
from shipit.targets.kubernetes.releases import Releases
from shipit.targets.session import Session

if TYPE_CHECKING:
    from shipit.targets.kubernetes.history.record import Recalled
    from shipit.targets.kubernetes.live import Live
    from shipit.targets.kubernetes.superseded import Released

_TAKE_OVER = "set take_over: true on this target, or answer the question of shipit deploy at a terminal"


def create(name: str, config: KubernetesConfig, project: Project, environment: ProcessEnvironment) -> KubernetesTarget:
    return KubernetesTarget(name, config, project, environment)


class KubernetesTarget(Releases):
    """One namespace of one cluster."""

    # What `judge` was called with last, and what the release wants by that.
    _last_released: tuple[Any, Released] | None = None

    def images(self) -> Sequence[ImageUse]:
        return self._desired.uses()

    def observe(self, session: Session) -> KubernetesObserved:
        from shipit.targets.kubernetes.look import Look

        desired = self._wanted(session)
        watches = self._watches(session) if session.watches else None
        observed = Look(desired, self._client(session), session, watches).observe()
        if session.recalled is None or not session.is_planning:
            return observed
        release = Release(self.project.app, self.project.environment)
        return self._previewed(desired, release, observed, session, is_deploy=True)

    def await_change(self, session: Session, seconds: float) -> None:
        self._watches(session).await_change(seconds)

    def preview(
        self, release: Release, observed: KubernetesObserved, session: Session, *, is_deploy: bool
    ) -> KubernetesObserved:
        """The observation with what a dry run of the release gave. An unchanged release makes no request."""
        return self._previewed(self._desired, release, observed, session, is_deploy=is_deploy)

    def _previewed(
        self, desired: Desired, release: Release, observed: KubernetesObserved, session: Session, *, is_deploy: bool
    ) -> KubernetesObserved:
        from shipit.targets.kubernetes.dry_run import DryRun
        from shipit.targets.kubernetes.look import Look

        client = self._client(session)
        mark = Look(desired, client, session).mark
        return DryRun(desired, client, session, mark).preview(release, observed, is_deploy=is_deploy)

    def plan(self, release: Release, observed: KubernetesObserved) -> tuple[Step, ...]:
        from shipit.targets.kubernetes.plan_release import plan_release

        self._check_conflicts(self._desired, release, observed)
        return plan_release(self._desired, release, observed)

    def plan_return(self, recalled: Recalled, observed: KubernetesObserved) -> tuple[Step, ...]:
        from shipit.targets.kubernetes.history.back import plan_return, release_of
        from shipit.targets.kubernetes.history.recorded import recorded_desired

        desired = recorded_desired(self._desired, recalled)
        self._check_conflicts(desired, release_of(desired), observed)
        return plan_return(desired, recalled, observed)

    def notes(self, release: Release, observed: KubernetesObserved) -> Sequence[str]:
        from shipit.targets.kubernetes.canary import canary_notes, without_canaries
        from shipit.targets.kubernetes.health.route import class_warnings
        from shipit.targets.kubernetes.judge import deletion_notes
        from shipit.targets.kubernetes.prune import set_notes
        from shipit.targets.kubernetes.root_notes import root_notes
        from shipit.targets.kubernetes.set_by_hand import hand_notes
        from shipit.targets.kubernetes.switch import idle_notes

        found = without_canaries(observed.applied_set or ObservedSet(), self._desired)
        notes = (*set_notes(self._desired, found, self._kubectl_here), *canary_notes(self._desired, observed))
        notes = (*notes, *root_notes(self._desired, release), *deletion_notes(observed.objects))
        notes = (*notes, *hand_notes(observed.objects, lambda: self._desired.released(release, observed, {}).objects))
        if own := self._desired.slots(release, observed):
            notes = (*notes, *idle_notes(own, self._desired, observed))
        if observed.ingress_classes is None:
            return notes
        wanted = {key_of(item, self.namespace): item for item in self._desired.identities()}
        return (*notes, *class_warnings(wanted, observed.ingress_classes))

    def taking_over(self) -> Self:
        found = copy(self)
        found.config = self.config.model_copy(update={"take_over": True})
        found._desired = replace(self._desired, config=found.config)
        return found

    def _check_conflicts(self, desired: Desired, release: Release, observed: KubernetesObserved) -> None:
        """Raises: OwnedByOthers when an object is that of another set, or another tool applies a field with another value."""
        from shipit.targets.kubernetes.changes import is_up_to_date
        from shipit.targets.kubernetes.conflicts import find_conflicts, has_others
        from shipit.targets.kubernetes.prune import find_other_sets

        if not self.config.take_over and (
            lines := list(find_other_sets(desired, [*observed.objects.values(), observed.secret]))
        ):
            more = f", and {len(lines) - 1} more" if len(lines) > 1 else ""
            hint = f"let one of the two have it, {_TAKE_OVER}"
            raise OwnedByOthers(f"{lines[0]}{more}", where=self.name, hint=hint, detail=lines[1:], status=CONFLICT)
        if self.config.take_over or not any(live and has_others(live) for live in observed.objects.values()):
            return
        wanted = desired.released(release, observed, {}).objects
        # What another tool wrote in other words has the same value.
        equal = {key for key, preview in observed.previews.items() if is_up_to_date(observed.objects.get(key), preview)}
        wanted = {key: item for key, item in wanted.items() if key not in equal}
        if lines := list(find_conflicts(wanted, observed.objects)):
            more = f", and {len(lines) - 1} more" if len(lines) > 1 else ""
            hint = f"let one of the two set the field, {_TAKE_OVER}"
            raise OwnedByOthers(f"{lines[0]}{more}", where=self.name, hint=hint, detail=lines[1:], status=CONFLICT)

    def waves(self, steps: Sequence[Step]) -> Sequence[Sequence[Step]]:
        from shipit.targets.kubernetes.waves import waves_of

        return waves_of(steps)

    def apply(self, step: Step, session: Session) -> Iterator[Event]:
        try:
            yield from self._apply(step, session)
        finally:
            self._watches(session).reset()

    def _apply(self, step: Step, session: Session) -> Iterator[Event]:
        from shipit.targets.kubernetes.apply import Changes
        from shipit.targets.kubernetes.apply_verbs import restart_object, scale_object
        from shipit.targets.kubernetes.canary_run import CanaryRun
        from shipit.targets.kubernetes.check_step import check_step
        from shipit.targets.kubernetes.job import ReleaseJob
        from shipit.targets.kubernetes.look import Look
        from shipit.targets.kubernetes.pod_watch import WatchPlace
        from shipit.targets.kubernetes.slot_run import SlotRun
        from shipit.targets.kubernetes.steps import (
            AwaitPods,
            EndCanary,
            RestartObject,
            RunCanary,
            RunReleaseJob,
            ScaleObject,
        )

        desired = self._wanted(session)
        check_step(step, desired)
        client = self._client(session, attempts=WRITE_ATTEMPTS)
        if isinstance(step, RunReleaseJob):
            within_s = self.project.release.timeout if self.project.release else None
            yield from ReleaseJob(self.name, self.namespace, self._kubectl, self._client(session, within_s)).run(step)
            return
        if isinstance(step, ScaleObject):
            yield from scale_object(step, client, self.namespace, self.name)
            return
        if isinstance(step, RestartObject):
            restart_object(step, client, self.namespace)
            return
        place = WatchPlace(desired, client, session, self.config.pending, self._kubectl_here)
        if isinstance(step, RunCanary | EndCanary):
            yield from CanaryRun(place).apply(step)
            return
        if isinstance(step, AwaitPods):
            yield from SlotRun(place).apply(step)
            return
        mark = Look(desired, client, session).mark
        yield from Changes(desired, client, session, mark).apply(step)

    def plan_rollback(
        self, release: Release, before: KubernetesObserved, now: KubernetesObserved, applied: Mapping[str, Facts]
    ) -> tuple[Step, ...]:
        from shipit.targets.kubernetes.applied import plan_back
        from shipit.targets.kubernetes.apply import known_differences
        from shipit.targets.kubernetes.canary import begun_canaries

        released = self._desired.released(release, now, known_differences(applied))
        begun = begun_canaries(applied, self._desired)
        return (*begun, *plan_back(before, now, self.namespace, released))

    def judge_rollback(
        self, release: Release, before: KubernetesObserved, observed: KubernetesObserved, seen: Seen
    ) -> Verdict:
        from shipit.targets.kubernetes.applied import new_objects, released_before
        from shipit.targets.kubernetes.apply import known_differences
        from shipit.targets.kubernetes.judge import judge_kubernetes

        if new := new_objects(before, observed):
            return Verdict(State.FAILED, f"what was not there before stays: {', '.join(new)}")
        released = released_before(before, observed, known_differences(seen.applied))
        return judge_kubernetes(released, observed, seen, self._limits)

    def check_access(self, session: Session) -> None:
        from shipit.targets.kubernetes.examination import check_access

        check_access(self._desired, self._client(session), self._user, self.place.identity)

    def examine(self, session: Session) -> Sequence[Finding]:
        from shipit.targets.kubernetes.examination import examine

        return examine(self._desired, self._client(session), self.context, self._user)

    def judge(self, release: Release, observed: KubernetesObserved, seen: Seen) -> Verdict:
        from shipit.targets.kubernetes.apply import known_differences

        return self._judge(self._released(release, observed, known_differences(seen.applied)), observed, seen)

    def judge_return(self, recalled: Recalled, observed: KubernetesObserved, seen: Seen) -> Verdict:
        from shipit.targets.kubernetes.apply import known_differences
        from shipit.targets.kubernetes.history.back import release_of
        from shipit.targets.kubernetes.history.recorded import recorded_desired

        desired = recorded_desired(self._desired, recalled)
        released = desired.released(release_of(desired), observed, known_differences(seen.applied))
        return self._judge(released, observed, seen)

    def _judge(self, released: Released, observed: KubernetesObserved, seen: Seen) -> Verdict:
        from shipit.targets.kubernetes.apply import applied_uids, unchanged_differences
        from shipit.targets.kubernetes.judge import judge_kubernetes
        from shipit.targets.kubernetes.outage import outage

        released = released._replace(uids=applied_uids(seen.applied))
        if isinstance(seen.before, KubernetesObserved):
            equal = unchanged_differences(released.objects, seen.before)
            released = released._replace(known={**equal, **released.known})
        verdict = judge_kubernetes(released, observed, seen, self._limits)
        if verdict.state is State.HEALTHY or verdict.superseded_by:
            return verdict
        # Also where it is waiting, which is a failure at the deadline.
        return verdict._replace(down=outage(released.objects, observed, seen.before))

    def _released(
        self, release: Release, observed: KubernetesObserved, known: Mapping[str, frozenset[str]]
    ) -> Released:
        """What the release wants. It is the same at every look, unless somebody changes an object's spec or data."""
        written = {key: _written(live) if live else None for key, live in observed.objects.items()}
        # What `Desired.released` does not read changes at every look; everything else is compared.
        lasting = replace(observed, objects={}, pods=(), replica_sets=(), serving={}, events=None)
        basis = (release, lasting, written)
        if self._last_released is None or self._last_released[0] != basis:
            self._last_released = (basis, self._desired.released(release, observed, {}))
        return self._last_released[1]._replace(known=known)

    def probe(self, observed: KubernetesObserved, session: Session, *, has_changed: bool) -> KubernetesObserved:
        from shipit.targets.kubernetes.probe import ask_services

        asked = ask_services(self._client(session), observed, self.namespace, self._wanted(session).health())
        return replace(observed, serving=dict(asked))

    def urls(self, observed: KubernetesObserved) -> Sequence[str]:
        from shipit.targets.kubernetes.urls import urls_of

        return urls_of(live.manifest for live in observed.objects.values() if live is not None)

    def describe(self, observed: KubernetesObserved) -> Status:
        from shipit.targets.kubernetes.describe import describe_objects

        return Status(self.name, self.place, "", tuple(describe_objects(observed)), tuple(self.urls(observed)))

    def diagnose(self, verdict: Verdict, session: Session) -> Verdict:
        """Adds the last lines of the container that crashed, and what the cluster said of its pod."""
        from shipit.targets.kubernetes.diagnose import with_last_words

        return with_last_words(verdict, self._client(session), self.namespace, self._kubectl_here)


def _written(live: Live) -> tuple[str, str | int, Mapping[str, str]]:
    """The parts of a live object that `Desired.released` depends on, in short: its spec or data, and shipit's annotations.

    The generation of an object changes with its spec; without one, the version changes with anything.
    """
    own = {name: value for name, value in live.meta.annotations.items() if name.startswith("shipit.dev/")}
    return live.meta.uid, live.meta.generation or live.meta.version, own
