"""Objects of a cluster as values: what we look at of each kind. Pure."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, NamedTuple

from shipit.digest import Digest
from shipit.targets.kubernetes.fields import Owned, joined
from shipit.targets.kubernetes.render import MANAGED_BY, Manifest

REVISION = "deployment.kubernetes.io/revision"
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
# A field manager of this name has fields that `kubectl apply` set under another apiVersion, until they are removed.
ADOPTING = f"{MANAGED_BY}-adopting-"
# The field manager of Helm: an Update of Helm 3, an Apply of Helm 4.
HELM = "helm"


class Manager(NamedTuple):
    """A field manager of an object: `operation` is `Apply` or `Update`, `time` RFC 3339 in UTC or empty, `owned` its fields.

    `api_version` is the one whose names the fields have. `is_left`: shipit takes its fields over, because the target says so.
    """

    name: str
    operation: str
    subresource: str
    time: str
    owned: Owned
    api_version: str = ""
    is_left: bool = False

    @property
    def is_ours(self) -> bool:
        return self.name == MANAGED_BY and self.operation == "Apply" and not self.subresource

    @property
    def is_adopting(self) -> bool:
        return self.name.startswith(ADOPTING) and self.operation == "Apply"

    @property
    def is_helm(self) -> bool:
        return self.name == HELM and not self.subresource

    @property
    def is_another_tool(self) -> bool:
        """True for a tool beside shipit that applies fields on the server's side."""
        return self.operation == "Apply" and not (self.is_ours or self.is_adopting or self.is_left)

    @property
    def has_last_applied(self) -> bool:
        """True for `kubectl apply` without --server-side, which owns the last applied configuration."""
        if self.operation != "Update" or self.subresource:
            return False
        metadata = self.owned.fields.get("metadata")
        annotations = metadata.fields.get("annotations") if metadata else None
        return annotations is not None and LAST_APPLIED in annotations.fields


def taken_over(managers: Sequence[Manager]) -> list[Manager]:
    """The entries of `kubectl apply`, which shipit takes over, and those of Helm that are left to it.

    There is one for each apiVersion, and the last applied configuration is in only one of them. The same on raw rows:
    `adoption._entries`.
    """
    names = {manager.name for manager in managers if manager.has_last_applied}
    return [
        manager
        for manager in managers
        if manager.is_adopting
        or manager.is_left
        or (manager.name in names and manager.operation == "Update" and not manager.subresource)
    ]


def applied_part(managers: Sequence[Manager]) -> Owned | None:
    """The fields that shipit applied, and those of `kubectl apply`, which shipit takes over; None where there are none."""
    found = [manager.owned for manager in (*(one for one in managers if one.is_ours), *taken_over(managers))]
    return joined(found) if found else None


class Meta(NamedTuple):
    """`owners` are uids. `created` is RFC 3339 in UTC."""

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
    created: str = ""


class Condition(NamedTuple):
    type: str
    status: str
    reason: str = ""
    message: str = ""


class Spec(NamedTuple):
    """The spec of a workload. `replicas` is None where it is not set; `images`: container -> image."""

    replicas: int | None = None
    images: Mapping[str, str] = {}
    selector: Mapping[str, str] = {}
    on_delete: bool = False


class Status(NamedTuple):
    """The status of a workload: its counts of pods, phase and conditions."""

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
    """How a run of a container ended. `started` and `finished` are RFC 3339 in UTC, or empty."""

    exit_code: int
    reason: str
    message: str = ""
    started: str = ""
    finished: str = ""

    @property
    def is_failure(self) -> bool:
        # The first process may exit with 0 when another one of the container was killed.
        return bool(self.exit_code) or self.reason == "OOMKilled"


class Container(NamedTuple):
    """The status of a container. `waiting` is a reason and a message; `digest` is that of its image, where the kubelet reports one.

    `started` is when the current run began, RFC 3339 in UTC, or empty.
    """

    name: str
    restarts: int = 0
    digest: Digest | None = None
    waiting: tuple[str, str] | None = None
    ended: Ended | None = None
    last: Ended | None = None
    is_running: bool = False
    # An init container that ends before the others start; False for sidecars.
    is_init: bool = False
    started: str = ""

    @property
    def waiting_reason(self) -> str:
        return self.waiting[0] if self.waiting else ""

    @property
    def is_looping(self) -> bool:
        """Whether the kubelet waits before it starts a container again that ended several times."""
        return self.waiting_reason == "CrashLoopBackOff"


class Pod(NamedTuple):
    """`images`: container -> image, without init containers; `containers` includes them. `claims` are its PersistentVolumeClaims."""

    meta: Meta
    images: Mapping[str, str] = {}
    phase: str = "Pending"
    conditions: tuple[Condition, ...] = ()
    containers: tuple[Container, ...] = ()
    restart_policy: str = "Always"
    claims: tuple[str, ...] = ()

    @property
    def is_ready(self) -> bool:
        return any(row.type == "Ready" and row.status == "True" for row in self.conditions)


_NO_SPEC, _NO_STATUS = Spec(), Status()


class _Live(NamedTuple):
    kind: str
    meta: Meta
    manifest: Manifest
    spec: Spec = _NO_SPEC
    status: Status = _NO_STATUS
    pod: Pod | None = None


class Live(_Live):
    """An object: `manifest` is all of it, the other fields are checked for their types. `pod` is None for other kinds."""

    def __repr__(self) -> str:
        """Without the manifest, which may hold secrets."""
        return f"Live({self.kind}/{self.meta.name})"

    @cached_property
    def compared(self) -> list[tuple[Any, Any]]:
        """The last comparison, if there was one, which `object_differences` keeps here."""
        return []

    @property
    def wanted_pods(self) -> int:
        """How many pods a workload should have. Without a count, the server makes one."""
        if self.kind == "DaemonSet":
            return self.status.desired
        return 1 if self.spec.replicas is None else self.spec.replicas


def with_helm(live: Live) -> Live:
    """The object with the fields of Helm left to shipit. Of a Secret `stringData` is kept as `data`."""
    managers = tuple(
        one._replace(is_left=True, owned=_with_data(one.owned)) if one.is_helm else one for one in live.meta.managers
    )
    return live._replace(meta=live.meta._replace(managers=managers))


def _with_data(owned: Owned) -> Owned:
    found = [owned.fields[key] for key in ("data", "stringData") if key in owned.fields]
    others = {key: part for key, part in owned.fields.items() if key != "stringData"}
    return owned._replace(fields={**others, "data": joined(found)}) if found else owned


class Happening(NamedTuple):
    """An event of the cluster, about the object of a uid, or one of its containers.

    `time` is when it was last seen, RFC 3339 in UTC, or empty; `occurrences` how often.
    """

    kind: str
    name: str
    type: str
    reason: str
    message: str
    namespace: str = ""
    uid: str = ""
    container: str = ""
    occurrences: int = 1
    time: str = ""


def job_state(job: Live) -> str:
    """The state of a Job: `running`, `succeeded` or `failed`."""
    for condition in job.status.conditions:
        if condition.status == "True" and condition.type in ("Complete", "Failed"):
            return "succeeded" if condition.type == "Complete" else "failed"
    return "running"
