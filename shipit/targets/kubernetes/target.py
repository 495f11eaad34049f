"""A namespace as a target: joins the wire, the plan and the judgement."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial

from shipit.config.process_environment import ProcessEnvironment
from shipit.config.project import Project
from shipit.errors import ConfigErrors, RemoteError
from shipit.events import Event
from shipit.http.skew import judge_skew
from shipit.release import Finding, ImageUse, PayloadStep, Place, Release, Seen, Status, Step, Verdict
from shipit.targets.kubernetes.access import Access, judge_access, needed_access, not_covered
from shipit.targets.kubernetes.applied import applied, plan_back, released_before
from shipit.targets.kubernetes.client import ATTEMPTS, KubernetesClient
from shipit.targets.kubernetes.config import KubernetesConfig
from shipit.targets.kubernetes.desired import Desired
from shipit.targets.kubernetes.diagnose import with_last_words
from shipit.targets.kubernetes.drift import differences, stamp
from shipit.targets.kubernetes.job import ReleaseJob, read_jobs
from shipit.targets.kubernetes.judge import judge_kubernetes
from shipit.targets.kubernetes.live import Live
from shipit.targets.kubernetes.manifests import read_manifests
from shipit.targets.kubernetes.observed import KubernetesObserved, describe_object, key_of
from shipit.targets.kubernetes.parse import parse_meta, parse_pod
from shipit.targets.kubernetes.place import find_context, read_place
from shipit.targets.kubernetes.plan import plan_objects, plan_release_job, plan_secret
from shipit.targets.kubernetes.pods import Limits
from shipit.targets.kubernetes.probe import ask_services
from shipit.targets.kubernetes.pull_secret import is_pull_secret_current, render_pull_secret_of
from shipit.targets.kubernetes.render import SECRETS_ANNOTATION, Manifest, render_secret
from shipit.targets.kubernetes.rights import refused, rules
from shipit.targets.kubernetes.server import ApiServer
from shipit.targets.kubernetes.superseded import Released
from shipit.targets.kubernetes.urls import ingress_urls
from shipit.targets.session import Session


def create(name: str, config: KubernetesConfig, project: Project, environment: ProcessEnvironment) -> KubernetesTarget:
    return KubernetesTarget(name, config, project, environment)


def _identity(context: str, server: str, namespace: str) -> str:
    return f"context {context}, server {server}, namespace {namespace}"


class KubernetesTarget:
    """One namespace of one cluster."""

    def __init__(self, name: str, config: KubernetesConfig, project: Project, environment: ProcessEnvironment) -> None:
        self.name = name
        self.config = config
        self.project = project
        self.context, self.server, namespace = read_place(config, environment)
        self.namespace = config.namespace or namespace or "default"
        self.place = Place("kubernetes", _identity(self.context, self.server, self.namespace))
        raw = read_manifests(project.folder, config.manifests)
        self._desired = Desired(name, config, project, self.namespace, raw, project.secrets_for(name))
        self._desired.check_unique()
        # What the server made of what this run applied, by key; and what the Secret held before.
        self._answers: dict[str, Live] = {}
        self._released = Released()
        self._secret_before: Manifest = {}
        self._guard(project)

    def images(self) -> Sequence[ImageUse]:
        return self._desired.uses()

    def observe(self, session: Session) -> KubernetesObserved:
        client = self._client(session)
        if client.namespace(self.namespace) is None:
            hint = f"create it: kubectl create namespace {self.namespace}"
            raise RemoteError(
                f"there is no namespace {self.namespace!r}", where=self.place.identity, hint=hint, status=404
            )
        part_of = f"app.kubernetes.io/part-of={self.project.app}"
        secret = client.read(self._secret_identity(), self.namespace) if self._desired.secret_names else None
        # Pods of our own manifests may have any labels.
        pods = "" if self._desired.raw else part_of
        return KubernetesObserved(
            objects={key_of(m, self.namespace): client.read(m, self.namespace) for m in self._desired.identities()},
            pods=tuple(client.listed("api/v1", "pods", self.namespace, parse_pod, pods)),
            replica_sets=tuple(client.listed("apis/apps/v1", "replicasets", self.namespace, _meta, pods)),
            jobs=read_jobs(client, self.namespace, part_of) if self.project.release else (),
            secret_marks=_marks(secret, session),
            secret_mark=self._secret_mark(secret, session),
            pull_secret_current=is_pull_secret_current(self._desired, client, session),
            secret=secret,
        )

    def plan(self, release: Release, observed: KubernetesObserved) -> tuple[Step, ...]:
        names = self._desired.secret_names
        self._released = self._desired.released(release, observed, self._answers)
        stale = [name for name in names if observed.secret_marks.get(name) != release.marks.get(name)]
        setting = self._desired.setting(observed.secret_mark)
        steps = list(plan_objects(tuple(self._desired.manifests(release, setting)), observed, self.namespace))
        first = [
            plan_secret(f"Secret/{setting.secret_name}", stale, bool(observed.secret), f"env {observed.secret_mark}"),
            plan_secret(f"Secret/{setting.pull_secret}", ["registry credentials"], False, "pull")
            if observed.pull_secret_current is False
            else None,
        ]
        wanted_job = self._desired.release_job(release, setting)
        job = plan_release_job(wanted_job, observed, steps) if wanted_job else None
        return (*(step for step in first if step), *([job] if job else ()), *steps)

    def apply(self, step: Step, session: Session) -> Iterator[Event]:
        assert isinstance(step, PayloadStep)
        client, payload = self._client(session), step.payload
        if payload.get("secret") == "before":
            client.apply(self._secret_before, self.namespace)
        elif "delete" in payload:
            client.delete(payload["delete"], self.namespace)
        elif "secret" in payload:
            client.apply(stamp(self._secret(str(payload["secret"]), session)), self.namespace)
        elif "job" in payload:
            assert self.project.release is not None
            kubectl = f"kubectl --context {self.context} -n {self.namespace}"
            own = self._client(session, within_s=self.project.release.timeout)
            yield from ReleaseJob(self.name, self.namespace, kubectl, own).run(payload)
        else:
            key = key_of(payload["apply"], self.namespace)
            self._answers[key] = self._applied(payload, client)

    def plan_rollback(self, release: Release, before: KubernetesObserved, now: KubernetesObserved) -> tuple[Step, ...]:
        # Its values stay in memory: a step holds no secret.
        self._secret_before = (applied(before.secret) if before.secret else None) or {}
        return plan_back(before, now, self.namespace, self._released)

    def judge_rollback(
        self, release: Release, before: KubernetesObserved, observed: KubernetesObserved, seen: Seen
    ) -> Verdict:
        return judge_kubernetes(released_before(before, observed, self._answers), observed, seen, self._limits)

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
        kinds = sorted({client.resource(manifest, self.namespace) for manifest in self._desired.identities()})
        wanted = [Access(*kind, ("patch",)) for kind in kinds if kind[2] == self.namespace]
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
            {client.resource(manifest, self.namespace) for manifest in self._desired.identities()},
            self.namespace,
            has_secret=bool(self._desired.secret_names) or self.config.pull_secret,
            has_job=self.project.release is not None,
            replaces_pods=any(manifest["kind"] == "Pod" for manifest in self._desired.identities()),
        )
        found = {access: refused(client, *access) for access in wanted}
        skew = judge_skew(f"the cluster of {self.context}", client.date(), time.time())
        return [*judge_access(found, f"the user of {self.context}"), *([skew] if skew else [])]

    def judge(self, release: Release, observed: KubernetesObserved, seen: Seen) -> Verdict:
        return judge_kubernetes(self._desired.released(release, observed, self._answers), observed, seen, self._limits)

    def probe(self, observed: KubernetesObserved, session: Session, *, has_changed: bool) -> KubernetesObserved:
        asked = ask_services(self._client(session), observed, self.namespace, self._desired.health())
        return replace(observed, serving=dict(asked))

    def urls(self, observed: KubernetesObserved) -> Sequence[str]:
        return ingress_urls(self._desired.identities())

    def describe(self, observed: KubernetesObserved) -> Status:
        units = tuple(unit for key, live in observed.objects.items() for unit in describe_object(key, live))
        return Status(self.name, self.place, "", units, tuple(self.urls(observed)))

    def diagnose(self, verdict: Verdict, session: Session) -> Verdict:
        """Adds the last lines of the container that crashed, and what the cluster said of its pod."""
        return with_last_words(verdict, self._client(session), self.namespace, f"kubectl --context {self.context}")

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

    def _applied(self, payload: Mapping[str, object], client: KubernetesClient) -> Live:
        """Apply what a step says; what has to be replaced, only where it is not so already."""
        manifest: Manifest = payload["apply"]  # type: ignore[assignment]
        live = client.read(manifest, self.namespace) if payload.get("replace") or "replicas" in payload else None
        if live is not None and payload.get("replace"):
            if not any(differences(manifest, live.manifest)):
                return live
            client.delete(manifest, self.namespace, live.meta.uid)
        if "replicas" in payload:
            # Where an autoscaler decides, with as many as there are now: left out, a number that was ours falls to one.
            replicas = payload["replicas"] if live is None or live.spec.replicas is None else live.spec.replicas
            manifest = {**manifest, "spec": {**manifest["spec"], "replicas": replicas}}
        return client.apply(manifest, self.namespace)

    def _secret_identity(self) -> Manifest:
        return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": self._desired.secret_key}}

    def _secret_mark(self, secret: Live | None, session: Session) -> str:
        """The mark of the Secret that is there, or of its values where they are to change."""
        mark = secret.meta.annotations.get(SECRETS_ANNOTATION, "") if secret else ""
        wanted = {name: session.secrets[name] for name in self._desired.secret_names if name in session.secrets}
        if len(wanted) < len(self._desired.secret_names) or not wanted:
            return mark
        held = secret.data if secret else {}
        is_current = all(held.get(name) == value.encode() for name, value in wanted.items())
        return mark if is_current and mark else self._desired.secret_mark(wanted)

    def _secret(self, which: str, session: Session) -> Manifest:
        kind, _, mark = which.partition(" ")
        if kind == "env":
            names = self._desired.secret_names
            return render_secret(self._desired.setting(mark), {name: session.secrets[name] for name in names})
        return render_pull_secret_of(self._desired, session)


_meta = partial(lambda part: parse_meta(part["metadata"]))


def _marks(secret: Live | None, session: Session) -> dict[str, str]:
    """Name -> keyed hash of each value in a Secret; what is no text is nobody's value."""
    marks = {}
    for name, data in (secret.data if secret else {}).items():
        try:
            # What a secret was before is a secret, too.
            marks[name] = session.mark(session.environment.redactor.learn(data.decode()))
        except UnicodeDecodeError:
            marks[name] = ""
    return marks
