"""The steps of a deploy to a namespace, as data: they apply from their JSON in another process. Pure.

A manifest in a step is whole, except that a Secret has keyed hashes in place of its values: the values are read again
from the session or from the manifest's file when the step is applied.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal, NamedTuple

from shipit.printable import FreeJson, FreeText, Name
from shipit.release import Step


class FieldChange(NamedTuple):
    """A field that a step changes. `before` and `after` are its values: null where it is not there, keyed hashes in a Secret.

    `by` is the field manager that set the value of before, and `at` when, RFC 3339; empty where that was shipit.
    """

    path: FreeText
    before: FreeJson = None
    after: FreeJson = None
    by: FreeText = ""
    at: FreeText = ""


@dataclass(frozen=True, kw_only=True)
class ObjectStep(Step):
    """A step on one object. `version` is its resourceVersion in the plan, empty where the object did not exist.

    `known` are hashes of the differences between the object and the manifest in the plan: another difference when the
    step is applied means that somebody else changed the object since. `adopts` is whether fields that `kubectl apply` owns
    become shipit's first. `changes` are the fields that change, of an object that was there; `detail` has them as text.
    """

    releases: ClassVar[frozenset[str] | None] = frozenset({"manifest"})
    # It changes with the status, too. What applying changes is in `known` and `detail`.
    unstable: ClassVar[frozenset[str]] = frozenset({"version"})
    hashes: ClassVar[frozenset[str]] = frozenset({"known"})

    manifest: Mapping[str, FreeJson]
    version: str = ""
    known: tuple[str, ...] = ()
    adopts: bool = False
    changes: tuple[FieldChange, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ApplyObject(ObjectStep):
    """Applies a manifest. `replicas` is the initial count where an autoscaler sets it; the manifest then has none."""

    type: ClassVar[str] = "kubernetes.apply"

    replicas: FreeJson = None


@dataclass(frozen=True, kw_only=True)
class ReplaceObject(ObjectStep):
    """Deletes the object of a uid, then creates the manifest: Pods and Jobs can't be changed in place."""

    type: ClassVar[str] = "kubernetes.replace"

    uid: str


@dataclass(frozen=True, kw_only=True)
class ApplySecret(ObjectStep):
    """Copies a Secret to `previous`, then applies the new values. `previous` is empty for a Secret that is named by its values.

    The values are those of the Secret in the manifest `file`, or the session's secrets where `file` is empty.
    """

    type: ClassVar[str] = "kubernetes.secret"

    previous: Name
    file: FreeText = ""


@dataclass(frozen=True, kw_only=True)
class RestoreSecret(ObjectStep):
    """Applies the values that the Secret `previous` has, which was copied from the resourceVersion `copied_from`.

    That is empty for a copy that is named by its values.
    """

    type: ClassVar[str] = "kubernetes.restore_secret"

    previous: Name
    copied_from: str


@dataclass(frozen=True, kw_only=True)
class ApplyPullSecret(Step):
    """Writes the registry credentials in use to the Secret of a name."""

    type: ClassVar[str] = "kubernetes.pull_secret"
    tells_all: ClassVar[bool] = False

    name: Name


@dataclass(frozen=True, kw_only=True)
class RunReleaseJob(Step):
    """Runs a Job to its end. `failed` is the uid of an earlier run that failed, which is deleted first.

    `forget` are the names of the Jobs of earlier releases, which are deleted when this one succeeded.
    """

    type: ClassVar[str] = "kubernetes.release_job"
    releases: ClassVar[frozenset[str] | None] = frozenset({"manifest"})

    manifest: Mapping[str, FreeJson]
    failed: str = ""
    forget: tuple[Name, ...] = ()


@dataclass(frozen=True, kw_only=True)
class DeleteObject(Step):
    """Deletes the object of a uid. `manifest` has apiVersion, kind and name only."""

    type: ClassVar[str] = "kubernetes.delete"

    manifest: Mapping[str, FreeJson]
    uid: str


@dataclass(frozen=True, kw_only=True)
class ScaleObject(Step):
    """Sets the number of replicas of the object of a uid. `manifest` has apiVersion, kind, namespace and name only."""

    type: ClassVar[str] = "kubernetes.scale"

    manifest: Mapping[str, FreeJson]
    uid: str
    replicas: int


@dataclass(frozen=True, kw_only=True)
class RestartObject(Step):
    """Rolls out the pods of the object of a uid again. `at` is when that was asked for, RFC 3339 in UTC."""

    type: ClassVar[str] = "kubernetes.restart"

    manifest: Mapping[str, FreeJson]
    uid: str
    at: str


@dataclass(frozen=True, kw_only=True)
class RunCanary(Step):
    """Gives the canary of a workload its number of pods, waits until they are ready, and watches them for `pause_s`.

    `manifest` is the whole Deployment of the canary, `stable` the key of the one that it is a canary of. `check` is a path
    that each of its pods, or a URL that answers 2xx all the time; empty for none. When a pod fails, the canary is deleted.
    """

    type: ClassVar[str] = "kubernetes.canary"

    manifest: Mapping[str, FreeJson]
    stable: Name
    percent: int
    pause_s: float
    check: FreeText = ""


@dataclass(frozen=True, kw_only=True)
class EndCanary(Step):
    """Deletes the canary of a workload, if it exists. `manifest` has apiVersion, kind, namespace and name only."""

    type: ClassVar[str] = "kubernetes.end_canary"
    after_healthy: ClassVar[bool] = True

    manifest: Mapping[str, FreeJson]


@dataclass(frozen=True, kw_only=True)
class AwaitPods(Step):
    """Waits until the pods of a Deployment are ready, before a Service of a name selects them. `manifest` is the whole Deployment.

    `check` is a path that each pod answers with 2xx; empty for none. When a pod fails, the Deployment is deleted.
    """

    type: ClassVar[str] = "kubernetes.await_pods"

    manifest: Mapping[str, FreeJson]
    service: Name
    check: FreeText = ""


class Doomed(NamedTuple):
    """An object that was deleted, and may be there still. `manifest` has apiVersion, kind, name and namespace only."""

    manifest: Mapping[str, FreeJson]
    uid: str


@dataclass(frozen=True, kw_only=True)
class WidenApplySet(Step):
    """Adds kinds (`Kind.group`) and namespaces to what the parent of the target's ApplySet says; creates the parent."""

    type: ClassVar[str] = "kubernetes.widen_set"

    name: Name
    kinds: tuple[Name, ...] = ()
    namespaces: tuple[Name, ...] = ()


@dataclass(frozen=True, kw_only=True)
class RemoveObject(Step):
    """Deletes a member of the target's ApplySet, without waiting. It must have this uid, and the label of the set still.

    `manifest` has apiVersion, kind, name and namespace only.
    """

    type: ClassVar[str] = "kubernetes.remove"
    after_healthy: ClassVar[bool] = True

    manifest: Mapping[str, FreeJson]
    uid: str
    propagation: Literal["Background", "Foreground"] = "Background"
    # A StatefulSet may delete its volumes with itself: it is told to retain them first.
    keep_data: bool = False


@dataclass(frozen=True, kw_only=True)
class NarrowApplySet(Step):
    """Waits until objects are gone, then removes kinds and namespaces from the parent of the target's ApplySet."""

    type: ClassVar[str] = "kubernetes.narrow_set"
    after_healthy: ClassVar[bool] = True

    name: Name
    gone: tuple[Doomed, ...] = ()
    kinds: tuple[Name, ...] = ()
    namespaces: tuple[Name, ...] = ()


@dataclass(frozen=True, kw_only=True)
class RemoveApplySet(Step):
    """Waits until objects are gone, then deletes the parent of the target's ApplySet."""

    type: ClassVar[str] = "kubernetes.remove_set"

    name: Name
    gone: tuple[Doomed, ...] = ()
