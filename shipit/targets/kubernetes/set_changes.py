"""Applying the steps on an ApplySet: its parent, and the members that are removed. Each is safe to repeat."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from shipit.errors import DeadlinePassed, DeployFailed, RemoteError
from shipit.events import Event, Waiting
from shipit.targets.kubernetes.applyset import (
    FILE_ANNOTATION,
    PART_OF_LABEL,
    Scope,
    parent_identity,
    parse_scope,
    render_parent,
)
from shipit.targets.kubernetes.client import CONFLICT, KubernetesClient
from shipit.targets.kubernetes.desired import Desired
from shipit.targets.kubernetes.live import Live
from shipit.targets.kubernetes.members import SetReader, is_ours
from shipit.targets.kubernetes.objects import spec_of
from shipit.targets.kubernetes.observed import key_of
from shipit.targets.kubernetes.render import MANAGED_BY, RELEASE_LABEL
from shipit.targets.kubernetes.steps import (
    Doomed,
    NarrowApplySet,
    RemoveApplySet,
    RemoveObject,
    WidenApplySet,
)

SetStep = WidenApplySet | RemoveObject | NarrowApplySet | RemoveApplySet
# Applying a manifest with this resourceVersion creates the object or is refused with 409: no object ever has it.
_ABSENT = "1"
_ATTEMPTS, _POLL_S = 8, 0.3


@dataclass(frozen=True)
class SetChanges:
    """Changes the ApplySet of a target."""

    desired: Desired
    client: KubernetesClient

    def apply(self, step: SetStep) -> Iterator[Event]:
        if isinstance(step, RemoveObject):
            self._remove(step)
            return
        if isinstance(step, RemoveApplySet):
            yield from self._await_gone(step.gone)
            yield from self._remove_parent(step)
            return
        change = Scope(frozenset(step.kinds), frozenset(step.namespaces))
        if isinstance(step, WidenApplySet):
            self._record(lambda scope: scope.with_(change))
            return
        yield from self._await_gone(step.gone)
        self._record(lambda scope: scope.without(change))

    def _record(self, change: Callable[[Scope], Scope]) -> None:
        """Change what the parent says, as it is now: another deploy may have changed it since the plan."""
        name, namespace = self.desired.set_name, self.desired.namespace
        for attempt in range(_ATTEMPTS):
            live = self.client.read(parent_identity(name, namespace), namespace)
            before = parse_scope(live) if live else None
            after = change(before or Scope())
            file = live.meta.annotations.get(FILE_ANNOTATION, "") if live else ""
            if after == before and file == (self.desired.file or file):
                return
            parent = render_parent(name, namespace, after, self.desired.file or file)
            parent["metadata"]["resourceVersion"] = live.meta.version if live else _ABSENT
            try:
                self.client.apply(parent, namespace)
                return
            except RemoteError as error:
                if error.status != CONFLICT or attempt == _ATTEMPTS - 1:
                    raise

    def _remove(self, step: RemoveObject) -> None:
        """Delete an object as it was checked: its uid and version are preconditions."""
        for attempt in range(_ATTEMPTS):
            live = self._read(Doomed(step.manifest, step.uid))
            if live is None or live.meta.is_deleting:
                return
            self._check_member(step, live)
            if step.keep_data and attempt == 0:
                self._retain_volumes(live)
                live = self._read(Doomed(step.manifest, step.uid)) or live
            preconditions = {"uid": live.meta.uid, "resourceVersion": live.meta.version}
            options = {"propagationPolicy": step.propagation, "preconditions": preconditions}
            try:
                self.client.request_delete(step.manifest, self.desired.namespace, options)
                return
            except RemoteError as error:
                if error.status == 404:
                    return
                # Its status may have changed since it was read.
                if error.status != CONFLICT or attempt == _ATTEMPTS - 1:
                    raise

    def _remove_parent(self, step: RemoveApplySet) -> Iterator[Event]:
        """Delete the parent, if it is that of the set, and the set has no members: without it, nobody finds them.

        Raises: DeployFailed when another deploy has made some since the plan.
        """
        namespace = self.desired.namespace
        identity = parent_identity(step.name, namespace)
        live = self.client.read(identity, namespace)
        if live is None:
            return
        parse_scope(live)
        found = SetReader(self.client, step.name, namespace, self.client.deadline.clock).read(self.desired.members())
        if keys := [key_of(member.manifest, namespace) for member in found.members]:
            raise self._is_new(f"{', '.join(keys)} was made since the plan")
        if found.unlisted:
            raise self._is_new(f"you may not list {', '.join(found.unlisted)}")
        preconditions = {"uid": live.meta.uid, "resourceVersion": live.meta.version}
        try:
            self.client.request_delete(identity, namespace, {"preconditions": preconditions})
        except RemoteError as error:
            if error.status == CONFLICT:
                raise self._is_new(f"ConfigMap/{step.name} was changed meanwhile") from None
            if error.status != 404:
                raise
        yield from self._await_gone((Doomed(identity, live.meta.uid),))

    def _is_new(self, what: str) -> DeployFailed:
        return DeployFailed(what, where=self.desired.target, hint="run it again")

    def _retain_volumes(self, live: Live) -> None:
        """Tell a StatefulSet to leave its volumes, and wait until its controller has read that.

        Source: Kubernetes concepts, "StatefulSets", PersistentVolumeClaim retention.
        """
        policy = spec_of(live.manifest).get("persistentVolumeClaimRetentionPolicy")
        if live.kind != "StatefulSet" or not isinstance(policy, dict) or policy.get("whenDeleted") != "Delete":
            return
        change = {"spec": {"persistentVolumeClaimRetentionPolicy": {"whenDeleted": "Retain"}}}
        self.client.merge(live.manifest, self.desired.namespace, change, MANAGED_BY)
        found = self.client.read(live.manifest, self.desired.namespace)
        while found is not None and found.status.observed_generation < found.meta.generation:
            what = f"{key_of(live.manifest, self.desired.namespace)} to retain its volumes"
            self.client.deadline.sleep(_POLL_S, what)
            found = self.client.read(live.manifest, self.desired.namespace)

    def _check_member(self, step: RemoveObject, live: Live) -> None:
        labels = (PART_OF_LABEL, RELEASE_LABEL)
        own = [name for name in labels if live.meta.labels.get(name) == self.desired.set_id]
        if not any(is_ours(live.meta, name) for name in own):
            what = f"{key_of(step.manifest, self.desired.namespace)} is no object of this target any more: it stays"
            raise DeployFailed(what, where=self.desired.target, hint="make a new plan")

    def _read(self, doomed: Doomed) -> Live | None:
        """The object; None where it is gone, and where another object has its name."""
        live = self.client.read(doomed.manifest, self.desired.namespace)
        return live if live is not None and live.meta.uid == doomed.uid else None

    def _await_gone(self, doomed: tuple[Doomed, ...]) -> Iterator[Event]:
        said, left = "", list(doomed)
        try:
            while True:
                found = [(item, live) for item in left if (live := self._read(item)) is not None]
                if not found:
                    return
                left = [item for item, _ in found]
                reason = ", ".join(self._waiting(live) for _, live in found)
                if reason != said:
                    said = reason
                    yield Waiting(self.desired.target, reason)
                self.client.deadline.sleep(_POLL_S, reason)
        except DeadlinePassed:
            raise DeadlinePassed(f"the deadline passed while waiting: {said}") from None

    def _waiting(self, live: Live) -> str:
        waits = f", which waits for {', '.join(live.meta.finalizers)}" if live.meta.finalizers else ""
        return f"{key_of(live.manifest, self.desired.namespace)} is being deleted{waits}"
