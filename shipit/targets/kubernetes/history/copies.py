"""Copies of the Secrets of manifests, named by their content: the Secret itself has only its newest values. Pure."""

from __future__ import annotations

import base64
from collections.abc import Iterator

from shipit.targets.kubernetes.applyset import labelled
from shipit.targets.kubernetes.desired import Desired
from shipit.targets.kubernetes.observed import key_of
from shipit.targets.kubernetes.render import MANAGED_BY, Manifest
from shipit.targets.kubernetes.sealed import is_secret, secret_values
from shipit.targets.kubernetes.versions import version_name, versioned


def copies_of(desired: Desired) -> dict[str, str]:
    """Key of a Secret of the manifests -> name of the copy of its values. One in another namespace gets none."""
    return {key: _name(desired, key, secret) for key, secret in _secrets(desired)}


def render_copies(desired: Desired) -> Iterator[Manifest]:
    """The copies, with their values. Their type is Opaque, which has no required keys."""
    for key, secret in _secrets(desired):
        labels = {"app.kubernetes.io/part-of": desired.project.app, "app.kubernetes.io/managed-by": MANAGED_BY}
        metadata = {"name": secret["metadata"]["name"], "namespace": desired.namespace, "labels": labels}
        values = secret_values(secret)
        data = {name: base64.b64encode(value).decode() for name, value in values.items()}
        copy = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": "Opaque", "data": data}
        yield labelled(versioned(copy, desired.content_mark(key, values)), desired.set_id)


def _name(desired: Desired, key: str, secret: Manifest) -> str:
    return version_name(secret["metadata"]["name"], desired.content_mark(key, secret_values(secret)))


def _secrets(desired: Desired) -> Iterator[tuple[str, Manifest]]:
    for manifest in desired.raw:
        if is_secret(manifest) and (manifest["metadata"].get("namespace") or desired.namespace) == desired.namespace:
            yield key_of(manifest, desired.namespace), manifest
