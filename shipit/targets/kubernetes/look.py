"""Reading a namespace: one list for each kind of object, in parallel; from a watch where there is one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from shipit.clock import Clock
from shipit.errors import ConfigErrors, RemoteError
from shipit.http.fields import Field
from shipit.parallel import settle
from shipit.targets.kubernetes.applyset import ObservedSet
from shipit.targets.kubernetes.client import CONFLICT, KubernetesClient, selectors
from shipit.targets.kubernetes.desired import Desired
from shipit.targets.kubernetes.env_secret import EnvSecret
from shipit.targets.kubernetes.live import Happening, Live, Meta, Pod
from shipit.targets.kubernetes.object_reader import ObjectReader, is_listed
from shipit.targets.kubernetes.objects import HAVE_PODS, is_namespace
from shipit.targets.kubernetes.observed import KubernetesObserved
from shipit.targets.kubernetes.parse import parse_event, parse_meta, parse_pod
from shipit.targets.kubernetes.render import VERSION_LABEL, Manifest
from shipit.targets.kubernetes.versions import mark_versions
from shipit.targets.session import Session

if TYPE_CHECKING:
    from shipit.targets.kubernetes.watches import Watches

T = TypeVar("T")

# apiVersion, kind, namespace.
_Group = tuple[str, str, str]
_NO_SECRET = EnvSecret("", "")
# Events of these reasons explain nothing that is not ready, and are most of all events.
_GOOD = ("Scheduled", "Pulled", "Created", "Started", "SuccessfulCreate", "SuccessfulDelete", "ScalingReplicaSet")
TELLING = ",".join(f"reason!={reason}" for reason in _GOOD)


@dataclass(frozen=True)
class Look:
    """One observation of what a target wants. With `watches` the lists are kept current between two looks."""

    desired: Desired
    client: KubernetesClient
    session: Session
    watches: Watches | None = None

    def observe(self) -> KubernetesObserved:
        """Raises: RemoteError when the namespace does not exist or can't be read."""
        from shipit.targets.kubernetes.health.settled import needs_events
        from shipit.targets.kubernetes.secret_marks import marked_contents, wanted_marks

        if self.watches is not None:
            self.watches.begin_look()
        groups = self._groups()
        found = _side_by_side({**self._calls(groups), **self._calls_of_a_plan()}, self.session.clock)
        objects: Mapping[str, Live | None] = {
            key: live for group in groups for key, live in found["objects", group].objects.items()
        }
        if self.session.is_planning:
            from shipit.targets.kubernetes.gone_autoscalers import without_gone

            objects = without_gone(objects, desired=self.desired, client=self.client)
        pods: tuple[Pod, ...] = _joined(found, "pods")
        env = found.get("secret") or self._used_secret(objects)
        secret: Live | None = env.live
        return KubernetesObserved(
            objects=objects,
            pods=pods,
            replica_sets=_joined(found, "replica sets"),
            jobs=found.get("jobs", ()),
            secret_marks=dict(secret.manifest.get("data") or {}) if secret else {},
            secret_name=env.name,
            secret_mark=env.mark,
            pull_secret_current=found.get("pull secret"),
            secret=secret,
            wanted_marks=wanted_marks(self.desired, self.mark),
            contents=marked_contents(self.desired, objects, self.mark),
            applied_set=self._left(found["set"], found, env.name) if "set" in found else None,
            ingress_classes=found.get("ingress classes"),
            events=self._events()
            if self._has_events() or needs_events(objects.values(), pods, is_applied=self.session.release is not None)
            else None,
            time=self._time(),
        )

    def _calls(self, groups: Mapping[_Group, Sequence[Manifest]]) -> dict[Any, Callable[[], Any]]:
        """The reads of every look: of the objects, their pods and ReplicaSets, and the env's Secret."""
        from shipit.targets.kubernetes.env_secret import find_env_secret

        desired = self.desired
        calls: dict[Any, Callable[[], Any]] = {}
        if self.watches is None:
            calls["namespace"] = self._check_namespace
        calls |= {("objects", group): partial(self._objects.read, manifests) for group, manifests in groups.items()}
        # Pods of manifests may have any labels.
        has_own = any(not is_namespace(manifest, desired.namespace) for manifest in desired.raw)
        selector = "" if has_own else self._part_of
        for namespace in self._namespaces():
            calls["pods", namespace] = partial(self._pods, namespace, selector)
            calls["replica sets", namespace] = partial(self._replica_sets, namespace, selector)
        if values := self._secret_values():
            calls["secret"] = partial(find_env_secret, desired, values, self._secret, self.mark)
        return calls

    def _calls_of_a_plan(self) -> dict[Any, Callable[[], Any]]:
        """The reads that only a plan needs; empty for a verdict, which does not look at them."""
        from shipit.targets.kubernetes.health.route import is_ingress
        from shipit.targets.kubernetes.ingress_classes import read_ingress_classes
        from shipit.targets.kubernetes.job import read_jobs
        from shipit.targets.kubernetes.pull_secret import is_pull_secret_current

        desired = self.desired
        if self.session.release is not None or not self.session.is_planning:
            return {}
        calls: dict[Any, Callable[[], Any]] = {}
        if desired.project.release:
            calls["jobs"] = partial(read_jobs, self.client, desired.namespace, self._part_of)
        if desired.config.pull_secret:
            calls["pull secret"] = partial(is_pull_secret_current, desired, self.client, self.session)
        calls["set"] = self._set
        if any(is_ingress(manifest) for manifest in desired.identities()):
            calls["ingress classes"] = partial(read_ingress_classes, self.client)
        return calls

    @property
    def _objects(self) -> ObjectReader:
        return ObjectReader(self.desired, self.client, self.mark, self.watches)

    @property
    def _part_of(self) -> str:
        """The label selector of what shipit renders for the app."""
        return f"app.kubernetes.io/part-of={self.desired.project.app}"

    def _time(self) -> str:
        """The time, where a plan says how long an earlier version is kept."""
        if not any(workload.has_slots for workload in self.desired.config.workloads.values()):
            return ""
        return datetime.fromtimestamp(self.session.clock.wall_s(), UTC).isoformat(timespec="seconds")

    def mark(self, value: str) -> str:
        """The keyed hash of a value, which is redacted from now on."""
        return self.session.mark(self.session.environment.redactor.learn(value))

    def _set(self) -> ObservedSet:
        """The ApplySet, for a plan: without what is wanted, and without the kinds that are listed as a whole."""
        from shipit.targets.kubernetes.members import SetReader
        from shipit.targets.kubernetes.membership import is_member

        desired = self.desired
        reader = SetReader(self.client, desired.set_name, desired.namespace, self.session.clock)
        known = [group for group, manifests in self._groups().items() if is_listed(manifests)]
        return reader.read(desired.members(), known, is_member(desired))

    def _with_listed(self, found: ObservedSet, reads: Mapping[Any, Any]) -> ObservedSet:
        """The same set with the members of the kinds that were listed as a whole."""
        from shipit.targets.kubernetes.members import by_name, member_of
        from shipit.targets.kubernetes.membership import is_member

        members, unlisted, is_wanted = list(found.members), set(found.unlisted), is_member(self.desired)
        for key, read in reads.items():
            if isinstance(key, tuple) and key[0] == "objects" and is_listed(read.manifests):
                version, kind, namespace = key[1]
                listed = [member_of(version, kind, live.meta) for live in read.others or ()]
                members += [one for one in listed if not is_wanted(one.group_kind, one.meta.namespace, one.meta.name)]
                if read.others is None:
                    unlisted.add(f"{kind} in namespace {namespace}")
        return replace(found, members=by_name(members), unlisted=tuple(sorted(unlisted)))

    def _left(self, found: ObservedSet, reads: Mapping[Any, Any], secret_name: str) -> ObservedSet:
        """The members that left deploy.yml, with the versions among them marked as such."""
        from shipit.targets.kubernetes.plan_secrets import previous_name

        listed, namespace = self._with_listed(found, reads), self.desired.namespace
        own = {secret_name, previous_name(secret_name)} if secret_name else set()
        left = [one for one in listed.members if one.kind != "Secret" or one.meta.name not in own]
        plain = self.desired.secret_key
        versions = {
            f"{one.kind}/{one.meta.name}"
            for one in left
            if one.meta.namespace == namespace
            and one.api_version == "v1"
            and (VERSION_LABEL in one.meta.labels or (one.kind, one.meta.name) == ("Secret", plain))
        }
        # What uses them is read where a release changes anything.
        return mark_versions(replace(listed, members=tuple(left)), versions, None)

    def _check_namespace(self) -> None:
        name = self.desired.namespace
        try:
            found = self.client.namespace(name)
        except RemoteError as error:
            # Whoever may not read namespaces may still read what is in them.
            if error.status != 403:
                raise
            return
        where = self.client.server.context.name
        if found is not None and self.session.is_planning and found["status"]["phase"].text() == "Terminating":
            # Nothing can be created in it, and what is there goes.
            what, hint = (
                f"the namespace {name!r} is being deleted",
                f"wait until it is gone: kubectl get namespace {name}",
            )
            raise RemoteError(what, where=where, hint=hint, status=CONFLICT)
        if found is None and not self.desired.creates_namespace:
            what = f"there is no namespace {name!r}"
            hint = f"create it: kubectl create namespace {name}, or write namespace: {{name: {name}, create: true}}"
            raise RemoteError(what, where=where, hint=hint, status=404)

    def _groups(self) -> Mapping[_Group, list[Manifest]]:
        """The wanted objects of each kind and namespace."""
        groups = defaultdict(list)
        for manifest in self.desired.identities():
            namespace = manifest["metadata"].get("namespace") or self.desired.namespace
            groups[manifest["apiVersion"], manifest["kind"], namespace].append(manifest)
        return groups

    def _namespaces(self) -> Sequence[str]:
        """The namespaces in which pods run."""
        own = self.desired.namespace
        others = {place for _, kind, place in self._groups() if kind in HAVE_PODS}
        return (own, *sorted(others - {own}))

    def _pods(self, namespace: str, selector: str) -> Sequence[Pod]:
        path = f"/api/v1/namespaces/{namespace}/pods"
        return self._of(namespace, lambda: self._objects.items(path, selectors(selector), parse_pod))

    def _replica_sets(self, namespace: str, selector: str) -> Sequence[Meta]:
        path = f"/apis/apps/v1/namespaces/{namespace}/replicasets"
        return self._of(namespace, lambda: self._objects.items(path, selectors(selector), _meta))

    def _has_events(self) -> bool:
        """True when events are watched already: they tell of a container that is being killed before its status does."""
        path, query = _events_of(self.desired.namespace), selectors(fields=TELLING)
        return self.session.release is not None and self.watches is not None and self.watches.has(path, query)

    def _events(self) -> tuple[Happening, ...] | None:
        """The events of the namespaces, without those of what goes well; None where this user may not read them."""
        query = selectors(fields=TELLING)
        calls = {
            place: partial(self._objects.items, _events_of(place), query, parse_event) for place in self._namespaces()
        }
        try:
            return tuple(event for found in _side_by_side(calls, self.session.clock).values() for event in found)
        except RemoteError as error:
            if error.status == 403:
                return None
            raise

    def _of(self, namespace: str, call: Callable[[], Sequence[Any]]) -> Sequence[Any]:
        """What a call gives; nothing where this user may not read the pods of another namespace."""
        try:
            return call()
        except RemoteError as error:
            if error.status == 403 and namespace != self.desired.namespace:
                return ()
            raise

    def _secret(self, name: str) -> Live | None:
        return self._objects.one({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}})

    def _used_secret(self, objects: Mapping[str, Live | None]) -> EnvSecret:
        """The env's Secret that the pods use, where its values are not known."""
        from shipit.targets.kubernetes.env_secret import find_used_secret

        names = self.desired.secret_names
        return find_used_secret(self.desired, objects.values(), self._secret) if names else _NO_SECRET

    def _secret_values(self) -> dict[str, str]:
        """The values of the env's secrets; empty where one of them is not known."""
        names, values = self.desired.secret_names, self.session.secrets
        return {name: values[name] for name in names} if all(name in values for name in names) else {}


def _side_by_side(calls: Mapping[Any, Callable[[], Any]], clock: Clock) -> dict[Any, Any]:
    """What each call gives. Raises: the mistakes in the files, or one error, of several the one that no retry overcomes."""
    results = settle(calls, clock)
    errors = [result for result in results.values() if isinstance(result, Exception)]
    if mistakes := [problem for error in errors if isinstance(error, ConfigErrors) for problem in error.problems]:
        raise ConfigErrors(mistakes)
    if errors:
        raise min(errors, key=lambda error: isinstance(error, RemoteError) and error.retryable)
    return results


def _meta(part: Field) -> Meta:
    return parse_meta(part["metadata"])


def _joined(found: Mapping[Any, Any], what: str) -> tuple[Any, ...]:
    return tuple(item for key, items in found.items() if isinstance(key, tuple) and key[0] == what for item in items)


def _events_of(namespace: str) -> str:
    return f"/api/v1/namespaces/{namespace}/events"
