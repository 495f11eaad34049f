"""Applying the steps of a namespace. Each is safe to repeat, and stops where somebody else changed the object since the plan."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

from shipit.config.author import read_author
from shipit.errors import DeployFailed, RemoteError
from shipit.events import Event, StepApplied
from shipit.release import Facts, Step
from shipit.targets.kubernetes.adoption import adopt, end_adoption
from shipit.targets.kubernetes.applyset import PART_OF_LABEL, labelled
from shipit.targets.kubernetes.changes import is_up_to_date
from shipit.targets.kubernetes.client import CONFLICT, KubernetesClient
from shipit.targets.kubernetes.definitions import DEFINITION
from shipit.targets.kubernetes.deletion import delete_object
from shipit.targets.kubernetes.desired import Desired
from shipit.targets.kubernetes.drift import hashes, object_differences, stamp
from shipit.targets.kubernetes.live import Live
from shipit.targets.kubernetes.observed import KubernetesObserved, key_of
from shipit.targets.kubernetes.origin import Origin, with_origin
from shipit.targets.kubernetes.pull_secret import render_pull_secret_of
from shipit.targets.kubernetes.render import COPIED_ANNOTATION, PREVIOUS_LABEL, Manifest
from shipit.targets.kubernetes.render_secrets import render_previous
from shipit.targets.kubernetes.sealed import Mark, is_secret, opened, sealed_live, secret_values, value_marks
from shipit.targets.kubernetes.served_kinds import await_kinds
from shipit.targets.kubernetes.set_changes import SetChanges, SetStep
from shipit.targets.kubernetes.steps import (
    ApplyObject,
    ApplyPullSecret,
    ApplySecret,
    DeleteObject,
    ObjectStep,
    ReplaceObject,
    RestoreSecret,
)
from shipit.targets.kubernetes.superseded import describe_change, find_change
from shipit.targets.kubernetes.wanted import ABSENT, with_replicas, with_version
from shipit.targets.session import Session

_ATTEMPTS = 8
_AGAIN = "deploy again"
Body = Callable[[Live | None], Manifest]


@dataclass(frozen=True)
class Changes:
    """Applies steps to the namespace of a target. `mark` gives the keyed hash of a value, which is redacted from then on."""

    desired: Desired
    client: KubernetesClient
    session: Session
    mark: Mark

    def apply(self, step: Step) -> Iterator[Event]:
        if isinstance(step, SetStep):
            yield from SetChanges(self.desired, self.client).apply(step)
        elif isinstance(step, DeleteObject):
            delete_object(self.client, step.manifest, self.desired.namespace, step.uid)
        elif isinstance(step, ApplyPullSecret):
            self.client.apply(stamp(render_pull_secret_of(self.desired, self.session)), self.desired.namespace)
        else:
            assert isinstance(step, ObjectStep)
            live = self._sealed(self._apply(step))
            if live.kind == DEFINITION:
                await_kinds(self.client, live.manifest)
            known = hashes(object_differences(step.manifest, live))
            facts = {"object": self._key(step), "known": list(known), "uid": live.meta.uid}
            yield StepApplied(step.id, self.desired.target, facts)

    def _apply(self, step: ObjectStep) -> Live:
        if isinstance(step, ReplaceObject):
            return self._replace(step)
        if not step.adopts:
            return self._written(step)
        takes_helm = self.desired.config.take_over
        adopt(self.client, dict(step.manifest), self.desired.namespace, takes_helm=takes_helm)
        return end_adoption(self.client, self._written(step), self.desired.namespace)

    def _written(self, step: ObjectStep) -> Live:
        if isinstance(step, ApplySecret):
            return self._change(step, self._with_values(step), self._read(step))
        if isinstance(step, RestoreSecret):
            return self._change(step, lambda live: opened(step.manifest, self._previous_values(step)), self._read(step))
        assert isinstance(step, ApplyObject)
        if step.replicas is None:
            return self._write(step, lambda live: dict(step.manifest), None, step.version)
        return self._change(step, partial(with_replicas, dict(step.manifest), step.replicas), self._read(step))

    def _change(self, step: ObjectStep, body: Body, live: Live | None) -> Live:
        """Apply to an object that was just read."""
        return self._write(step, body, live, live.meta.version if live else "")

    def _write(self, step: ObjectStep, body: Body, live: Live | None, version: str) -> Live:
        """Apply to the object of a version, or create it where that is empty.

        The server refuses when the object has another version meanwhile. It is read then: it may be what is wanted
        already, or only fields of others may have changed.
        Raises: DeployFailed when somebody else changed a field of the manifest.
        """
        for attempt in range(_ATTEMPTS):
            if live is not None and live.meta.version != step.version:
                if not object_differences(step.manifest, self._sealed(live)):
                    return live
                self._check_unchanged(step, self._sealed(live))
            try:
                manifest = with_origin(body(live), self._origin)
                return self.client.apply(with_version(manifest, version or ABSENT), self.desired.namespace)
            except RemoteError as error:
                if error.status != CONFLICT or attempt == _ATTEMPTS - 1:
                    raise
            live = self._read(step)
            version = live.meta.version if live else ""
        raise AssertionError("unreachable")

    @property
    def _origin(self) -> Origin:
        return Origin(self.session.run, self.session.commit, read_author(self.session.environment))

    def _replace(self, step: ReplaceObject) -> Live:
        live = self._read(step)
        if live is not None:
            if not object_differences(step.manifest, live):
                return live
            if live.meta.version != step.version:
                self._check_unchanged(step, live)
            delete_object(self.client, step.manifest, self.desired.namespace, live.meta.uid)
        return self._write(step, lambda live: dict(step.manifest), None, "")

    def _check_unchanged(self, step: ObjectStep, live: Live) -> None:
        """Raises: DeployFailed, with the field manager and the time, when a field of the manifest changed since the plan."""
        change = find_change(step.manifest, live, step.known)
        if change is None or (change.difference.is_own_mark and change.difference.live is None):
            return
        verb = "changed" if step.version else "was created"
        what = f"{self._key(step)} {verb} since the plan, by {change.by}{change.at}: {describe_change(change, live)}"
        error = DeployFailed(what, where=self.desired.target, hint=_AGAIN)
        error.superseded_by = change.by
        raise error

    def _with_values(self, step: ApplySecret) -> Body:
        values = self._file_values(step) if step.file else self._session_values(step)

        def body(live: Live | None) -> Manifest:
            if live is not None and step.previous:
                self._keep(step, live)
            return opened(step.manifest, values)

        return body

    def _session_values(self, step: ApplySecret) -> dict[str, bytes]:
        names, secrets = step.manifest.get("data") or {}, self.session.secrets
        if missing := [name for name in names if name not in secrets]:
            what = f"{self._key(step)} needs the secret {missing[0]}, which this target does not get"
            raise self._failed(what, "make a new plan")
        planned = self.session.planned_values(names, self.desired.target)
        return {name: value.encode() for name, value in planned.items()}

    def _file_values(self, step: ApplySecret) -> dict[str, bytes]:
        """The values in the manifest, which must be those of the plan."""
        raw = next((item for item in self.desired.raw if key_of(item, self.desired.namespace) == self._key(step)), None)
        values = secret_values(raw) if raw is not None and is_secret(raw) else {}
        if value_marks(values, self.mark) != (step.manifest.get("data") or {}):
            raise self._failed(f"{self._key(step)} of {step.file} is not the one of the plan", "make a new plan")
        return values

    def _keep(self, step: ApplySecret, live: Live) -> None:
        """Copy a Secret, so that a rollback finds its values in any process."""
        app, version = self.desired.project.app, live.meta.version
        copy = labelled(render_previous(live.manifest, app, version, step.previous), self.desired.set_id)
        there = self.client.read(copy, self.desired.namespace)
        if there is not None and PREVIOUS_LABEL not in there.meta.labels:
            what = f"Secret/{step.previous} exists, and shipit needs this name for a copy of {self._key(step)}"
            raise self._failed(what, "rename it")
        is_member = there is not None and there.meta.labels.get(PART_OF_LABEL) == self.desired.set_id
        if there is None or not is_member or there.meta.annotations.get(COPIED_ANNOTATION) != version:
            self.client.apply(copy, self.desired.namespace)

    def _previous_values(self, step: RestoreSecret) -> dict[str, bytes]:
        metadata = {**step.manifest["metadata"], "name": step.previous}
        kept = self.client.read({"apiVersion": "v1", "kind": "Secret", "metadata": metadata}, self.desired.namespace)
        values, wanted = secret_values(kept.manifest) if kept else {}, step.manifest.get("data") or {}
        is_copy = kept is not None and kept.meta.annotations.get(COPIED_ANNOTATION) == step.copied_from
        is_equal = wanted.items() <= value_marks(values, self.mark).items()
        if not (is_copy or is_equal) or not wanted.keys() <= values.keys():
            what = f"Secret/{step.previous} does not have the values that {self._key(step)} had"
            raise self._failed(what, "deploy again with the secrets of before")
        return values

    def _failed(self, what: str, hint: str) -> DeployFailed:
        return DeployFailed(what, where=self.desired.target, hint=hint)

    def _read(self, step: ObjectStep) -> Live | None:
        return self.client.read(step.manifest, self.desired.namespace)

    def _sealed(self, live: Live) -> Live:
        return sealed_live(live, self.mark)

    def _key(self, step: ObjectStep) -> str:
        return key_of(step.manifest, self.desired.namespace)


def known_differences(applied: Mapping[str, Facts]) -> dict[str, frozenset[str]]:
    """Key -> the differences that an object had right after it was applied, of what steps reported."""
    return {facts["object"]: frozenset(facts["known"]) for facts in applied.values() if "object" in facts}


def applied_uids(applied: Mapping[str, Facts]) -> dict[str, str]:
    """Key -> uid of the object that was applied, of what steps reported."""
    return {facts["object"]: facts["uid"] for facts in applied.values() if "object" in facts and "uid" in facts}


def unchanged_differences(wanted: Mapping[str, Manifest], before: KubernetesObserved) -> dict[str, frozenset[str]]:
    """Key -> the differences of an object that applying would not change: the server, or a webhook, writes it so."""
    return {
        key: frozenset(hashes(object_differences(wanted[key], live)))
        for key, preview in before.previews.items()
        if key in wanted and (live := before.objects.get(key)) is not None and is_up_to_date(live, preview)
    }
