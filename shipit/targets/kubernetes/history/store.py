"""The records of a target's releases in its namespace: written, read back, and removed when they are too many."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

from shipit.errors import DeployFailed, RemoteError
from shipit.events import Warned
from shipit.http.fields import Field
from shipit.parallel import together
from shipit.targets.kubernetes.applyset import PART_OF_LABEL, Member, ObservedSet
from shipit.targets.kubernetes.client import KubernetesClient
from shipit.targets.kubernetes.desired import Desired
from shipit.targets.kubernetes.history.copies import render_copies
from shipit.targets.kubernetes.history.packed import needs_of, record_name, render_record, unpack
from shipit.targets.kubernetes.history.record import Recalled, Record
from shipit.targets.kubernetes.history.retention import expired, newest_first
from shipit.targets.kubernetes.live import Live, Meta
from shipit.targets.kubernetes.members import is_ours, member_of
from shipit.targets.kubernetes.parse import parse_meta
from shipit.targets.kubernetes.render import RELEASE_LABEL
from shipit.targets.kubernetes.sealed import Mark, secret_values, value_marks
from shipit.targets.session import Session

_SECRET = {"apiVersion": "v1", "kind": "Secret"}
_HINT = "shipit history lists the releases"


@dataclass(frozen=True)
class ReleaseStore:
    """The records of one target. `mark` gives the keyed hash of a value, which is redacted from then on."""

    desired: Desired
    client: KubernetesClient
    session: Session
    mark: Mark

    def write(self, record: Record, *, is_new: bool) -> None:
        """Write a record, or replace that of its version. With `is_new` it is of what deploy.yml wants, and gets its copies.

        Raises: RemoteError.
        """
        namespace, once = self.desired.namespace, self.session.clients.once
        for copy in render_copies(self.desired, record.copies if is_new else {}):
            # Its name is a hash of its values: one that is there has them.
            key = (ReleaseStore, self.desired.set_id, copy["metadata"]["name"])
            once(key, partial(self.client.create, copy, namespace))
        self.client.apply(render_record(self.desired, record), namespace)

    def expire(self) -> None:
        """Remove the records that are too many. Raises: RemoteError."""
        for meta in expired(self.heads()):
            member = member_of("v1", "Secret", meta)
            if is_ours(meta, RELEASE_LABEL):
                self._remove(member)

    def _remove(self, member: Member) -> None:
        try:
            options = {"preconditions": {"uid": member.meta.uid}}
            self.client.request_delete(member.manifest, self.desired.namespace, options)
        except RemoteError as error:
            # Another deploy removed it, or replaced it.
            if error.status not in (404, 409):
                raise

    def heads(self) -> list[Meta]:
        """The metadata of the records, the newest first. Raises: RemoteError."""
        return record_heads(self.client, self.desired.namespace, self.desired.set_id)

    def records(self, most: int) -> list[Record]:
        """At most `most` records, the newest first. One that can't be read is left out, with a warning. Raises: RemoteError."""
        # Each by itself: ten records may be longer than the client takes of one answer.
        calls = {meta.name: partial(self._read, meta.name) for meta in self.heads()[:most]}
        found = together(calls, self.session.clock)
        records = (self._parsed(found[name]) for name in calls)
        return [record for record in records if record is not None]

    def _parsed(self, live: Live | None) -> Record | None:
        """The record in a Secret; None for one that can't be read, and for one that was removed meanwhile."""
        if live is None:
            return None
        try:
            return self._unpacked(live)
        except RemoteError as error:
            what = f"Secret/{live.meta.name} {error.what}: the release is left out"
            self.session.emit(Warned(self.desired.target, what))
            return None

    def _unpacked(self, live: Live) -> Record:
        """Raises: RemoteError."""
        name = live.meta.name
        record = unpack(live.manifest.get("data") or {})
        if name != record_name(self.desired, record.past.version):
            raise RemoteError(f"has the record of {record.past.version!r}, which has another name")
        return record

    def recall(self, version: str) -> Recalled:
        """A record, and the hashes of the values that its copies have; what it needs was found in the cluster.

        Raises: DeployFailed with what is missing; RemoteError.
        """
        name = record_name(self.desired, version)
        live = self._read(name)
        if live is None:
            raise self._failed(f"there is no record of the release: Secret/{name} is gone")
        if live.meta.labels.get(RELEASE_LABEL) != self.desired.set_id:
            raise self._failed(f"Secret/{name} is no record of this target")
        try:
            record = self._unpacked(live)
        except RemoteError as error:
            raise self._failed(f"Secret/{name} {error.what}") from None
        if record.left_out or not record.objects:
            raise self._failed(f"can't return to {record.past.version}: {record.left_out or 'it has no objects'}")
        if missing := sorted(set(record.needs) - self._members()):
            raise self._failed(f"can't return to {record.past.version}: {', '.join(missing)} is gone")
        return Recalled(name, record, self._marks(record))

    def _members(self) -> set[str]:
        """`ConfigMap/name` and `Secret/name` of the members of the set."""
        place, selector = self.desired.namespace, f"{PART_OF_LABEL}={self.desired.set_id}"
        calls = {
            kind: partial(self.client.listed_metadata, self.client.list_path("v1", kind, place), selector, _name_of)
            for kind in ("ConfigMap", "Secret")
        }
        found = together(calls, self.session.clock)
        return {f"{kind}/{name}" for kind, names in found.items() for name in names}

    def _marks(self, record: Record) -> dict[str, dict[str, str]]:
        calls = {key: partial(self._read, name) for key, name in record.copies.items()}
        found = together(calls, self.session.clock)
        return {
            key: value_marks(secret_values(live.manifest), self.mark) for key, live in found.items() if live is not None
        }

    def _read(self, name: str) -> Live | None:
        return self.client.read({**_SECRET, "metadata": {"name": name}}, self.desired.namespace)

    def _failed(self, what: str) -> DeployFailed:
        return DeployFailed(what, where=self.desired.target, hint=_HINT)


def _name_of(item: Field) -> str:
    return item["metadata"]["name"].text()


def record_heads(client: KubernetesClient, namespace: str, set_id: str) -> list[Meta]:
    """The metadata of the records of a set, the newest first. Raises: RemoteError."""
    path = client.list_path("v1", "Secret", namespace)
    found = client.listed_metadata(path, f"{RELEASE_LABEL}={set_id}", lambda item: parse_meta(item["metadata"]))
    return newest_first(found)


def names_needed(client: KubernetesClient, namespace: str, set_id: str) -> frozenset[str]:
    """`ConfigMap/name` and `Secret/name` of what the kept releases of a set need; nothing where this user may not see them.

    Raises: RemoteError.
    """
    try:
        heads = record_heads(client, namespace, set_id)
    except RemoteError as error:
        # Without the right to list Secrets, this user keeps no records.
        if error.status == 403:
            return frozenset()
        raise
    return frozenset(name for meta in heads for name in needs_of(meta))


def with_records(found: ObservedSet, client: KubernetesClient, set_id: str, namespace: str) -> ObservedSet:
    """The set with the records of its releases, for `destroy`. Raises: RemoteError."""
    try:
        heads = record_heads(client, namespace, set_id)
    except RemoteError as error:
        if error.status == 403:
            return found
        raise
    records = (Member("v1", "Secret", meta._replace(managers=()), is_ours(meta, RELEASE_LABEL)) for meta in heads)
    return replace(found, members=(*found.members, *records))
