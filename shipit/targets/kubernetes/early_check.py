"""Checks of objects whose namespace or kind the same deploy creates, as far as they are possible before.

In another namespace the server checks the fields of an object, and says nothing of the quotas and policies of its own one.
Source: Kubernetes documentation, "Initial namespaces": every cluster has `default`, which can't be deleted.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice

from shipit.errors import ConfigError, ConfigErrors
from shipit.targets.kubernetes.desired import Desired
from shipit.targets.kubernetes.object_problems import problem_of
from shipit.targets.kubernetes.observed import Preview, key_of
from shipit.targets.kubernetes.refusal import INVALID
from shipit.targets.kubernetes.refused import Asked
from shipit.targets.kubernetes.render import Manifest
from shipit.targets.kubernetes.schema import misfits, schema_of
from shipit.targets.kubernetes.unready import Needed
from shipit.targets.kubernetes.wanted import Wanted

_ELSEWHERE = "default"
_MOST = 50
# What they do is not known before they are applied: they may set the values that a custom resource lacks.
_MUTATING = ("MutatingWebhookConfiguration", "MutatingAdmissionPolicy")


def moved(wanted: Wanted) -> Wanted:
    """The object as it would be in another namespace."""
    manifest = wanted.manifest
    return wanted._replace(manifest={**manifest, "metadata": {**manifest["metadata"], "namespace": _ELSEWHERE}})


def may_be_moved(wanted: Wanted, needed: Needed) -> bool:
    """Whether the server may see the object in another namespace. Its webhooks must not see the values of a Secret."""
    return needed.lacks_namespace_only and wanted.manifest["kind"] != "Secret"


def is_about_fields(asked: Asked) -> bool:
    """Whether an object was refused for one of its fields, which is so in every namespace."""
    refusal = asked.refusal
    if refusal is None or not refusal.is_about_manifest or refusal.is_of_webhook:
        return False
    # A LimitRange of the other namespace sets limits of a Pod, which its own values may not fit.
    is_limited = asked.wanted.manifest["kind"] == "Pod" and refusal.error.status == INVALID
    return not is_limited and any(cause.field for cause in refusal.causes)


def early_previews(first: Mapping[str, Needed], elsewhere: Iterable[Asked]) -> dict[str, Preview]:
    """Key -> what the server could not check. `elsewhere` are those that it was asked for in another namespace."""
    found = {key: Preview(unchecked=needed.why) for key, needed in first.items()}
    taken = [asked.wanted.key for asked in elsewhere if asked.refusal is None]
    return found | {key: Preview(unchecked=f"quotas and policies, because {first[key].why}") for key in taken}


def schema_errors(desired: Desired, items: Iterable[tuple[Wanted, Needed]]) -> list[ConfigErrors]:
    """The mistakes of custom resources together, by the schema of the definition that is applied before them.

    Values count where nobody else sets them: no mutating admission of the same deploy, and no field manager of a live object.
    """
    is_mutated = any(manifest["kind"] in _MUTATING for manifest in desired.raw)
    found = [
        problem
        for wanted, needed in items
        if needed.definition is not None
        for problem in _mistakes(desired, wanted, needed.definition, has_values=not is_mutated and wanted.live is None)
    ]
    return [ConfigErrors(found)] if found else []


def _mistakes(desired: Desired, wanted: Wanted, definition: Manifest, *, has_values: bool) -> Iterator[ConfigError]:
    schema = schema_of(definition, wanted.manifest["apiVersion"].rpartition("/")[2])
    other = key_of(definition, desired.namespace)
    found = (misfit for misfit in misfits(wanted.manifest, schema) if has_values or not misfit.is_of_value)
    for misfit in islice(found, _MOST):
        field = f"{misfit.field}: " if misfit.field else ""
        what = f"{wanted.key} does not fit the schema of {other}: {field}{misfit.what}"
        yield problem_of(desired, wanted.key, misfit.field, what, "correct the manifest")
