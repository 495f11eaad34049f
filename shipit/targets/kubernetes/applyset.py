"""Which objects shipit made: the labels and annotations of an ApplySet. Pure.

Each object has the label `part-of` with the id of its set. The parent, a ConfigMap, says of which kinds and in which
namespaces there may be objects of the set.
Source: KEP-3659, "ApplySet Specification"; kubectl, pkg/cmd/apply/applyset.go.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from shipit import __version__
from shipit.errors import RemoteError
from shipit.targets.kubernetes.live import Live, Meta
from shipit.targets.kubernetes.render import MANAGED_BY, Manifest

_PREFIX = "applyset.kubernetes.io/"
ID_LABEL, PART_OF_LABEL = f"{_PREFIX}id", f"{_PREFIX}part-of"
TOOLING = f"{_PREFIX}tooling"
KINDS, NAMESPACES = f"{_PREFIX}contains-group-kinds", f"{_PREFIX}additional-namespaces"
# The deploy.yml that wrote the parent, as a path in its git tree.
FILE_ANNOTATION = "shipit.dev/file"
_LABEL_PART = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", re.ASCII)


class Scope(NamedTuple):
    """Where objects of a set may be: kinds as `Kind.group`, and namespaces beside that of the parent."""

    kinds: frozenset[str] = frozenset()
    namespaces: frozenset[str] = frozenset()

    def with_(self, other: Scope) -> Scope:
        return Scope(self.kinds | other.kinds, self.namespaces | other.namespaces)

    def without(self, other: Scope) -> Scope:
        return Scope(self.kinds - other.kinds, self.namespaces - other.namespaces)


NOWHERE = Scope()


class Member(NamedTuple):
    """An object with the label of a set. `is_ours` is whether shipit set the label, and no controller owns the object.

    `version` is set for the version of a ConfigMap or Secret: whether pods, or revisions to roll back to, use it. `is_copy` is
    whether a controller made the object, with the labels of its owner: it goes when its owner does.
    """

    api_version: str
    kind: str
    meta: Meta
    is_ours: bool
    version: Literal["", "used", "unused"] = ""
    is_copy: bool = False

    @property
    def group_kind(self) -> str:
        return group_kind(self.api_version, self.kind)

    @property
    def manifest(self) -> Manifest:
        namespace = {"namespace": self.meta.namespace} if self.meta.namespace else {}
        return {
            "apiVersion": self.api_version,
            "kind": self.kind,
            "metadata": {"name": self.meta.name, **namespace},
        }


@dataclass(frozen=True)
class ObservedSet:
    """A set as observed: whether it has a parent, and the scope and deploy.yml that the parent says; `file` may be empty.

    `members` are its objects, in a plan only those that are not wanted any more. `unlisted` are the resources that this
    user may not list, such as `secrets in namespace prod`.
    """

    exists: bool = False
    scope: Scope = NOWHERE
    members: tuple[Member, ...] = ()
    unlisted: tuple[str, ...] = ()
    file: str = ""


def group_kind(api_version: str, kind: str) -> str:
    """`Kind.group`; the kind alone for the core group."""
    group = api_version.rpartition("/")[0]
    return f"{kind}.{group}" if group else kind


def set_name(app: str, environment: str, target: str) -> str:
    """The name of the parent: another app, environment or target in the same namespace has another one."""
    return ".".join(["shipit", *map(label_part, (app, environment, target))])


def label_part(name: str) -> str:
    """A name as one part of a DNS name. One that has to be changed for that gets its hash, so that it stays unique."""
    if _LABEL_PART.fullmatch(name):
        return name
    plain = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:40].rstrip("-")
    return f"{plain}-{hashlib.sha256(name.encode()).hexdigest()[:8]}".lstrip("-")


def set_id(name: str, namespace: str) -> str:
    """The id of the set whose parent is the ConfigMap of a name and namespace, as kubectl computes it."""
    digest = hashlib.sha256(f"{name}.{namespace}.ConfigMap.".encode()).digest()
    return f"applyset-{base64.urlsafe_b64encode(digest).rstrip(b'=').decode()}-v1"


def labelled(manifest: Mapping[str, Any], id_: str) -> Manifest:
    """The manifest with the label of a set on the object itself, so that no pod is replaced for it."""
    metadata = manifest["metadata"]
    return {**manifest, "metadata": {**metadata, "labels": {**(metadata.get("labels") or {}), PART_OF_LABEL: id_}}}


def scope_of(objects: Iterable[Mapping[str, Any]], namespace: str) -> Scope:
    """Where these objects are."""
    kinds, places = set(), set()
    for item in objects:
        kinds.add(group_kind(item["apiVersion"], item["kind"]))
        places.add(item["metadata"].get("namespace") or namespace)
    return Scope(frozenset(kinds), frozenset(places - {namespace}))


def parent_identity(name: str, namespace: str) -> Manifest:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": namespace}}


def render_parent(name: str, namespace: str, scope: Scope, file: str = "") -> Manifest:
    """The parent of a set. `file` is the deploy.yml in its git tree; empty where it is in none."""
    annotations = {
        TOOLING: f"{MANAGED_BY}/v{__version__}",
        KINDS: ",".join(sorted(scope.kinds)),
        NAMESPACES: ",".join(sorted(scope.namespaces)),
        **({FILE_ANNOTATION: file} if file else {}),
    }
    labels = {ID_LABEL: set_id(name, namespace), "app.kubernetes.io/managed-by": MANAGED_BY}
    head = parent_identity(name, namespace)
    return {**head, "metadata": {**head["metadata"], "labels": labels, "annotations": annotations}}


def parse_scope(parent: Live) -> Scope:
    """What a parent says. Raises: RemoteError when it is not that of shipit, or its id is that of another object.

    Source: KEP-3659: a tool must refuse a set of another tool, and an id that is not computed from the parent's name.
    """
    key, hint = f"ConfigMap/{parent.meta.name}", "delete or rename it, then deploy again"
    tooling = parent.meta.annotations.get(TOOLING, "")
    tool = tooling.rpartition("/")[0] or tooling
    if tool != MANAGED_BY:
        what = f"is managed by {tool}" if tool else "has no annotation that says who manages it"
        raise RemoteError(f"{key} should record the objects of shipit, and {what}", where=key, hint=hint)
    if parent.meta.labels.get(ID_LABEL) != set_id(parent.meta.name, parent.meta.namespace):
        raise RemoteError(f"the label {ID_LABEL} of {key} is not the id of this object", where=key, hint=hint)
    return Scope(
        *(frozenset(filter(None, parent.meta.annotations.get(key, "").split(","))) for key in (KINDS, NAMESPACES))
    )
