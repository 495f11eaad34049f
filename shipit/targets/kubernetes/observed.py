"""A namespace as observed, as plain values, and how objects are named. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeVar

from shipit.targets.kubernetes.applyset import ObservedSet
from shipit.targets.kubernetes.live import Happening, Live, Meta, Pod

T = TypeVar("T")


def key_of(manifest: Mapping[str, Any], namespace: str) -> str:
    """`Kind/name`, with another namespace in front of the name where there is one; `Kind.group/name` for custom resources.

    The version is left out: versions of one group are the same objects.
    """
    metadata = manifest["metadata"]
    own = metadata.get("namespace") or namespace
    name = metadata["name"] if own == namespace else f"{own}/{metadata['name']}"
    group = str(manifest.get("apiVersion") or "").rpartition("/")[0]
    # Groups with a dot are those of custom resources, except Kubernetes' own, whose kinds are unique.
    kind = f"{manifest['kind']}.{group}" if "." in group and not group.endswith(".k8s.io") else manifest["kind"]
    return f"{kind}/{name}"


@dataclass(frozen=True)
class KubernetesObserved:
    """`objects`: key -> live object, or None. Secrets have keyed hashes in place of their values.

    `secret` is the Secret of the env, and `secret_marks`: name -> keyed hash of each of its values. `secret_name` and
    `secret_mark` are the name and the annotation that it has, or gets when its values change. `wanted_marks`: key of a Secret among the manifests -> name
    -> keyed hash of each value there. `contents`: key of such a Secret that pods use -> the annotation with the hash of its
    data; empty where it was applied without one and keeps its values. `pull_secret_current` is None without `pull_secret`. `jobs` are the release Jobs
    of the app. `applied_set` is the ApplySet with the members that left deploy.yml. These three are None and empty where a
    release is verified. `serving`: name of a Service -> how it answers; empty until it is probed. `previews`: key -> what a
    dry run of a release gave, of the objects that may change; empty until one was made. `events` are those of the namespaces,
    None where they were not read: they are when something is not ready. `ingress_classes`: name -> whether it is the default
    one, None where they were not read. `time` is when it was observed, RFC 3339, where a plan depends on it, else empty.
    """

    objects: Mapping[str, Live | None]
    pods: tuple[Pod, ...] = ()
    replica_sets: tuple[Meta, ...] = ()
    jobs: tuple[Live, ...] = ()
    secret_marks: Mapping[str, str] = field(default_factory=dict)
    secret_mark: str = ""
    pull_secret_current: bool | None = None
    secret: Live | None = field(default=None, repr=False)
    serving: Mapping[str, Serving] = field(default_factory=dict)
    wanted_marks: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    contents: Mapping[str, str] = field(default_factory=dict)
    secret_name: str = ""
    applied_set: ObservedSet | None = None
    previews: Mapping[str, Preview] = field(default_factory=dict)
    events: tuple[Happening, ...] | None = None
    ingress_classes: Mapping[str, bool] | None = None
    time: str = ""

    @cached_property
    def pods_by_owner(self) -> Mapping[str, Sequence[Pod]]:
        """uid -> the pods that it owns, without those that are being deleted."""
        return _by_owner((pod for pod in self.pods if not pod.meta.is_deleting), lambda pod: pod.meta)

    @cached_property
    def sets_by_owner(self) -> Mapping[str, Sequence[Meta]]:
        """uid -> the ReplicaSets that it owns."""
        return _by_owner(self.replica_sets, lambda row: row)


def _by_owner(items: Iterable[T], meta: Callable[[T], Meta]) -> dict[str, list[T]]:
    found: dict[str, list[T]] = {}
    for item in items:
        for uid in meta(item).owners:
            found.setdefault(uid, []).append(item)
    return found


@dataclass(frozen=True)
class Serving:
    """How a Service answers. `endpoints` counts those that are ready, None where this user may not read them; `ready_pods`
    counts the ready pods that it selects.

    `status` is the HTTP status of `path` through the Service: 0 for no answer, None where it was not requested; `said` is why.
    """

    endpoints: int | None = None
    ready_pods: int = 0
    path: str = ""
    status: int | None = None
    said: str = ""


@dataclass(frozen=True)
class Preview:
    """The object as applying a manifest would leave it, with keyed hashes for the values of a Secret.

    Without a `result` the object is new or has to be replaced: `is_replaced` where its manifest allows that.
    `unchecked` says why the server was not asked.
    """

    result: Live | None = None
    unchecked: str = ""
    is_replaced: bool = False


NO_PREVIEW = Preview()
