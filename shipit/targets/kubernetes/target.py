"""A namespace as a target: joins the wire, the plan and the judgement."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace

from shipit.config.process_environment import ProcessEnvironment
from shipit.config.project import Project
from shipit.errors import ConfigErrors, DeployFailed, RemoteError, UsageError
from shipit.events import Event, LogLine
from shipit.http.skew import judge_skew
from shipit.release import (
    Destruction,
    Facts,
    Finding,
    ImageUse,
    Leftover,
    Place,
    Release,
    Rendered,
    Seen,
    State,
    Status,
    Step,
    Verdict,
)
from shipit.targets.base import LogQuery
from shipit.targets.kubernetes import KIND, verbs
from shipit.targets.kubernetes.access import Access, judge_access, needed_access, not_covered
from shipit.targets.kubernetes.applied import new_objects, plan_back, released_before
from shipit.targets.kubernetes.apply import Changes, known_differences, unchanged_differences
from shipit.targets.kubernetes.apply_verbs import restart_object, scale_object
from shipit.targets.kubernetes.applyset import ObservedSet
from shipit.targets.kubernetes.changes import is_up_to_date
from shipit.targets.kubernetes.check_step import check_step
from shipit.targets.kubernetes.client import ATTEMPTS, CONFLICT, KubernetesClient, UnknownKind
from shipit.targets.kubernetes.config import KubernetesConfig
from shipit.targets.kubernetes.conflicts import find_conflicts, has_others
from shipit.targets.kubernetes.definitions import is_defined
from shipit.targets.kubernetes.describe import describe_objects
from shipit.targets.kubernetes.desired import Desired
from shipit.targets.kubernetes.destroy import leftovers, plan_destroy
from shipit.targets.kubernetes.diagnose import with_last_words
from shipit.targets.kubernetes.dry_run import DryRun
from shipit.targets.kubernetes.exec import execute
from shipit.targets.kubernetes.images_in_use import images_in_use
from shipit.targets.kubernetes.job import ReleaseJob
from shipit.targets.kubernetes.judge import judge_kubernetes
from shipit.targets.kubernetes.look import Look
from shipit.targets.kubernetes.manifests import read_written
from shipit.targets.kubernetes.members import SetReader
from shipit.targets.kubernetes.objects import is_namespace
from shipit.targets.kubernetes.observed import KubernetesObserved, key_of
from shipit.targets.kubernetes.place import find_context, read_place
from shipit.targets.kubernetes.plan import plan_objects, plan_release_job
from shipit.targets.kubernetes.plan_secrets import plan_env_secret, plan_pull_secret
from shipit.targets.kubernetes.pods import Limits
from shipit.targets.kubernetes.ports import PodPorts
from shipit.targets.kubernetes.probe import ask_services
from shipit.targets.kubernetes.prune import find_other_sets, plan_removal, plan_widening, set_notes
from shipit.targets.kubernetes.rendered import render_release
from shipit.targets.kubernetes.rights import refused, rules
from shipit.targets.kubernetes.run_job import OneOff
from shipit.targets.kubernetes.server import ApiServer
from shipit.targets.kubernetes.steps import ObjectStep, RestartObject, RunReleaseJob, ScaleObject
from shipit.targets.kubernetes.urls import ingress_urls
from shipit.targets.kubernetes.wanted import autoscaled
from shipit.targets.kubernetes.workload_logs import read_logs
from shipit.targets.orders import RestartOrder, ScaleOrder
from shipit.targets.remote import Command, Ports, Remote, Started
from shipit.targets.session import Session


def create(name: str, config: KubernetesConfig, project: Project, environment: ProcessEnvironment) -> KubernetesTarget:
    return KubernetesTarget(name, config, project, environment)


def _identity(context: str, server: str, namespace: str) -> str:
    return f"context {context}, server {server}, namespace {namespace}"


class KubernetesTarget:
    """One namespace of one cluster."""

    kind = KIND

    def __init__(self, name: str, config: KubernetesConfig, project: Project, environment: ProcessEnvironment) -> None:
        self.name = name
        self.config = config
        self.project = project
        self.context, self.server, namespace = read_place(config, environment)
        self.namespace = config.namespace or namespace or "default"
        self.place = Place("kubernetes", _identity(self.context, self.server, self.namespace))
        written = read_written(project.folder, config.manifests)
        places = {key_of(item.manifest, self.namespace): item.at for item in written}
        raw = [item.manifest for item in written]
        self._desired = Desired(name, config, project, self.namespace, raw, project.secrets_for(name), places)
        self._desired.check_unique()
        self._desired.check_labels()
        self._guard(project)

    def images(self) -> Sequence[ImageUse]:
        return self._desired.uses()

    def observe(self, session: Session) -> KubernetesObserved:
        return Look(self._desired, self._client(session), session).observe()

    def preview(
        self, release: Release, observed: KubernetesObserved, session: Session, *, is_deploy: bool
    ) -> KubernetesObserved:
        """The observation with what a dry run of the release gave. An unchanged release makes no request."""
        client = self._client(session)
        mark = Look(self._desired, client, session).mark
        return DryRun(self._desired, client, session, mark).preview(release, observed, is_deploy=is_deploy)

    def plan(self, release: Release, observed: KubernetesObserved) -> tuple[Step, ...]:
        desired = self._desired
        self._check_conflicts(release, observed)
        setting = desired.setting(observed.secret_mark)
        objects = plan_objects(tuple(desired.manifests(release, observed)), observed, self.namespace, desired.files)
        secret = desired.env_secret(release, observed)
        secrets = (
            plan_env_secret(secret, observed) if secret else None,
            plan_pull_secret(setting.pull_secret, observed),
        )
        job = desired.release_job(release, setting)
        run = plan_release_job(job, observed, objects) if job else None
        found = observed.applied_set or ObservedSet()
        widen, removal = plan_widening(desired, found), plan_removal(desired, found)
        # The namespace of the target comes before what is in it.
        first = [
            item for item in objects if isinstance(item, ObjectStep) and is_namespace(item.manifest, self.namespace)
        ]
        rest = [step for step in objects if step not in first]
        return tuple(step for step in (*first, widen, *secrets, run, *rest, *removal) if step)

    def render(self, release: Release, observed: KubernetesObserved) -> Rendered:
        parts = render_release(self._desired, release, observed)
        return Rendered(self.name, self.place, "manifests", parts)

    def images_in_use(self, observed: KubernetesObserved) -> Collection[str]:
        return images_in_use(observed, self.name)

    def notes(self, release: Release, observed: KubernetesObserved) -> Sequence[str]:
        kubectl = f"kubectl --context {self.context}"
        return tuple(set_notes(self._desired, observed.applied_set or ObservedSet(), kubectl))

    def _check_conflicts(self, release: Release, observed: KubernetesObserved) -> None:
        """Raises: RemoteError when an object is that of another set, or another tool applies a field with another value."""
        if not self.config.take_over and (
            lines := list(find_other_sets(self._desired, [*observed.objects.values(), observed.secret]))
        ):
            more = f", and {len(lines) - 1} more" if len(lines) > 1 else ""
            hint = "let one of the two have it, or set take_over: true on this target"
            raise RemoteError(f"{lines[0]}{more}", where=self.name, hint=hint, detail=tuple(lines[1:]), status=CONFLICT)
        if self.config.take_over or not any(live and has_others(live) for live in observed.objects.values()):
            return
        wanted = self._desired.released(release, observed, {}).objects
        # What another tool wrote in other words has the same value.
        equal = {key for key, preview in observed.previews.items() if is_up_to_date(observed.objects.get(key), preview)}
        wanted = {key: item for key, item in wanted.items() if key not in equal}
        if lines := list(find_conflicts(wanted, observed.objects)):
            more = f", and {len(lines) - 1} more" if len(lines) > 1 else ""
            hint = "let one of the two set the field, or set take_over: true on this target"
            raise RemoteError(f"{lines[0]}{more}", where=self.name, hint=hint, detail=tuple(lines[1:]), status=CONFLICT)

    def apply(self, step: Step, session: Session) -> Iterator[Event]:
        check_step(step, self._desired)
        client = self._client(session)
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
        mark = Look(self._desired, client, session).mark
        yield from Changes(self._desired, client, session, mark).apply(step)

    def plan_rollback(
        self, release: Release, before: KubernetesObserved, now: KubernetesObserved, applied: Mapping[str, Facts]
    ) -> tuple[Step, ...]:
        released = self._desired.released(release, now, known_differences(applied))
        return plan_back(before, now, self.namespace, released)

    def judge_rollback(
        self, release: Release, before: KubernetesObserved, observed: KubernetesObserved, seen: Seen
    ) -> Verdict:
        if new := new_objects(before, observed):
            return Verdict(State.FAILED, f"what was not there before stays: {', '.join(new)}")
        released = released_before(before, observed, known_differences(seen.applied))
        return judge_kubernetes(released, observed, seen, self._limits)

    def inventory(self, session: Session) -> ObservedSet:
        desired = self._desired
        reader = SetReader(self._client(session), desired.set_name, desired.namespace, session.clock)
        return reader.read(desired.members())

    def plan_destroy(self, inventory: ObservedSet, wanted: Destruction) -> tuple[Step, ...]:
        return plan_destroy(self._desired, inventory, wanted)

    def leftovers(self, inventory: ObservedSet, wanted: Destruction) -> Sequence[Leftover]:
        return tuple(leftovers(self._desired, inventory, wanted))

    def guard(self, place: Place, session: Session) -> None:
        """That the kubeconfig still leads to the place of the plan."""
        name, server, namespace = read_place(self.config, session.environment)
        now = Place("kubernetes", _identity(name, server, self.config.namespace or namespace or "default"))
        if now != place:
            what = f"the place changed since the plan: it was {place.identity}, and is {now.identity}"
            raise RemoteError(what, where=self.name, hint="run it again to plan for where it leads now")

    def check_access(self, session: Session) -> None:
        """That objects may be applied here, and a release command started. Raises: RemoteError."""
        client = self._client(session)
        kinds = sorted(self._resources(client))
        wanted = [Access(*kind, ("patch",)) for kind in kinds if kind[2] == self.namespace]
        wanted.append(Access("", "configmaps", self.namespace, ("patch",)))
        if self.project.release is not None:
            wanted.append(Access("batch", "jobs", self.namespace, ("create",)))
        if self._desired.secret_names or self.config.pull_secret:
            wanted.append(Access("", "secrets", self.namespace, ("patch",)))
        # The rules may not be all there are: what they do not cover is asked for one by one.
        answers = {access: refused(client, *access) for access in not_covered(rules(client, self.namespace), wanted)}
        if missing := [f"{', '.join(verbs)} {access.title}" for access, verbs in answers.items() if verbs]:
            what = f"the user of {self.context} may not {'; '.join(missing)}"
            raise RemoteError(what, where=self.place.identity, hint="ask for a Role with these verbs", status=403)

    def examine(self, session: Session) -> Sequence[Finding]:
        """Whether this context may do what a deploy does, and how far its clock is."""
        client = self._client(session)
        wanted = needed_access(
            self._resources(client),
            self.namespace,
            has_secret=bool(self._desired.secret_names) or self.config.pull_secret,
            has_job=self.project.release is not None,
            replaces_pods=any(manifest["kind"] == "Pod" for manifest in self._desired.identities()),
            prunes=self.config.prune,
        )
        found = {access: refused(client, *access) for access in wanted}
        skew = judge_skew(f"the cluster of {self.context}", client.date(), time.time())
        return [*judge_access(found, f"the user of {self.context}"), *([skew] if skew else [])]

    def judge(self, release: Release, observed: KubernetesObserved, seen: Seen) -> Verdict:
        released = self._desired.released(release, observed, known_differences(seen.applied))
        if isinstance(seen.before, KubernetesObserved):
            equal = unchanged_differences(released.objects, seen.before)
            released = released._replace(known={**equal, **released.known})
        return judge_kubernetes(released, observed, seen, self._limits)

    def probe(self, observed: KubernetesObserved, session: Session, *, has_changed: bool) -> KubernetesObserved:
        asked = ask_services(self._client(session), observed, self.namespace, self._desired.health())
        return replace(observed, serving=dict(asked))

    def urls(self, observed: KubernetesObserved) -> Sequence[str]:
        return ingress_urls(live.manifest for live in observed.objects.values() if live is not None)

    def workloads(self) -> Sequence[str]:
        return self._desired.workload_names()

    def declared_scale(self) -> Mapping[str, int | None]:
        return self._desired.declared_scale()

    def plan_scale(self, order: ScaleOrder, observed: KubernetesObserved) -> tuple[Step, ...]:
        own = autoscaled(self._desired.identities(), self.namespace)
        return verbs.plan_scale(self._scaled(order), observed, own, self.name)

    def judge_scale(self, order: ScaleOrder, observed: KubernetesObserved, seen: Seen) -> Verdict:
        return verbs.judge_scale(self._scaled(order), observed, seen, self._limits)

    def plan_restart(self, order: RestartOrder, observed: KubernetesObserved) -> tuple[Step, ...]:
        return verbs.plan_restart(self._restarted(order), order.at, observed, self.name)

    def judge_restart(self, order: RestartOrder, observed: KubernetesObserved, seen: Seen) -> Verdict:
        return verbs.judge_restart(self._restarted(order), order.at, observed, seen, self._limits)

    def _scaled(self, order: ScaleOrder) -> dict[str, int]:
        """Key of an object -> replicas."""
        return {
            self._desired.key_of_workload(name, verbs.SCALABLE, "be scaled"): count
            for name, count in order.quantities.items()
        }

    def _restarted(self, order: RestartOrder) -> list[str]:
        """The keys of the objects. Where several workloads are named, those that can't be restarted are left out."""
        names = order.workloads
        if len(names) > 1:
            names = tuple(name for name in names if self._desired.keys_of_workload(name, verbs.RESTARTABLE))
        if not names:
            raise DeployFailed("no workload here can be restarted", where=self.name, hint="shipit deploy replaces pods")
        return [self._desired.key_of_workload(name, verbs.RESTARTABLE, "be restarted") for name in names]

    def execute(self, workload: str, command: Command, session: Session) -> Remote:
        manifest = self._desired.with_pods(workload)
        return execute(self._client(session), manifest, self.namespace, command)

    def run_once(self, workload: str, command: Command, session: Session, size: str) -> Remote:
        return self._one_off(workload, session, size).run(command)

    def start_once(self, workload: str, command: Command, session: Session, size: str) -> Started:
        return self._one_off(workload, session, size).start(command)

    def ports(self, workload: str, session: Session) -> Ports:
        # Connections are opened for as long as somebody forwards.
        client = self._client(replace(session, deadline_s=float("inf")))
        return PodPorts(client, self._desired.with_pods(workload), self.namespace)

    def _one_off(self, workload: str, session: Session, size: str) -> OneOff:
        if size:
            hint = "it gets the cpu and memory of the workload in deploy.yml"
            raise UsageError(f"{self.name} has no sizes for --size", hint=hint)
        manifest = self._desired.with_pods(workload)
        return OneOff(self._client(session), self.name, manifest, self.namespace, self._kubectl)

    def logs(self, workload: str, wanted: LogQuery, session: Session) -> Iterator[LogLine]:
        return read_logs(self._client(session), self.name, workload, self._desired.owners(workload), wanted)

    def describe(self, observed: KubernetesObserved) -> Status:
        return Status(self.name, self.place, "", tuple(describe_objects(observed)), tuple(self.urls(observed)))

    def diagnose(self, verdict: Verdict, session: Session) -> Verdict:
        """Adds the last lines of the container that crashed, and what the cluster said of its pod."""
        return with_last_words(verdict, self._client(session), self.namespace, f"kubectl --context {self.context}")

    def _resources(self, client: KubernetesClient) -> set[tuple[str, str, str]]:
        """API group, plural and namespace of the objects, without those whose kind this deploy creates."""
        found = set()
        for manifest in self._desired.identities():
            try:
                found.add(client.resource(manifest, self.namespace))
            except UnknownKind:
                if not is_defined(manifest, self._desired.raw):
                    raise
        return found

    @property
    def _kubectl(self) -> str:
        return f"kubectl --context {self.context} -n {self.namespace}"

    @property
    def _limits(self) -> Limits:
        return Limits(self.config.restarts_allowed, self.config.pending)

    def _guard(self, project: Project) -> None:
        if self.config.server and self.config.server.rstrip("/") != self.server.rstrip("/"):
            what = f"the context {self.context} leads to {self.server}, not there"
            raise ConfigErrors(
                [project.problem(("targets", self.name, "server"), what, "choose another context, or correct server:")]
            )

    def _client(self, session: Session, within_s: float | None = None) -> KubernetesClient:
        """A client with the deadline of this call; they share one server with its login and connections."""
        key = (ApiServer, self.server, self.config.context)
        server = session.clients.once(
            key, lambda: ApiServer(find_context(session.environment, self.config.context), session.environment)
        )
        deadline = session.deadline if within_s is None else session.deadline.within(within_s)
        return KubernetesClient(server, deadline, session.emit, min(session.attempts, ATTEMPTS))
