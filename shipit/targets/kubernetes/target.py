"""A namespace as a target: joins the wire, the plan and the judgement."""

from __future__ import annotations

import base64
import hashlib
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from shipit.config.environment import Environment
from shipit.config.project import Project
from shipit.errors import ConfigErrors, RemoteError
from shipit.events import Event
from shipit.http.skew import judge_skew
from shipit.reference import parse_reference
from shipit.release import Finding, Image, ImageUse, Place, Release, Seen, Step, Verdict
from shipit.targets.base import Context
from shipit.targets.kubernetes.access import judge_access, needed_access
from shipit.targets.kubernetes.applied import applied, plan_back
from shipit.targets.kubernetes.client import KubernetesClient
from shipit.targets.kubernetes.config import ONLY, KubernetesConfig
from shipit.targets.kubernetes.diagnose import with_last_words
from shipit.targets.kubernetes.drift import fingerprint, stamp
from shipit.targets.kubernetes.job import ReleaseJob
from shipit.targets.kubernetes.judge import Limits, judge_kubernetes
from shipit.targets.kubernetes.manifests import image_for, image_names, pin_images, read_manifests
from shipit.targets.kubernetes.observed import KubernetesObserved, describe_object, key_of
from shipit.targets.kubernetes.place import is_in_cluster, read_place
from shipit.targets.kubernetes.plan import plan_objects, plan_release_job, plan_secret
from shipit.targets.kubernetes.render import (
    SECRETS_ANNOTATION,
    Manifest,
    Setting,
    render_job,
    render_pull_secret,
    render_secret,
    render_workload,
)
from shipit.targets.kubernetes.urls import ingress_urls


def create(name: str, config: KubernetesConfig, project: Project, environment: Environment) -> KubernetesTarget:
    return KubernetesTarget(name, config, project, environment)


def _identity(context: str, server: str, namespace: str) -> str:
    return f"context {context}, server {server}, namespace {namespace}"


class KubernetesTarget:
    """One namespace of one cluster."""

    def __init__(self, name: str, config: KubernetesConfig, project: Project, environment: Environment) -> None:
        self.name = name
        self.config = config
        self.project = project
        context, server, namespace = read_place(config, environment)
        self.context = context
        self.server = server
        self.namespace = config.namespace or namespace or "default"
        self.place = Place("kubernetes", _identity(context, server, self.namespace))
        self._raw = read_manifests(project.folder, config.manifests)
        # An image that is only used has no repository of ours: manifests mean it by its name alone.
        self._repositories = {image: built.repository or "" for image, built in project.images.items()}
        self._client: KubernetesClient | None = None
        self._secret_before: Manifest = {}
        self._secret_keys = project.secrets_for(name)
        self._guard(project)

    def images(self) -> Sequence[ImageUse]:
        names = {self.project.image_name(workload.image) for workload in self.config.workloads.values()}
        for manifest in self._raw:
            names |= {image for text in image_names(manifest) if (image := image_for(text, self._repositories))}
        if self.project.release:
            names.add(self.project.image_name(self.project.release.image))
        return tuple(self._use(name) for name in sorted(names))

    def observe(self, context: Context) -> KubernetesObserved:
        client = self._wire(context)
        if client.namespace(self.namespace) is None:
            hint = f"create it: kubectl create namespace {self.namespace}"
            raise RemoteError(
                f"there is no namespace {self.namespace!r}", where=self.place.identity, hint=hint, status=404
            )
        objects = {key_of(m, self.namespace): client.read(m, self.namespace) for m in self._identities()}
        selector = f"app.kubernetes.io/part-of={self.project.app}"
        jobs = client.listed("apis/batch/v1", "jobs", self.namespace, selector) if self.project.release else []
        secret = client.read(self._secret_identity(), self.namespace) if self._secret_keys else None
        data = (secret or {}).get("data") or {}
        return KubernetesObserved(
            objects=objects,
            pods=tuple(client.listed("api/v1", "pods", self.namespace)),
            replica_sets=tuple(client.listed("apis/apps/v1", "replicasets", self.namespace)),
            jobs=tuple(jobs),
            secret_marks={
                name: context.mark(base64.b64decode(value).decode("utf-8", "replace")) for name, value in data.items()
            },
            secret_annotation=((secret or {}).get("metadata", {}).get("annotations") or {}).get(SECRETS_ANNOTATION, ""),
            pull_secret_current=self._pull_secret_current(client, context),
            secret=secret,
        )

    def plan(self, release: Release, observed: KubernetesObserved) -> tuple[Step, ...]:
        stale = [name for name in self._secret_keys if observed.secret_marks.get(name) != release.marks.get(name)]
        marks = "".join(release.marks.get(name, "") for name in self._secret_keys)
        mark = (
            hashlib.sha256(marks.encode()).hexdigest()[:16]
            if stale or not observed.secret_annotation
            else observed.secret_annotation
        )
        setting = self._setting(release, mark)
        steps = list(plan_objects(tuple(self._manifests(release, setting)), observed, self.namespace))
        first = [
            plan_secret(f"Secret/{setting.secret_name}", stale, bool(observed.secret_marks), f"env {mark}"),
            plan_secret(f"Secret/{setting.pull_secret}", ["registry credentials"], False, "pull")
            if observed.pull_secret_current is False
            else None,
        ]
        secrets = [step for step in first if step]
        wanted_job = self._release_job(release, setting)
        job = plan_release_job(wanted_job, observed, steps) if wanted_job else None
        return (*secrets, *([job] if job else ()), *steps)

    def apply(self, step: Step, context: Context) -> Iterator[Event]:
        client = self._wire(context)
        payload = step.payload
        if payload.get("secret") == "before":
            client.apply(self._secret_before, self.namespace)
        elif "delete" in payload:
            client.delete(payload["delete"], self.namespace)
        elif "secret" in payload:
            client.apply(stamp(self._secret(str(payload["secret"]), context)), self.namespace)
        elif "job" in payload:
            assert self.project.release is not None
            kubectl = f"kubectl --context {self.context} -n {self.namespace}"
            job = ReleaseJob(self.name, self.namespace, kubectl, self.project.release.timeout, client)
            yield from job.run(payload, context)
        else:
            if payload.get("replace"):
                client.delete(payload["apply"], self.namespace)
            client.apply(self._with_replicas(payload, client), self.namespace)

    def _with_replicas(self, payload: Mapping[str, Any], client: KubernetesClient) -> Manifest:
        """What a step applies; where an autoscaler decides, with as many replicas as there are at this moment.

        Left out, a number that was ours before would fall back to one.
        """
        manifest: Manifest = payload["apply"]
        if "replicas" not in payload:
            return manifest
        live = client.read(manifest, self.namespace)
        now = payload["replicas"] if live is None else live["spec"].get("replicas", 1)
        return {**manifest, "spec": {**manifest["spec"], "replicas": now}}

    def plan_back(self, before: KubernetesObserved, now: KubernetesObserved) -> tuple[Step, ...]:
        # Its values stay in memory: a step holds no secret.
        self._secret_before = (applied(before.secret) if before.secret else None) or {}
        return plan_back(before, now, self.namespace)

    def judge_back(self, before: KubernetesObserved, observed: KubernetesObserved, seen: Seen) -> Verdict:
        keys = [key for key, live in before.objects.items() if live is not None]
        return judge_kubernetes(keys, observed, seen, Limits(self.config.restarts_allowed, self.config.pending, {}))

    def guard(self, observed: KubernetesObserved, context: Context) -> None:
        """That the kubeconfig still leads to where the plan was made for."""
        name, server, namespace = read_place(self.config, context.environment)
        now = Place("kubernetes", _identity(name, server, self.config.namespace or namespace or "default"))
        if now != self.place:
            what = f"the place changed since the plan: it was {self.place.identity}, and is {now.identity}"
            raise RemoteError(what, where=self.name, hint="run it again to plan for where it leads now")

    def examine(self, context: Context) -> Sequence[Finding]:
        """Whether this context may do what a deploy does, and how far its clock is."""
        client = self._wire(context)
        wanted = needed_access(
            {client.resource(manifest, self.namespace) for manifest in self._identities()},
            self.namespace,
            has_secret=bool(self._secret_keys) or self.config.pull_secret,
            has_job=self.project.release is not None,
            replaces_pods=any(manifest["kind"] == "Pod" for manifest in self._identities()),
        )
        refused = {access: client.refused(*access) for access in wanted}
        skew = judge_skew(f"the cluster of {self.context}", client.date(), time.time())
        return [*judge_access(refused, f"the user of {self.context}"), *([skew] if skew else [])]

    def judge(self, release: Release, observed: KubernetesObserved, seen: Seen) -> Verdict:
        ids = {
            image.pinned: frozenset((image.manifest_digest, image.config_digest)) for image in release.images.values()
        }
        limits = Limits(self.config.restarts_allowed, self.config.pending, ids)
        keys = [key_of(manifest, self.namespace) for manifest in self._identities()]
        return judge_kubernetes(keys, observed, seen, limits)

    def urls(self, observed: KubernetesObserved) -> Sequence[str]:
        return ingress_urls(self._identities())

    def describe(self, observed: KubernetesObserved) -> tuple[str, ...]:
        return tuple(line for key, live in observed.objects.items() for line in describe_object(key, live))

    def diagnose(self, verdict: Verdict, context: Context) -> Verdict:
        """Adds the last lines of the container that crashed, and what the cluster said of its pod."""
        kubectl = f"kubectl --context {self.context}"
        return with_last_words(verdict, self._wire(context), context.clock, self.namespace, kubectl)

    def _guard(self, project: Project) -> None:
        if self.config.server and self.config.server.rstrip("/") != self.server.rstrip("/"):
            what = f"the context {self.context} leads to {self.server}, not there"
            raise ConfigErrors(
                [project.problem(("targets", self.name, "server"), what, "choose another context, or correct server:")]
            )

    def _wire(self, context: Context) -> KubernetesClient:
        if self._client is None:
            chosen = None if is_in_cluster(context.environment) and not self.config.context else self.context
            self._client = KubernetesClient(context.environment, chosen, context.clock, context.emit)
        return self._client

    def _use(self, name: str) -> ImageUse:
        config = self.project.images[name]
        platform = config.build.platforms[0] if config.build else "linux/amd64"
        if config.use:
            return ImageUse(name, config.use, "oci", platform, None, (), publish=False)
        if config.repository is None:
            problem = self.project.problem(
                ("targets", self.name),
                f"image {name} has no repository for the cluster to pull from",
                "add repository: to the image",
            )
            raise ConfigErrors([problem])
        return ImageUse(name, config.repository, "oci", platform, None, self.project.tags(name))

    def _image(self, name: str, release: Release) -> Image:
        return release.images[self._use(name)]

    def _setting(self, release: Release, mark: str) -> Setting:
        return Setting(
            app=self.project.app,
            namespace=self.namespace,
            env=self.project.env,
            secret_names=self._secret_keys,
            secret_mark=mark,
            secret_name=f"{self.project.app}-env",
            pull_secret=f"{self.project.app}-pull" if self.config.pull_secret else None,
        )

    def _workload_name(self, name: str) -> str:
        return self.project.app if name == ONLY else name

    def _manifests(self, release: Release, setting: Setting) -> Iterator[Manifest]:
        for manifest in self._raw:
            yield pin_images(
                manifest,
                lambda text: (
                    self._image(found, release).pinned if (found := image_for(text, self._repositories)) else None
                ),
            )
        for name, workload in self.config.workloads.items():
            image = self._image(self.project.image_name(workload.image), release)
            yield from render_workload(self._workload_name(name), workload, image.pinned, image.config_digest, setting)

    def _identities(self) -> list[Manifest]:
        """What will be applied, by kind and name only; images play no part in that."""
        setting = self._setting(Release(self.project.app, ""), "")
        rendered = [
            item
            for name, workload in self.config.workloads.items()
            for item in render_workload(self._workload_name(name), workload, "", "", setting)
        ]
        return [*self._raw, *rendered]

    def _release_job(self, release: Release, setting: Setting) -> Manifest | None:
        wanted = self.project.release
        if wanted is None:
            return None
        image = self._image(self.project.image_name(wanted.image), release).pinned
        unnamed = render_job("release", wanted.command, image, setting)
        name = f"{self.project.app[:40]}-release-{fingerprint({**unnamed, 'mark': setting.secret_mark})[:10]}"
        return render_job(name, wanted.command, image, setting)

    def _secret_identity(self) -> Manifest:
        return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": f"{self.project.app}-env"}}

    def _secret(self, which: str, context: Context) -> Manifest:
        kind, _, mark = which.partition(" ")
        setting = self._setting(Release(self.project.app, ""), mark)
        if kind == "env":
            return render_secret(setting, {name: context.secrets[name] for name in self._secret_keys})
        return self._pull_secret(context, setting)

    def _pull_secret(self, context: Context, setting: Setting) -> Manifest:
        refs = {ref.registry: ref for ref in (parse_reference(use.repository) for use in self.images())}
        hosts = sorted(refs)
        logins = {host: context.registries.credentials(refs[host]) if context.registries else None for host in hosts}
        known = {host: (login.username, login.password) for host, login in logins.items() if login and login.password}
        if not known:
            hint = f"shipit login {hosts[0]}, or remove pull_secret"
            raise RemoteError(
                "there are no registry credentials to give to the cluster", where=self.place.identity, hint=hint
            )
        return render_pull_secret(setting, known)

    def _pull_secret_current(self, client: KubernetesClient, context: Context) -> bool | None:
        if not self.config.pull_secret:
            return None
        wanted = self._pull_secret(context, self._setting(Release(self.project.app, ""), ""))
        live = client.read(wanted, self.namespace)
        return bool(live and (live.get("data") or {}) == wanted["data"])
