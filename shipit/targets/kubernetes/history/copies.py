"""Copies of the Secrets of manifests, named by their content: the Secret itself has only its newest values. Pure."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping

from shipit.targets.kubernetes.applyset import labelled
from shipit.targets.kubernetes.desired import Desired
from shipit.targets.kubernetes.observed import KubernetesObserved, key_of
from shipit.targets.kubernetes.render import MANAGED_BY, VERSION_LABEL, Manifest
from shipit.targets.kubernetes.sealed import is_secret, secret_values
from shipit.targets.kubernetes.slow_marks import content_mark
from shipit.targets.kubernetes.versions import version_label, version_name

# A copy costs a slow hash and a request in every release that changes anything.
MOST_COPIES = 30


def copies_of(desired: Desired, observed: KubernetesObserved) -> dict[str, str]:
    """Key of a Secret of the manifests -> name of the copy of its values.

    One in another namespace gets none, and where there are more than MOST_COPIES, none does.
    """
    found = dict(_secrets(desired))
    if len(found) > MOST_COPIES:
        return {}
    marks = {key: observed.contents.get(key) or _mark(desired, key, secret) for key, secret in found.items()}
    return {key: version_name(found[key]["metadata"]["name"], mark) for key, mark in marks.items()}


def render_copies(desired: Desired, copies: Mapping[str, str]) -> Iterator[Manifest]:
    """The copies, with their values. Their type is Opaque, which has no required keys."""
    for key, secret in _secrets(desired):
        if key in copies:
            labels = {
                "app.kubernetes.io/part-of": desired.project.app,
                "app.kubernetes.io/managed-by": MANAGED_BY,
                VERSION_LABEL: version_label(secret["metadata"]["name"]),
            }
            metadata = {"name": copies[key], "namespace": desired.namespace, "labels": labels}
            data = {name: base64.b64encode(value).decode() for name, value in secret_values(secret).items()}
            copy = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": "Opaque", "data": data}
            yield labelled({**copy, "immutable": True}, desired.set_id)


def _mark(desired: Desired, key: str, secret: Manifest) -> str:
    return content_mark(desired, key, secret_values(secret))


def _secrets(desired: Desired) -> Iterator[tuple[str, Manifest]]:
    for manifest in desired.raw:
        if is_secret(manifest) and (manifest["metadata"].get("namespace") or desired.namespace) == desired.namespace:
            yield key_of(manifest, desired.namespace), manifest
