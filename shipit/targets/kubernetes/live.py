"""What the API server answers, as values: every type is checked here, where it enters. Pure.

Source: Kubernetes API reference, ObjectMeta, Deployment, StatefulSet, DaemonSet, Job, Pod, Event.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from shipit.digest import Digest, parse_digest
from shipit.http.fields import Field
from shipit.targets.kubernetes.fields import Owned, parse_owned
from shipit.targets.kubernetes.render import MANAGED_BY, Manifest

REVISION = "deployment.kubernetes.io/revision"
_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?", re.ASCII)
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?Z", re.ASCII)
_WORKLOADS = {
    ("apps", "Deployment"), ("apps", "StatefulSet"), ("apps", "DaemonSet"), ("apps", "ReplicaSet"), ("batch", "Job"), ("", "Pod"),
}  # fmt: skip


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
    """An object as the API server has it: whole, as `manifest`, and what we look at with its types checked. `pod` where it is one.

    `data` is what a Secret holds.
    """

    kind: str
    meta: Meta
    manifest: Manifest = field(repr=False)
    spec: Spec = _NO_SPEC
    status: Status = _NO_STATUS
    pod: Pod | None = None
    data: Mapping[str, bytes] = field(default_factory=dict, repr=False)


class Happening(NamedTuple):
    """An event of the cluster: of which object, and what was said."""

    kind: str
    name: str
    type: str
    reason: str
    message: str


def parse_live(part: Field) -> Live:
    """An object of any kind; of those that we look into, what we look at. Raises: RemoteError."""
    kind, version = part["kind"].required(), part["apiVersion"].required()
    meta, manifest = parse_meta(part["metadata"]), dict(part.map())
    if (version, kind) == ("v1", "Secret"):
        return Live(kind, meta, manifest, data=_data(part["data"]))
    if (version, kind) == ("v1", "Service"):
        return Live(kind, meta, manifest, Spec(selector=part["spec"]["selector"].texts()))
    if (version.rpartition("/")[0], kind) not in _WORKLOADS:
        return Live(kind, meta, manifest)
    pod = parse_pod(part) if kind == "Pod" else None
    return Live(kind, meta, manifest, _spec(part["spec"], kind), _status(part["status"]), pod)


def parse_meta(part: Field) -> Meta:
    name = part["name"].required()
    return Meta(
        name=name,
        namespace=part["namespace"].text(),
        uid=part["uid"].text(),
        version=part["resourceVersion"].text(),
        generation=part["generation"].whole(),
        labels=part["labels"].texts(),
        annotations=part["annotations"].texts(),
        owners=frozenset(row["uid"].text() for row in part["ownerReferences"].rows()),
        finalizers=tuple(row.text() for row in part["finalizers"].rows()),
        is_deleting=not part["deletionTimestamp"].is_missing,
        managers=tuple(_manager(row) for row in part["managedFields"].rows()),
    )


def parse_pod(part: Field) -> Pod:
    meta, status = parse_meta(part["metadata"]), part["status"]
    if not _NAME.fullmatch(meta.name):
        raise part["metadata"]["name"].wrong("should be the name of a pod")
    rows = [*status["initContainerStatuses"].rows(), *status["containerStatuses"].rows()]
    return Pod(
        meta,
        _images(part["spec"]),
        status["phase"].text("Pending"),
        _conditions(status),
        tuple(_container(row) for row in rows),
    )


def parse_event(part: Field) -> Happening:
    about = part["involvedObject"]
    texts = (about["kind"], about["name"], part["type"], part["reason"], part["message"])
    return Happening(*(text.text() for text in texts))


def _data(part: Field) -> dict[str, bytes]:
    """What a Secret holds. Raises: RemoteError naming the key, and no value."""
    return {key: _decoded(value) for key, value in part.items()}


def _decoded(part: Field) -> bytes:
    try:
        return base64.b64decode(part.text(), validate=True)
    except (binascii.Error, ValueError):
        raise part.wrong("should be base64") from None


def _manager(part: Field) -> Manager:
    time = part["time"].text()
    if time and not _TIME.fullmatch(time):
        raise part["time"].wrong("should be a time such as 2026-01-31T12:00:00Z")
    texts = (part["manager"].text(), part["operation"].text(), part["subresource"].text(), time)
    return Manager(*texts, parse_owned(part["fieldsV1"]))


def _spec(part: Field, kind: str) -> Spec:
    pod = part if kind == "Pod" else part["template"]["spec"]
    replicas = part["replicas"]
    return Spec(
        replicas=None if replicas.is_missing else replicas.whole(),
        images=_images(pod),
        selector=part["selector"]["matchLabels"].texts(),
        on_delete=part["updateStrategy"]["type"].text() == "OnDelete",
    )


def _images(part: Field) -> dict[str, str]:
    return {row["name"].required(): row["image"].text() for row in part["containers"].rows()}


def _status(part: Field) -> Status:
    """Deployments, sets and daemons call the same numbers by different names."""
    return Status(
        observed_generation=part["observedGeneration"].whole(),
        replicas=part["replicas"].whole(),
        updated=part["updatedReplicas"].whole() or part["updatedNumberScheduled"].whole(),
        available=part["availableReplicas"].whole() or part["numberAvailable"].whole(),
        ready=part["readyReplicas"].whole() or part["numberReady"].whole(),
        desired=part["desiredNumberScheduled"].whole(),
        phase=part["phase"].text(),
        conditions=_conditions(part),
    )


def _conditions(part: Field) -> tuple[Condition, ...]:
    return tuple(
        Condition(row["type"].text(), row["status"].text(), row["reason"].text(), row["message"].text())
        for row in part["conditions"].rows()
    )


def _container(part: Field) -> Container:
    state, waiting = part["state"], part["state"]["waiting"]
    return Container(
        name=part["name"].required(),
        restarts=part["restartCount"].whole(),
        digest=parse_image_id(part["imageID"].text()),
        waiting=None if waiting.is_missing else (waiting["reason"].text(), waiting["message"].text()),
        ended=_ended(state["terminated"]),
        last=_ended(part["lastState"]["terminated"]),
    )


def _ended(part: Field) -> Ended | None:
    if part.is_missing:
        return None
    return Ended(part["exitCode"].whole(), part["reason"].text("Error"), part["message"].text())


def parse_image_id(text: str) -> Digest | None:
    """The digest that a kubelet tells of a running image: of its manifest or index, or of its config; None where it tells none.

    Source: the forms of container runtimes: `REPO@DIGEST`, `docker-pullable://REPO@DIGEST`, `docker://DIGEST`, `DIGEST`.
    """
    return parse_digest(text.rpartition("@")[2].rpartition("//")[2])
