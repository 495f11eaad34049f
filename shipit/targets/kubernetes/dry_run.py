"""A dry run of a release: every object that may change is applied with dryRun=All, in parallel.

Source: Kubernetes API concepts, "Dry-run", "Server-Side Apply".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from shipit.errors import RemoteError
from shipit.http.messages import Answer
from shipit.parallel import Failures, together
from shipit.release import Release
from shipit.targets.kubernetes.access import Access
from shipit.targets.kubernetes.adopted_fields import after_adoption
from shipit.targets.kubernetes.adoption import is_adopted, unserved_versions
from shipit.targets.kubernetes.client import CONFLICT, KubernetesClient
from shipit.targets.kubernetes.definitions import DEFINITION
from shipit.targets.kubernetes.desired import Desired
from shipit.targets.kubernetes.early_check import early_previews, is_about_fields, may_be_moved, moved, schema_errors
from shipit.targets.kubernetes.env_secret import wanted_env_secret
from shipit.targets.kubernetes.gone_autoscalers import still_gone
from shipit.targets.kubernetes.live import Live, Status
from shipit.targets.kubernetes.observed import KubernetesObserved, Preview, key_of
from shipit.targets.kubernetes.parse import parse_live
from shipit.targets.kubernetes.plan_secrets import is_current_secret
from shipit.targets.kubernetes.refusal import BAD_REQUEST, FORBIDDEN, INTERNAL, INVALID, Refusal, parse_refusal
from shipit.targets.kubernetes.refused import Asked, may_replace, refusal_errors
from shipit.targets.kubernetes.release_job import wanted_release_job
from shipit.targets.kubernetes.render import Manifest
from shipit.targets.kubernetes.rights import refused
from shipit.targets.kubernetes.sealed import Mark, is_secret, opened, planned_live, secret_values
from shipit.targets.kubernetes.server import parsed
from shipit.targets.kubernetes.unready import Needed, needed_first
from shipit.targets.kubernetes.version_use import with_use
from shipit.targets.kubernetes.wanted import ABSENT, Wanted, beside, want, want_all, with_replicas, with_version
from shipit.targets.session import Session

_THREADS, _ATTEMPTS = 16, 4
_REPLACED = ("Pod", "Job")
# Kinds that the server takes under one name only, which it checks against their spec.
_NAMED_BY_CONTENT = (DEFINITION, "APIService")


@dataclass(frozen=True)
class DryRun:
    """Asks for the objects of a target. `mark` gives the keyed hash of a value, which is redacted from then on.

    Secrets that are restored from copies are not asked for: their values stay in the cluster.
    """

    desired: Desired
    client: KubernetesClient
    session: Session
    mark: Mark

    def preview(self, release: Release, observed: KubernetesObserved, *, is_deploy: bool) -> KubernetesObserved:
        """The observation with a preview of every object that may change.

        Raises: ShipitError for what the server refuses; with `is_deploy` also where this user may not write.
        """
        wanted = self._wanted(release, observed)
        changed = [item for item in wanted if not item.is_as_applied]
        may_change = [item for item in changed if item.key not in self.desired.copies]
        first = self._needed_first(wanted)
        asked = self._ask_all([item for item in may_change if item.key not in first], self._ask)
        asked += self._ask_job(release, observed) if may_change else []
        early = [(item, first[item.key]) for item in may_change if item.key in first]
        elsewhere = self._ask_all([item for item, needed in early if may_be_moved(item, needed)], self._ask_elsewhere)
        forbidden = self._forbidden(asked)
        refused = [item for item in asked if item.wanted.key not in forbidden]
        refused += [item for item in elsewhere if is_about_fields(item)]
        errors = refusal_errors(self.desired, refused) + schema_errors(self.desired, early)
        errors += [self._may_not(why) for why in dict.fromkeys(forbidden.values()) if is_deploy]
        if errors:
            raise errors[0] if len(errors) == 1 else Failures(tuple(errors))
        previews = early_previews(first, elsewhere)
        previews |= {
            item.wanted.key: Preview(item.result, forbidden.get(item.wanted.key, ""), item.is_replaced)
            for item in asked
        }
        if changed and observed.applied_set is not None:
            found = with_use(observed.applied_set, self.desired, self.client, self.session.clock)
            observed = replace(observed, applied_set=found)
        return _with_previews(observed, asked, previews, f"Secret/{observed.secret_name}")

    def _wanted(self, release: Release, observed: KubernetesObserved) -> list[Wanted]:
        """The objects, and the env's Secret where its values are known and change."""
        objects = want_all(tuple(self.desired.manifests(release, observed)), observed, self.desired.namespace)
        secret = wanted_env_secret(self.desired, release, observed)
        if secret is None or any(name not in self.session.secrets for name in self.desired.secret_names):
            return objects
        own = want(key_of(secret, self.desired.namespace), secret, observed.secret)
        return objects if is_current_secret(own) else [*objects, own]

    def _ask_job(self, release: Release, observed: KubernetesObserved) -> list[Asked]:
        """The release Job, where it is refused: it is created, and not applied."""
        job = wanted_release_job(self.desired, release, self.desired.setting_of(observed))
        if job is None or job["metadata"]["name"] in {item.meta.name for item in observed.jobs}:
            return []
        namespace = self.desired.namespace
        wanted = Wanted(key_of(job, namespace), job)
        is_new = self.desired.creates_namespace and observed.objects.get(f"Namespace/{namespace}") is None
        try:
            answer = self.client.try_create((moved(wanted) if is_new else wanted).manifest, namespace)
        except RemoteError as error:
            if not is_new or error.status != INTERNAL:
                raise
            return []
        if answer.status < 300:
            return []
        asked = Asked(wanted, refusal=parse_refusal(answer), is_created=True)
        return [asked] if not is_new or is_about_fields(asked) else []

    def _needed_first(self, wanted: Sequence[Wanted]) -> dict[str, Needed]:
        """Key of an object -> what the server needs before it can check it. What belongs to the cluster needs no namespace."""
        namespace = self.desired.namespace
        found = needed_first(wanted, namespace)
        lacking = [item for item in wanted if item.key in found and found[item.key].lacks_namespace_only]
        of_cluster = {item.key for item in lacking if not self.client.resource(item.manifest, namespace)[2]}
        return {key: needed for key, needed in found.items() if key not in of_cluster}

    def _ask_all(self, wanted: Sequence[Wanted], ask: Callable[[Wanted], Asked]) -> list[Asked]:
        """In parallel, over the connections that are kept."""
        parts = [wanted[start::_THREADS] for start in range(min(_THREADS, len(wanted)))]
        calls = {index: partial(_each, ask, part) for index, part in enumerate(parts)}
        return [item for found in together(calls, self.session.clock).values() for item in found]

    def _ask_elsewhere(self, wanted: Wanted) -> Asked:
        """Ask for an object of a namespace that is new as if it were in another one."""
        item, namespace = moved(wanted), self.desired.namespace
        body = with_version(self._body(item), ABSENT)
        try:
            answer = self.client.try_apply(body, namespace, is_short=True)
            if answer.status < 300:
                self.client.check_object(answer, item.manifest, namespace)
                return Asked(item)
            refusal = parse_refusal(answer)
            return self._explained(item, refusal, body) if answer.status != CONFLICT else Asked(item, refusal=refusal)
        except RemoteError as error:
            # Such as a webhook of the other namespace that does not answer.
            if error.status != INTERNAL:
                raise
            return Asked(item, refusal=Refusal(error, ()))

    def _ask(self, wanted: Wanted) -> Asked:
        """Ask for one object. One that changed meanwhile is read again; one that keeps changing is asked for at any version."""
        namespace = self.desired.namespace
        for attempt in range(_ATTEMPTS):
            body, version = self._body(wanted), wanted.live.meta.version if wanted.live else ABSENT
            is_last = attempt == _ATTEMPTS - 1
            manifest, is_new = body if is_last else with_version(body, version), wanted.live is None
            answer = self.client.try_apply(manifest, namespace, is_short=is_new)
            if answer.status < 300 and is_new:
                # Of a new object the plan shows the manifest: only whether the server takes it is of use.
                self.client.check_object(answer, wanted.manifest, namespace)
                return Asked(wanted)
            if answer.status < 300:
                return Asked(wanted, self._result(answer, wanted, body))
            if answer.status != CONFLICT or is_last:
                return self._explained(wanted, parse_refusal(answer), body)
            live = self.client.read(wanted.manifest, namespace)
            wanted = beside(wanted, still_gone(self._sealed(live), wanted.live) if live else None)
            if wanted.is_as_applied:
                return Asked(wanted)
        raise AssertionError("unreachable")

    def _result(self, answer: Answer, wanted: Wanted, body: Manifest) -> Live:
        """The object as applying would leave it."""
        namespace = self.desired.namespace
        result = _written(self._sealed(self.client.parsed_live(answer, wanted.manifest, namespace)))
        if not is_adopted(wanted.live):
            return result
        unserved = unserved_versions(self.client, wanted.live, namespace)
        return after_adoption(wanted.manifest, wanted.live, result, unserved, self._as_new(body))

    def _as_new(self, body: Manifest) -> Manifest:
        """What the server makes of a manifest where there is no object; empty where it does not tell."""
        try:
            answer = self.client.try_create(body, self.desired.namespace)
        except RemoteError as error:
            # Such as a webhook that is called for new objects only, and does not answer.
            if error.status != INTERNAL:
                raise
            return {}
        return self._sealed(parse_live(parsed(answer))).manifest if answer.status < 300 else {}

    def _explained(self, wanted: Wanted, refusal: Refusal, body: Manifest) -> Asked:
        """A refusal, with whether the manifest itself is wrong: then the server does not take it as a new object, either.

        A Pod or Job that it takes as a new one is replaced, and so is an object whose manifest allows it.
        """
        if not refusal.is_about_manifest:
            return Asked(wanted, refusal=refusal)
        answer = self.client.try_create(body, self.desired.namespace)
        if answer.status == INVALID and wanted.manifest["kind"] in _NAMED_BY_CONTENT:
            return Asked(wanted, refusal=refusal)
        if answer.status in (BAD_REQUEST, INVALID):
            return Asked(wanted, refusal=parse_refusal(answer))
        if answer.status >= 300 or wanted.live is None or refusal.error.status != INVALID:
            return Asked(wanted, refusal=refusal)
        if wanted.live.kind in _REPLACED or may_replace(wanted.manifest):
            return Asked(wanted, is_replaced=wanted.live.kind not in _REPLACED)
        return Asked(wanted, refusal=refusal._replace(takes_new=True))

    def _body(self, wanted: Wanted) -> Manifest:
        """What is applied: with the values of a Secret, and with the autoscaler's current count of replicas."""
        if not is_secret(wanted.manifest):
            return with_replicas(wanted.manifest, wanted.replicas, wanted.live)
        raw = next((item for item in self.desired.raw if key_of(item, self.desired.namespace) == wanted.key), None)
        own = {name: value.encode() for name, value in self.session.secrets.items()}
        return opened(wanted.manifest, own if raw is None else secret_values(raw))

    def _forbidden(self, asked: Sequence[Asked]) -> dict[str, str]:
        """Key -> the right that this user lacks, of the objects that were refused for it rather than by admission."""
        keys: dict[Access, list[str]] = {}
        for item in asked:
            if item.refusal is not None and item.refusal.error.status == FORBIDDEN:
                resource = self.client.resource(item.wanted.manifest, self.desired.namespace)
                verbs = ("create",) if item.is_created else ("create", "patch")
                keys.setdefault(Access(*resource, verbs), []).append(item.wanted.key)
        found: dict[str, str] = {}
        for access, names in keys.items():
            if missing := refused(self.client, *access):
                found |= dict.fromkeys(names, f"this user may not {', '.join(missing)} {access.title}")
        return found

    def _may_not(self, why: str) -> RemoteError:
        return RemoteError(why, where=self.desired.target, hint="ask for a Role with these verbs", status=FORBIDDEN)

    def _sealed(self, live: Live) -> Live:
        return planned_live(live, self.mark, takes_helm=self.desired.config.take_over)


def _each(ask: Callable[[Wanted], Asked], wanted: Sequence[Wanted]) -> list[Asked]:
    return [ask(item) for item in wanted]


def _written(live: Live) -> Live:
    """The object without what no plan compares: its status, and the managed fields, which are parsed already."""
    metadata = {key: value for key, value in live.manifest["metadata"].items() if key != "managedFields"}
    fields = {key: value for key, value in live.manifest.items() if key != "status"}
    return live._replace(manifest={**fields, "metadata": metadata}, status=Status(), pod=None)


def _with_previews(
    observed: KubernetesObserved, asked: Sequence[Asked], previews: Mapping[str, Preview], secret_key: str
) -> KubernetesObserved:
    """The observation with the live objects that the server was asked for, and its answers."""
    live = {item.wanted.key: item.wanted.live for item in asked}
    own = {key: item for key, item in live.items() if key in observed.objects}
    secret = live.get(secret_key, observed.secret)
    marks = dict(secret.manifest.get("data") or {}) if secret else {}
    return replace(
        observed, objects={**observed.objects, **own}, secret=secret, secret_marks=marks, previews=dict(previews)
    )
