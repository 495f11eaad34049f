"""The lock of a target: a Lease in its namespace. Its times are those of the API server's clock.

Source: Kubernetes API reference, coordination.k8s.io/v1 Lease; API concepts, "Resource versions" (409 for another version).
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from shipit.clock import Clock
from shipit.http.dates import seconds_of
from shipit.http.fields import Field
from shipit.http.messages import Answer
from shipit.json_text import parse_json
from shipit.record import InvalidRecord, from_json, to_json
from shipit.targets.kubernetes.client import MERGE, KubernetesClient
from shipit.targets.kubernetes.render import MANAGED_BY
from shipit.targets.kubernetes.server import error_of, parsed
from shipit.targets.locks import LEASE_S, Holder, LockState, NoLock

HOLDER_ANNOTATION = "shipit.dev/holder"
_FORBIDDEN, _NOT_FOUND, _CONFLICT = 403, 404, 409
_LONGEST_HOLDER = 4096
# A clock further ahead or behind is taken for ours: the time of a renewal has to be a date.
_MOST_AHEAD_S = 100 * 365 * 86400.0


class Lease:
    """The Lease of a name in a namespace."""

    def __init__(self, name: str, namespace: str, client: KubernetesClient, clock: Clock) -> None:
        self.name, self.namespace, self._client, self._clock = name, namespace, client, clock
        self._folder = f"/apis/coordination.k8s.io/v1/namespaces/{quote(namespace, safe='')}/leases"
        self._path = f"{self._folder}/{quote(name, safe='')}"

    def read(self) -> LockState:
        """The lock as it is. Raises: NoLock, RemoteError."""
        answer = self._client.answer("GET", self._path)
        if answer.status == _NOT_FOUND:
            return LockState(ahead_s=self._ahead_s(answer))
        self._check_right(answer)
        return self._state(answer)

    def swap(self, before: LockState, holder: Holder | None) -> LockState | None:
        """Give the lock to `holder` if it is as `before`; see `Locks.swap_lock`."""
        if holder is None:
            return self._delete(before)
        manifest = self._manifest(before, holder)
        if before.version:
            # Not PUT: that would create a Lease which is gone.
            answer = self._client.answer("PATCH", self._path, manifest, MERGE)
        else:
            answer = self._client.answer("POST", self._folder, manifest)
        if answer.status == _CONFLICT or (answer.status == _NOT_FOUND and before.version):
            return None
        if answer.status == _NOT_FOUND:
            # The namespace does not exist yet.
            raise NoLock("", where=f"namespace {self.namespace}")
        self._check_right(answer)
        return self._state(answer)

    def _delete(self, before: LockState) -> LockState | None:
        options = {"preconditions": {"resourceVersion": before.version}}
        answer = self._client.answer("DELETE", self._path, options)
        if answer.status in (_CONFLICT, _NOT_FOUND):
            return None
        self._check_right(answer)
        return LockState(ahead_s=before.ahead_s)

    def _manifest(self, before: LockState, holder: Holder) -> dict[str, Any]:
        now = datetime.fromtimestamp(self._clock.wall_s() + before.ahead_s, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        metadata = {
            "name": self.name,
            "namespace": self.namespace,
            "labels": {"app.kubernetes.io/managed-by": MANAGED_BY},
            "annotations": {HOLDER_ANNOTATION: json.dumps(to_json(holder))},
            **({"resourceVersion": before.version} if before.version else {}),
        }
        spec = {"holderIdentity": holder.run, "leaseDurationSeconds": int(LEASE_S), "renewTime": now}
        return {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata, "spec": spec}

    def _state(self, answer: Answer) -> LockState:
        ahead_s, found = self._ahead_s(answer), parsed(answer)
        now_s = self._clock.wall_s() + ahead_s
        idle_s = max(0.0, now_s - _seconds(found["spec"]["renewTime"].text()))
        return LockState(_holder(found), found["metadata"]["resourceVersion"].required(), idle_s, ahead_s)

    def _ahead_s(self, answer: Answer) -> float:
        """How far the server's clock is ahead; its `Date` header has whole seconds."""
        theirs_s, ours_s = seconds_of(answer.header("Date")), self._clock.wall_s()
        ahead_s = 0.0 if theirs_s is None else theirs_s + 0.5 - ours_s
        return ahead_s if abs(ahead_s) < _MOST_AHEAD_S else 0.0

    def _check_right(self, answer: Answer) -> None:
        if answer.status == _FORBIDDEN:
            hint = "ask for get, create, patch and delete on leases.coordination.k8s.io: docs/kubernetes-role.yml"
            raise NoLock(f"this user may not write Leases in the namespace {self.namespace}", hint=hint)
        if answer.status >= 300:
            raise error_of(answer)


def _seconds(time: str) -> float:
    """Seconds since the epoch; 0 for a text that is no time."""
    try:
        found = datetime.fromisoformat(time)
    except ValueError:
        return 0.0
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()


def _holder(lease: Field) -> Holder | None:
    identity = lease["spec"]["holderIdentity"].text()
    if not identity:
        return None
    written = lease["metadata"]["annotations"][HOLDER_ANNOTATION].text()
    try:
        holder = from_json(Holder, parse_json(written)) if len(written) <= _LONGEST_HOLDER else Holder(identity)
    except (InvalidRecord, ValueError):
        return Holder(identity)
    return holder._replace(run=identity)
