"""Reading the ApplySet of a target: its parent, and one list of metadata for each kind and namespace, by label."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

from shipit.clock import Clock
from shipit.errors import RemoteError
from shipit.http.fields import Field
from shipit.parallel import together
from shipit.targets.kubernetes.applyset import (
    FILE_ANNOTATION,
    NOWHERE,
    PART_OF_LABEL,
    Member,
    ObservedSet,
    Scope,
    group_kind,
    parent_identity,
    parse_scope,
    set_id,
)
from shipit.targets.kubernetes.client import KubernetesClient
from shipit.targets.kubernetes.live import Live, Meta
from shipit.targets.kubernetes.parse import parse_meta
from shipit.targets.kubernetes.render import MANAGED_BY
from shipit.targets.kubernetes.served_kinds import version_of

# `Kind.group`, namespace (empty where there is none), name -> whether to leave an object out.
Skips = Callable[[str, str, str], bool]
# apiVersion, kind, namespace.
Head = tuple[str, str, str]


class Refused(str):
    """A resource that this user may not read."""

    __slots__ = ()


class Listing(NamedTuple):
    """One list: a kind in a namespace, or in the whole cluster."""

    api_version: str
    kind: str
    path: str


@dataclass(frozen=True)
class SetReader:
    """Reads the set whose parent has a name in a namespace."""

    client: KubernetesClient
    name: str
    namespace: str
    clock: Clock

    def read(
        self, wanted: Sequence[Mapping[str, Any]] = (), known: Iterable[Head] = (), skips: Skips = lambda *_: False
    ) -> ObservedSet:
        """The set, without the objects that are skipped, and those of the kinds and namespaces that are `known`.

        The kinds of `wanted` are listed at once, also where the parent does not say them, and the other ones of the
        parent after it was read. Raises: RemoteError.
        """
        left_out = self._listings(known)
        at_once = self._listings((item["apiVersion"], item["kind"], self._place(item)) for item in wanted) - left_out
        calls: dict[Any, Callable[[], Any]] = {"parent": self._parent}
        calls |= {listing: partial(self._members, listing, skips) for listing in at_once}
        found = together(calls, self.clock)
        parent = found.pop("parent")
        scope = parse_scope(parent) if isinstance(parent, Live) else NOWHERE
        versions = {group_kind(item["apiVersion"], item["kind"]): item["apiVersion"] for item in wanted}
        rest = self._listings(self._heads(scope, versions)) - at_once - left_out
        found |= together({listing: partial(self._members, listing, skips) for listing in rest}, self.clock)
        refused = {_title(listing) for listing, items in found.items() if items is None}
        refused |= {str(parent)} if isinstance(parent, Refused) else set()
        members = {member.meta.uid: member for items in found.values() for member in items or ()}
        return ObservedSet(
            exists=isinstance(parent, Live),
            scope=scope,
            members=by_name(members.values()),
            unlisted=tuple(sorted(refused)),
            file=parent.meta.annotations.get(FILE_ANNOTATION, "") if isinstance(parent, Live) else "",
        )

    def _place(self, manifest: Mapping[str, Any]) -> str:
        return manifest["metadata"].get("namespace") or self.namespace

    def _parent(self) -> Live | Refused | None:
        try:
            return self.client.read(parent_identity(self.name, self.namespace), self.namespace)
        except RemoteError as error:
            if error.status == 403:
                return Refused(f"configmaps in namespace {self.namespace}")
            raise

    def _heads(self, scope: Scope, versions: Mapping[str, str]) -> Iterator[Head]:
        """apiVersion, kind and namespace of everything that a parent says, as far as the cluster knows the kinds.

        `versions`: `Kind.group` -> apiVersion, as far as it is known without a request.
        """
        for name in scope.kinds:
            kind, _, group = name.partition(".")
            if version := versions.get(name) or version_of(self.client, group, kind):
                yield from ((version, kind, namespace) for namespace in (self.namespace, *scope.namespaces))

    def _listings(self, heads: Iterable[Head]) -> set[Listing]:
        """The lists; one for a kind that belongs to the whole cluster."""
        found = set()
        for version, kind, namespace in set(heads):
            # The manifests themselves may define the kind.
            if path := self.client.list_path(version, kind, namespace):
                found.add(Listing(version, kind, path))
        return found

    def _members(self, listing: Listing, skips: Skips) -> list[Member] | None:
        """The members in one list; None where this user may not list them."""
        name, label = group_kind(listing.api_version, listing.kind), set_id(self.name, self.namespace)

        def parse(item: Field) -> Member | None:
            metadata = item["metadata"]
            if skips(name, metadata["namespace"].text(), metadata["name"].text()):
                return None
            return member_of(listing.api_version, listing.kind, parse_meta(metadata))

        try:
            found = self.client.listed_metadata(listing.path, f"{PART_OF_LABEL}={label}", parse)
        except RemoteError as error:
            if error.status in (403, 405):
                return None
            raise
        return [member for member in found if member is not None]


def by_name(members: Iterable[Member]) -> tuple[Member, ...]:
    return tuple(sorted(members, key=lambda member: (member.kind, member.meta.namespace, member.meta.name)))


def member_of(api_version: str, kind: str, meta: Meta) -> Member:
    is_copy = bool(meta.owners) and not _is_labelled(meta, PART_OF_LABEL)
    return Member(api_version, kind, meta._replace(managers=()), is_ours(meta), is_copy=is_copy)


def is_ours(meta: Meta, label: str = PART_OF_LABEL) -> bool:
    """Whether shipit set a label of an object: others may set or copy it, and what they made must stay.

    An object with an owner is deleted with that; it is not ours either (KEP-3659, "Objects with owner references").
    """
    return not meta.owners and _is_labelled(meta, label)


def _is_labelled(meta: Meta, label: str) -> bool:
    whole = {"metadata": {"labels": dict(meta.labels)}}
    owners = (manager.name for manager in meta.managers if manager.owned.has(("metadata", "labels", label), whole))
    return MANAGED_BY in owners


def _title(listing: Listing) -> str:
    """Such as `secrets in namespace prod`."""
    parts = listing.path.split("/")
    return f"{parts[-1]} in namespace {parts[-2]}" if "namespaces" in parts[:-1] else parts[-1]
