"""The history of a namespace, and the return to one of its releases: the protocols of targets/history.py.

Each method imports what it needs: other commands do without it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from shipit.errors import RemoteError
from shipit.events import Warned
from shipit.past_release import PastRelease
from shipit.release import Release
from shipit.targets.kubernetes.desired import Desired
from shipit.targets.kubernetes.observed import KubernetesObserved
from shipit.targets.kubernetes.operations import Operations
from shipit.targets.session import Session

if TYPE_CHECKING:
    from shipit.targets.kubernetes.history.record import Recalled, Record
    from shipit.targets.kubernetes.history.store import ReleaseStore

# A record was refused: by RBAC or a quota, as too large, or as invalid by admission.
_REFUSED = (403, 413, 422)


class Releases(Operations):
    """Records releases in the namespace, and recalls them."""

    def past_releases(self, most: int, session: Session, *, tells_current: bool = True) -> Sequence[PastRelease]:
        records = self._store(session).records(most)
        current = self._current(records, session) if tells_current else None
        return tuple(record.past._replace(is_current=record is current) for record in records)

    def record_release(
        self, past: PastRelease, release: Release, observed: KubernetesObserved, session: Session
    ) -> None:
        store = self._store(session)
        try:
            store.write(self._record(store, past, release, observed, session), is_new=not past.is_return)
            if past.state != "begun":
                store.expire()
        except RemoteError as error:
            if error.status == 404 and past.state == "begun" and self._desired.creates_namespace:
                # The first deploy makes the namespace.
                return
            if error.status not in _REFUSED:
                raise
            self._warn_once(error, session)

    def recall(self, past: PastRelease, session: Session) -> Recalled:
        return self._store(session).recall(past.version)

    def return_notes(self, recalled: Recalled, observed: KubernetesObserved) -> Sequence[str]:
        from shipit.targets.kubernetes.history.back import return_notes
        from shipit.targets.kubernetes.history.recorded import recorded_desired

        desired = recorded_desired(self._desired, recalled)
        return tuple(return_notes(desired, recalled, observed, self._kubectl_here))

    def _record(
        self, store: ReleaseStore, past: PastRelease, release: Release, observed: KubernetesObserved, session: Session
    ) -> Record:
        """The record of what deploy.yml wants; of a return, that of the release that it returned to."""
        from shipit.targets.kubernetes.history.record import Recalled, record_of

        if not past.is_return:
            return record_of(self._desired, past, release, observed)
        recalled = session.recalled
        if not isinstance(recalled, Recalled) or recalled.record.past.version != past.returns_to:
            recalled = store.recall(past.returns_to)
        return recalled.record._replace(past=past._replace(images=recalled.record.past.images))

    def _current(self, records: Sequence[Record], session: Session) -> Record | None:
        """The newest record whose objects run; None where none of them is as a record has it."""
        from shipit.targets.kubernetes.history.current import is_running
        from shipit.targets.kubernetes.history.recorded import union
        from shipit.targets.kubernetes.look import Look

        if not any(record.objects for record in records):
            return None
        every = union(self._desired, records)
        observed = Look(every, self._client(session), replace(session, is_planning=False)).observe()
        return next((one for one in records if is_running(one, observed, self.namespace)), None)

    def _wanted(self, session: Session) -> Desired:
        """What the target wants: the objects of deploy.yml, or those of the release that the run returns to."""
        if session.recalled is None:
            return self._desired
        from shipit.targets.kubernetes.history.recorded import recorded_desired

        return recorded_desired(self._desired, session.recalled)

    def _store(self, session: Session) -> ReleaseStore:
        from shipit.targets.kubernetes.history.store import ReleaseStore
        from shipit.targets.kubernetes.look import Look

        client = self._client(session)
        return ReleaseStore(self._desired, client, session, Look(self._desired, client, session).mark)

    def _warn_once(self, error: RemoteError, session: Session) -> None:
        what = f"no record of this release is kept in namespace {self.namespace}, so shipit rollback can't return to it"
        why = f"{what}: {error.what}; a deploy needs get, list, create, patch and delete of secrets for it"
        session.clients.once((PastRelease, self.place.identity), lambda: session.emit(Warned(self.name, why)))
