"""Secrets with keyed hashes in place of their values. Pure.

Source: Kubernetes API reference, v1 Secret: `data` is base64, `stringData` is text that the server merges into it.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping
from typing import Any

from shipit.targets.kubernetes.live import LAST_APPLIED, Live, with_helm
from shipit.targets.kubernetes.render import Manifest

# Gives the keyed hash of a value.
Mark = Callable[[str], str]


def is_secret(manifest: Mapping[str, Any]) -> bool:
    return (manifest.get("apiVersion"), manifest.get("kind")) == ("v1", "Secret")


def secret_values(manifest: Mapping[str, Any]) -> dict[str, bytes]:
    """Key -> value of a Secret. What is not base64 is taken as it is written: the server will refuse it."""
    data, texts = manifest.get("data"), manifest.get("stringData")
    values = {str(key): _decoded(value) for key, value in (data if isinstance(data, dict) else {}).items()}
    return values | {str(key): _text(value) for key, value in (texts if isinstance(texts, dict) else {}).items()}


def value_marks(values: Mapping[str, bytes], mark: Mark) -> dict[str, str]:
    """Key -> keyed hash of a value, of its base64 where it is not text."""
    return {key: mark(_shown(value)) for key, value in values.items()}


def sealed(manifest: Manifest, marks: Mapping[str, str]) -> Manifest:
    """A Secret with `marks` as its data; keys without a mark have an empty one."""
    if not is_secret(manifest):
        return manifest
    whole = {key: value for key, value in manifest.items() if key != "stringData"}
    values = {key: marks.get(key, "") for key in secret_values(manifest)}
    return {**whole, "metadata": _without_copy(manifest["metadata"]), **({"data": values} if values else {})}


def opened(manifest: Mapping[str, Any], values: Mapping[str, bytes]) -> Manifest:
    """A sealed Secret with the values of its keys. Raises: KeyError for a key that has no value."""
    keys = manifest.get("data") or {}
    return {**manifest, "data": {key: base64.b64encode(values[key]).decode() for key in keys}}


def sealed_live(live: Live, mark: Mark) -> Live:
    """A Secret of the cluster without its values; any other object as it is."""
    if not is_secret(live.manifest):
        return live
    manifest = sealed(live.manifest, value_marks(secret_values(live.manifest), mark))
    annotations = {key: value for key, value in live.meta.annotations.items() if key != LAST_APPLIED}
    return live._replace(manifest=manifest, meta=live.meta._replace(annotations=annotations))


def planned_live(live: Live, mark: Mark, *, takes_helm: bool) -> Live:
    """A live object as a plan compares it: sealed, and with `takes_helm` with the fields of Helm left to shipit."""
    return sealed_live(with_helm(live) if takes_helm else live, mark)


def _without_copy(metadata: Mapping[str, Any]) -> Manifest:
    annotations = metadata.get("annotations")
    if not isinstance(annotations, dict) or LAST_APPLIED not in annotations:
        return dict(metadata)
    return {**metadata, "annotations": {key: item for key, item in annotations.items() if key != LAST_APPLIED}}


def _decoded(value: Any) -> bytes:
    text = _text(value)
    try:
        # As Go reads it: line breaks are skipped.
        return base64.b64decode(text.translate(None, b"\r\n"), validate=True)
    except (binascii.Error, ValueError):
        return text


def _text(value: Any) -> bytes:
    return ("" if value is None else str(value)).encode("utf-8", "surrogatepass")


def _shown(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return f"base64:{base64.b64encode(value).decode()}"
