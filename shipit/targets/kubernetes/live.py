"""Objects of a cluster as values: what we look at of each kind. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from shipit.digest import Digest
from shipit.targets.kubernetes.fields import Owned
from shipit.targets.kubernetes.render import MANAGED_BY, Manifest

REVISION = "deployment.kubernetes.io/revision"


class Manager(NamedTuple):
    """Who wrote fields of an object, how (`Apply` or `Update`), at which time, and which. `time` is RFC 3339 in UTC, or empty."""

    name: str
    operation: str
    subresource: str
    time: str
    owned: Owned

    @property
    def is_ours(self) -> bool:
        return self.name == MANAGED_BY and self.operation == "Apply" and not self.subresource


class Meta(NamedTuple):
    """`owners` are uids."""

    name: str
    namespace: str = ""
    uid: str = ""
    version: str = ""
    generation: int = 0
    labels: Mapping[str, str] = {}
    annotations: Mapping[str, str] = {}
    owners: frozenset[str] = frozenset()
    finalizers: tuple[str, ...] = ()
    is_deleting: bool = False
    managers: tuple[Manager, ...] = ()


class Condition(NamedTuple):
    type: str
    status: str
    reason: str = ""
    message: str = ""


class Spec(NamedTuple):
    """What a workload wants of its pods. `replicas` is None where it says nothing; `images`: container -> image."""

    replicas: int | None = None
    images: Mapping[str, str] = {}
    selector: Mapping[str, str] = {}
    on_delete: bool = False


class Status(NamedTuple):
    """Of a workload: how many pods there are, and of how many it is said what."""

    observed_generation: int = 0
    replicas: int = 0
    updated: int = 0
    available: int = 0
    ready: int = 0
    desired: int = 0
    phase: str = ""
    conditions: tuple[Condition, ...] = ()

    def condition(self, kind: str) -> Condition | None:
        return next((row for row in self.conditions if row.type == kind), None)


class Ended(NamedTuple):
    """How a container's run ended. `signal` is 0 for none."""

    exit_code: int
    reason: str
    message: str = ""


class Container(NamedTuple):
    """One container of a pod as the kubelet tells of it. `waiting` is a reason and a message; `digest` is of its image, where it is told."""

    name: str
    restarts: int = 0
    digest: Digest | None = None
    waiting: tuple[str, str] | None = None
    ended: Ended | None = None
    last: Ended | None = None
    is_running: bool = False
    # Of those that end before the others start; a sidecar is none.
    is_init: bool = False


class Pod(NamedTuple):
    """`images`: container -> image, of those that are not init containers; `containers` are init containers, too."""

    meta: Meta
    images: Mapping[str, str] = {}
    phase: str = "Pending"
    conditions: tuple[Condition, ...] = ()
    containers: tuple[Container, ...] = ()

    @property
    def is_ready(self) -> bool:
        return any(row.type == "Ready" and row.status == "True" for row in self.conditions)


_NO_SPEC, _NO_STATUS = Spec(), Status()


@dataclass(frozen=True)
class Live:
    """An object: `manifest` is all of it, the other fields are checked for their types. `pod` is None for other kinds."""

    kind: str
    meta: Meta
    manifest: Manifest = field(repr=False)
    spec: Spec = _NO_SPEC
    status: Status = _NO_STATUS
    pod: Pod | None = None


class Happening(NamedTuple):
    """An event of the cluster: of which object, and what was said."""

    kind: str
    name: str
    type: str
    reason: str
    message: str
