"""Reading the wanted objects of a kind: by one list, or by name where there is one or the list is not allowed."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from shipit.errors import RemoteError
from shipit.http.fields import Field
from shipit.targets.kubernetes.applyset import PART_OF_LABEL
from shipit.targets.kubernetes.client import KubernetesClient, UnknownKind, selectors
from shipit.targets.kubernetes.definitions import is_defined
from shipit.targets.kubernetes.desired import Desired
from shipit.targets.kubernetes.live import Live
from shipit.targets.kubernetes.object_problems import unknown_kind
from shipit.targets.kubernetes.observed import key_of
from shipit.targets.kubernetes.parse import parse_live
from shipit.targets.kubernetes.render import Manifest
from shipit.targets.kubernetes.sealed import Mark, is_secret, planned_live
from shipit.targets.kubernetes.served_kinds import version_of
from shipit.targets.kubernetes.server import Query

if TYPE_CHECKING:
    from shipit.targets.kubernetes.watches import Watches

T = TypeVar("T")
# A single object of a kind is read by name, others of the kind are then not read.
_LISTED_FROM = 2


class Read(NamedTuple):
    """The wanted objects of a kind and namespace by key. `others` are members of the set beside them; None where they were not listed."""

    manifests: Sequence[Manifest]
    objects: Mapping[str, Live | None]
    others: tuple[Live, ...] | None


def is_listed(manifests: Sequence[Manifest]) -> bool:
    """True when the objects of a kind are read with one list."""
    return len(manifests) >= _LISTED_FROM


@dataclass(frozen=True)
class ObjectReader:
    """Reads objects; from a watch where there is one. `mark` gives the keyed hash of a value of a Secret."""

    desired: Desired
    client: KubernetesClient
    mark: Mark
    watches: Watches | None = None

    def read(self, manifests: Sequence[Manifest]) -> Read:
        """The objects of a kind. Of Secrets only the members of the set are listed: the values of others are not ours to read."""
        try:
            return self._found(manifests, self._listed(manifests) if is_listed(manifests) else None)
        except UnknownKind:
            if not is_defined(manifests[0], self.desired.raw):
                raise unknown_kind(self.desired, manifests, self._served(manifests[0])) from None
            return self._of_other_version(manifests)

    def _of_other_version(self, manifests: Sequence[Manifest]) -> Read:
        """The objects of a kind that this deploy defines: in a version that the cluster serves, where it has the kind already."""
        if version := self._served(manifests[0]):
            return self.read([{**manifest, "apiVersion": version} for manifest in manifests])
        missing: dict[str, Live | None] = {key_of(item, self.desired.namespace): None for item in manifests}
        return Read(manifests, missing, None)

    def _served(self, manifest: Manifest) -> str:
        """Another apiVersion in which the cluster serves the kind of a manifest; empty where there is none."""
        group = manifest["apiVersion"].rpartition("/")[0]
        return version_of(self.client, group, manifest["kind"]) if group else ""

    def _found(self, manifests: Sequence[Manifest], listed: dict[str, Live] | None) -> Read:
        found = {}
        for manifest in manifests:
            live = None if listed is None else listed.pop(manifest["metadata"]["name"], None)
            if listed is None or (live is None and is_secret(manifest)):
                live = self.one(manifest)
            found[key_of(manifest, self.desired.namespace)] = live
        return Read(manifests, found, None if listed is None else tuple(listed.values()))

    def _listed(self, manifests: Sequence[Manifest]) -> dict[str, Live] | None:
        """Name -> object, also of other members of the set; None where this user may read the objects by name only."""
        names = {manifest["metadata"]["name"] for manifest in manifests}
        labels = f"{PART_OF_LABEL}={self.desired.set_id}" if is_secret(manifests[0]) else ""
        found = self._list_of(manifests[0], selectors(labels), names)
        return None if found is None else {live.meta.name: live for live in found if live}

    def _list_of(self, manifest: Manifest, query: Query, names: Collection[str]) -> Sequence[Live | None] | None:
        """The objects of the kind and namespace of a manifest; None in place of one that has neither one of the names nor is
        a member of the set. None where this user may read the objects by name only.
        """
        path = self.client.path(manifest, self.desired.namespace).rpartition("/")[0]
        # The items of a list lack their kind.
        head = {"apiVersion": manifest["apiVersion"], "kind": manifest["kind"]}
        set_id = self.desired.set_id

        def parse(item: Field) -> Live | None:
            metadata = item["metadata"]
            is_wanted = metadata["name"].text() in names
            is_member = metadata["labels"].map().get(PART_OF_LABEL) == set_id
            return self._live(parse_live(item.within(head))) if is_wanted or is_member else None

        try:
            # Pods and ReplicaSets are also read for what owns them, in another form.
            return self.items(path, query, parse, "objects")
        except RemoteError as error:
            if error.status in (403, 405):
                return None
            raise

    def items(self, path: str, query: Query, parse: Callable[[Field], T], form: str = "") -> Sequence[T]:
        """The objects of a list. `form` is that of `Watches.read`."""
        if self.watches is None:
            return self.client.read_list(path, query, parse).items
        return self.watches.read(self.client, path, query, parse, form)

    def one(self, manifest: Manifest) -> Live | None:
        """The object that a manifest names; None where there is none."""
        if self.watches is not None:
            name = manifest["metadata"]["name"]
            found = self._list_of(manifest, selectors(fields=f"metadata.name={name}"), {name})
            if found is not None:
                return next((live for live in found if live and live.meta.name == name), None)
        live = self.client.read(manifest, self.desired.namespace)
        return self._live(live) if live else None

    def _live(self, live: Live) -> Live:
        return planned_live(live, self.mark, takes_helm=self.desired.config.take_over)
