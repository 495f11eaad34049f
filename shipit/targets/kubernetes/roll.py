"""Pods are replaced when a ConfigMap or Secret of the same deploy that they use changes. Pure.

A source (ConfigMap or Secret) has a hash of its data in an annotation from the first time that its data changes, and
the pod templates that use it have the same hash in one of theirs. A source that was applied before, without the
annotation and with the same data, gets none: its pods go on running.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from shipit.targets.kubernetes.drift import Difference, fingerprint
from shipit.targets.kubernetes.live import Live
from shipit.targets.kubernetes.objects import annotations_of, spec_of, template_of
from shipit.targets.kubernetes.observed import KubernetesObserved, key_of
from shipit.targets.kubernetes.render import Manifest
from shipit.targets.kubernetes.sealed import is_secret
from shipit.targets.kubernetes.uses import used_by
from shipit.targets.kubernetes.versions import is_version

# The hash of a source's data.
CONTENT_ANNOTATION = "shipit.dev/content"
# What a pod template uses, as `ConfigMap/settings=HASH Secret/own=HASH`.
USES_ANNOTATION = "shipit.dev/uses"
# "false" on a source or on a workload: no pods are replaced for it.
ROLL_ANNOTATION = "shipit.dev/roll"
# Kinds that replace their pods when the template changes. The pods of a CronJob's next Job read what is there then.
ROLLED = ("Deployment", "StatefulSet", "DaemonSet", "Pod")


def with_hashes(manifests: Sequence[Manifest], observed: KubernetesObserved, namespace: str) -> list[Manifest]:
    """The manifests with the annotations of sources and pod templates. Secrets are sealed."""
    used, sources = used_sources(manifests, namespace), dict[str, str]()
    found = [_with_content(manifest, observed, namespace, used, sources) for manifest in manifests]
    return [_with_uses(manifest, observed, namespace, sources) for manifest in found]


def used_sources(manifests: Sequence[Manifest], namespace: str) -> frozenset[str]:
    """The keys of the ConfigMaps and Secrets that pods of these objects use, and are replaced for."""
    rolled = (manifest for manifest in manifests if manifest["kind"] in ROLLED and _rolls(manifest))
    return frozenset(_key(name, manifest, namespace) for manifest in rolled for name in _names(manifest))


def rolled_by(changes: Sequence[Difference], live: Live) -> frozenset[str]:
    """The names of the sources whose change replaces the pods of an object, of those that its pods use already."""
    found: set[str] = set()
    for change in changes:
        if change.keys and change.keys[-1] == USES_ANNOTATION:
            before, after = _entries(change.live), _entries(change.wanted)
            found |= {name for name, mark in after.items() if before.get(name) != mark}
    return _names(live.manifest) & found


def replaces_pods(live: Live) -> bool:
    """Whether the pods of an object are replaced when its template changes. With OnDelete they are when somebody deletes them."""
    return live.kind in ROLLED and not live.spec.on_delete


def _with_content(
    manifest: Manifest,
    observed: KubernetesObserved,
    namespace: str,
    used: Collection[str],
    sources: dict[str, str],
) -> Manifest:
    """A source in use with the hash of its data, which is kept in `sources` by its key. Other objects as they are."""
    key = key_of(manifest, namespace)
    if key not in used or not _is_source(manifest) or not _rolls(manifest):
        return manifest
    mark = observed.contents.get(key, "") if is_secret(manifest) else _content(manifest, observed.objects.get(key))
    if not mark:
        return manifest
    sources[key] = mark
    return _annotated(manifest, CONTENT_ANNOTATION, mark)


def _content(manifest: Manifest, live: Live | None) -> str:
    """The hash of a ConfigMap's data; empty where it was applied without one and has the same data."""
    data = _data(manifest)
    if live is not None and CONTENT_ANNOTATION not in live.meta.annotations and data == _data(live.manifest):
        return ""
    return fingerprint(data)


def _data(manifest: Mapping[str, Any]) -> dict[str, Any]:
    return {key: manifest.get(key) or {} for key in ("data", "binaryData")}


def _with_uses(
    manifest: Manifest, observed: KubernetesObserved, namespace: str, sources: Mapping[str, str]
) -> Manifest:
    """A workload whose pod template has the hashes of what it uses.

    A hash that the template has already stays where there is no new one: without it, the pods would be replaced.
    """
    if manifest["kind"] not in ROLLED:
        return manifest
    names = sorted(_names(manifest))
    if not names:
        return manifest
    template = template_of(manifest)
    live = observed.objects.get(key_of(manifest, namespace))
    before = _entries(annotations_of(template_of(live.manifest)).get(USES_ANNOTATION)) if live else {}
    new = {name: sources.get(_key(name, manifest, namespace), "") for name in names} if _rolls(manifest) else {}
    entries = {name: mark for name in names if (mark := new.get(name) or before.get(name, ""))}
    # The server refuses a template whose metadata is no map.
    if not entries or not isinstance(template.get("metadata") or {}, dict):
        return manifest
    marked = _annotated(template, USES_ANNOTATION, " ".join(f"{name}={mark}" for name, mark in entries.items()))
    return marked if template is manifest else {**manifest, "spec": {**manifest["spec"], "template": marked}}


def _names(manifest: Manifest) -> frozenset[str]:
    return used_by(spec_of(template_of(manifest)))


def _entries(text: Any) -> dict[str, str]:
    """`ConfigMap/name` or `Secret/name` -> hash, of an annotation."""
    pairs = (part.partition("=") for part in (text.split() if isinstance(text, str) else ()))
    return {name: mark for name, _, mark in pairs}


def _key(name: str, manifest: Manifest, namespace: str) -> str:
    """The key of what a workload names: it is in its own namespace."""
    kind, _, own = name.partition("/")
    return key_of({"kind": kind, "metadata": {**manifest["metadata"], "name": own}}, namespace)


def _is_source(manifest: Manifest) -> bool:
    """Whether an object is a ConfigMap or Secret whose data may change."""
    return manifest["apiVersion"] == "v1" and manifest["kind"] in ("ConfigMap", "Secret") and not is_version(manifest)


def _rolls(manifest: Manifest) -> bool:
    return str(annotations_of(manifest).get(ROLL_ANNOTATION, "")).lower() != "false"


def _annotated(manifest: Manifest, name: str, value: str) -> Manifest:
    metadata = manifest.get("metadata") or {}
    return {**manifest, "metadata": {**metadata, "annotations": {**annotations_of(manifest), name: value}}}
