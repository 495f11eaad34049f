"""From an answer of the API server to values: every type is checked here, where it enters. Pure.

Source: Kubernetes API reference, ObjectMeta, Deployment, StatefulSet, DaemonSet, Job, Pod, Event.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Collection

from shipit.digest import Digest, parse_digest
from shipit.http.fields import Field
from shipit.targets.kubernetes.fields import parse_owned
from shipit.targets.kubernetes.kubeconfig import check_namespace
from shipit.targets.kubernetes.live import (
    Condition,
    Container,
    Ended,
    Happening,
    Live,
    Manager,
    Meta,
    Pod,
    Spec,
    Status,
)
from shipit.targets.kubernetes.origin import without_origin

_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?", re.ASCII)
_CONTAINER = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", re.ASCII)
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?Z", re.ASCII)
_FIELD_PATH = re.compile(r"spec\.(?:initContainers|containers|ephemeralContainers)\{([^{}]{1,63})\}", re.ASCII)
_WORKLOADS = {
    ("apps", "Deployment"), ("apps", "StatefulSet"), ("apps", "DaemonSet"), ("apps", "ReplicaSet"), ("", "ReplicationController"),
    ("batch", "Job"), ("", "Pod"),
}  # fmt: skip


def parse_live(part: Field) -> Live:
    """An object of any kind, with the fields that its kind has in `Live`. Raises: RemoteError."""
    kind, version = part["kind"].required(), part["apiVersion"].required()
    meta, manifest = parse_meta(part["metadata"]), without_origin(dict(part.map()))
    if (version, kind) == ("v1", "Secret"):
        _check_data(part["data"])
        return Live(kind, meta, manifest)
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
        namespace=check_namespace(part["namespace"]),
        uid=part["uid"].text(),
        version=part["resourceVersion"].text(),
        generation=part["generation"].whole(),
        labels=part["labels"].texts(),
        annotations=part["annotations"].texts(),
        owners=frozenset(row["uid"].text() for row in part["ownerReferences"].rows()),
        finalizers=tuple(row.text() for row in part["finalizers"].rows()),
        is_deleting=not part["deletionTimestamp"].is_missing,
        managers=tuple(_manager(row) for row in part["managedFields"].rows()),
        created=_time(part["creationTimestamp"]),
    )


def parse_pod(part: Field) -> Pod:
    meta, status = parse_meta(part["metadata"]), part["status"]
    if not _NAME.fullmatch(meta.name):
        raise part["metadata"]["name"].wrong("should be the name of a pod")
    sidecars = {
        row["name"].text() for row in part["spec"]["initContainers"].rows() if row["restartPolicy"].text() == "Always"
    }
    first = [_container(row, sidecars) for row in status["initContainerStatuses"].rows()]
    return Pod(
        meta,
        _images(part["spec"]),
        status["phase"].text("Pending"),
        _conditions(status),
        (*first, *(_container(row) for row in status["containerStatuses"].rows())),
        part["spec"]["restartPolicy"].text("Always"),
        _claims(part["spec"]),
    )


def parse_event(part: Field) -> Happening:
    about, series = part["involvedObject"], part["series"]
    container = _FIELD_PATH.fullmatch(about["fieldPath"].text())
    times = (series["lastObservedTime"], part["lastTimestamp"], part["eventTime"], part["firstTimestamp"])
    return Happening(
        about["kind"].text(),
        about["name"].text(),
        part["type"].text(),
        part["reason"].text(),
        part["message"].text().strip(),
        namespace=about["namespace"].text(),
        uid=about["uid"].text(),
        container=container[1] if container else "",
        occurrences=part["count"].whole() or series["count"].whole(1),
        time=next((time for time in map(_time, times) if time), ""),
    )


def _claims(part: Field) -> tuple[str, ...]:
    names = (row["persistentVolumeClaim"]["claimName"].text() for row in part["volumes"].rows())
    return tuple(name for name in names if name)


def _check_data(part: Field) -> None:
    """That the values of a Secret are base64. Raises: RemoteError with the key, without the value."""
    for _, value in part.items():
        try:
            base64.b64decode(value.text(), validate=True)
        except (binascii.Error, ValueError):
            raise value.wrong("should be base64") from None


def _time(part: Field) -> str:
    """A time in UTC; empty when missing. Raises: RemoteError."""
    time = part.text()
    if time and not _TIME.fullmatch(time):
        raise part.wrong("should be a time such as 2026-01-31T12:00:00Z")
    return time


def _manager(part: Field) -> Manager:
    time = _time(part["time"])
    texts = (part["manager"].text(), part["operation"].text(), part["subresource"].text(), time)
    return Manager(*texts, parse_owned(part["fieldsV1"]), part["apiVersion"].text())


def _spec(part: Field, kind: str) -> Spec:
    pod = part if kind == "Pod" else part["template"]["spec"]
    replicas = part["replicas"]
    return Spec(
        replicas=None if replicas.is_missing else replicas.whole(),
        images=_images(pod),
        selector=_selector(part["selector"], kind),
        on_delete=part["updateStrategy"]["type"].text() == "OnDelete",
    )


def _selector(part: Field, kind: str) -> dict[str, str]:
    """The labels of the pods of a workload. That of a ReplicationController is the map itself."""
    return part.texts() if kind == "ReplicationController" else part["matchLabels"].texts()


def _images(part: Field) -> dict[str, str]:
    return {row["name"].required(): row["image"].text() for row in part["containers"].rows()}


def _status(part: Field) -> Status:
    """The status of a workload; DaemonSets have other names for the same counts."""
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


def _container(part: Field, sidecars: Collection[str] | None = None) -> Container:
    """A container by its status. `sidecars` are the names of those among the init containers; None for other containers."""
    state, waiting = part["state"], part["state"]["waiting"]
    name = part["name"].matching(_CONTAINER, "the name of a container")
    return Container(
        name=name,
        restarts=part["restartCount"].whole(),
        digest=parse_image_id(part["imageID"].text()),
        waiting=None if waiting.is_missing else (waiting["reason"].text(), waiting["message"].text()),
        ended=_ended(state["terminated"]),
        last=_ended(part["lastState"]["terminated"]),
        is_running=not state["running"].is_missing,
        is_init=sidecars is not None and name not in sidecars,
        started=_time(state["running"]["startedAt"]),
    )


def _ended(part: Field) -> Ended | None:
    if part.is_missing:
        return None
    times = (_time(part["startedAt"]), _time(part["finishedAt"]))
    return Ended(part["exitCode"].whole(), part["reason"].text("Error"), part["message"].text(), *times)


def parse_image_id(text: str) -> Digest | None:
    """The digest in an imageID: of the manifest, the index or the config; None where it has none.

    Source: the forms of container runtimes: `REPO@DIGEST`, `docker-pullable://REPO@DIGEST`, `docker://DIGEST`, `DIGEST`.
    """
    return parse_digest(text.rpartition("@")[2].rpartition("//")[2])
