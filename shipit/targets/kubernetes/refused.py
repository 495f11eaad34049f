"""The errors for objects that the API server refuses in a dry run, at the lines of their manifests."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from shipit.errors import ConfigError, ConfigErrors, RemoteError, ShipitError
from shipit.targets.kubernetes.desired import Desired
from shipit.targets.kubernetes.images import image_names
from shipit.targets.kubernetes.leftovers import leftover_patch
from shipit.targets.kubernetes.live import Live
from shipit.targets.kubernetes.object_problems import problem_of
from shipit.targets.kubernetes.objects import annotations_of
from shipit.targets.kubernetes.refusal import FORBIDDEN, NOT_FOUND, WHOLE, Cause, Refusal
from shipit.targets.kubernetes.render import Manifest
from shipit.targets.kubernetes.sealed import is_secret
from shipit.targets.kubernetes.wanted import Wanted

REPLACE_ANNOTATION = "shipit.dev/replace"


class Asked(NamedTuple):
    """An object with what the server answered. `wanted` is beside the live object that it was asked for.

    `is_replaced`: the server takes it only as a new object, which its manifest allows. `is_created`: it is created, and
    not applied.
    """

    wanted: Wanted
    result: Live | None = None
    refusal: Refusal | None = None
    is_replaced: bool = False
    is_created: bool = False


def may_replace(manifest: Manifest) -> bool:
    """Whether a manifest has the annotation that allows to delete and create its object."""
    if is_secret(manifest):
        # The values until now are kept for a rollback, so a Secret is never deleted.
        return False
    return str(annotations_of(manifest).get(REPLACE_ANNOTATION)).lower() == "true"


def refusal_errors(desired: Desired, asked: Sequence[Asked]) -> list[ShipitError]:
    """The errors for what was refused: mistakes in manifests together, then what admission denies."""
    found = [(item.wanted, item.refusal) for item in asked if item.refusal is not None]
    mistakes = [
        error for wanted, refusal in found if refusal.is_about_manifest for error in _mistakes(desired, wanted, refusal)
    ]
    others = [_denied(desired, wanted, refusal) for wanted, refusal in found if not refusal.is_about_manifest]
    return [*([ConfigErrors(mistakes)] if mistakes else []), *others]


def _mistakes(desired: Desired, wanted: Wanted, refusal: Refusal) -> Iterator[ConfigError]:
    """One error for each cause, at its field."""
    for cause in refusal.causes:
        # A field that is found in a message may be a value.
        is_field = cause.field not in ("", WHOLE) and bool(cause.reason or not is_secret(wanted.manifest))
        field = f"{cause.field}: " if is_field else ""
        what = f"{wanted.key} is refused by the API server: {field}{_said(wanted, cause)}"
        # What is written for a Secret is not looked up: the line may have a value.
        yield problem_of(
            desired,
            wanted.key,
            "" if is_secret(wanted.manifest) else cause.field,
            what,
            _hint(desired, wanted, refusal),
        )


def _denied(desired: Desired, wanted: Wanted, refusal: Refusal) -> RemoteError:
    """The error for what is not about the manifest itself: a quota, a policy, a namespace that does not exist."""
    error, place = refusal.error, problem_of(desired, wanted.key, "", "", "")
    said = f"answered {error.status}" if is_secret(wanted.manifest) else error.what
    what = f"{wanted.key} is refused by the API server: {said}"
    return RemoteError(what, where=place.where, hint=_hint(desired, wanted, refusal), status=error.status)


def _said(wanted: Wanted, cause: Cause) -> str:
    """What the server says. Of a Secret its reason only: a message may repeat a value."""
    return (cause.reason or "invalid") if is_secret(wanted.manifest) else cause.message


def _hint(desired: Desired, wanted: Wanted, refusal: Refusal) -> str:
    namespace = wanted.manifest["metadata"].get("namespace") or desired.namespace
    if refusal.takes_new:
        kind, name = wanted.manifest["kind"].lower(), wanted.manifest["metadata"]["name"]
        if patch := leftover_patch(wanted.manifest, wanted.live, [cause.field for cause in refusal.causes]):
            text = json.dumps(patch)
            return f"the server set this field by itself; remove it: kubectl -n {namespace} patch {kind} {name} --type merge -p '{text}'"
        delete = f"delete it: kubectl -n {namespace} delete {kind} {name}"
        if wanted.key not in desired.places or is_secret(wanted.manifest):
            return f"this field can't be changed: give the object another name, or {delete}"
        return f'this field can\'t be changed: give the object another name, or let shipit replace it: annotation {REPLACE_ANNOTATION}: "true"'
    if refusal.is_about_manifest:
        return "correct the manifest" if wanted.key in desired.places else "correct it in deploy.yml"
    if refusal.error.status == NOT_FOUND:
        return f"is there a namespace {namespace}? create it, or write namespace: {{name: {namespace}, create: true}}"
    if refusal.error.status == FORBIDDEN and any(image_names(wanted.manifest)):
        return (
            "change what the quota or policy is about; if it looks images up in their registry, run shipit push first"
        )
    return "change what the quota or policy is about" if refusal.error.status == FORBIDDEN else refusal.error.hint
