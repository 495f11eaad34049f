"""A namespace as observed, as plain values, and how objects are named. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from shipit.release import Unit
from shipit.targets.kubernetes.live import Live, Meta, Pod
from shipit.targets.kubernetes.render import Manifest


def key_of(manifest: Manifest, namespace: str) -> str:
    """`Kind/name`, with another namespace in front of the name where there is one."""
    metadata = manifest["metadata"]
    own = metadata.get("namespace") or namespace
    name = metadata["name"] if own == namespace else f"{own}/{metadata['name']}"
    return f"{manifest['kind']}/{name}"


@dataclass(frozen=True)
class KubernetesObserved:
    """`objects`: key -> live object, or None. `secret_marks`: name -> keyed hash of each value in the env's Secret.

    `secret` is the env's Secret itself, which no plan or event may hold; `secret_mark` is the mark that it has, or will
    have where its values are to change. `pull_secret_current` is None where no pull secret is asked for. `jobs` are
    this app's release Jobs, newest last. `serving`: name of a Service -> how it answers; empty while nobody asked.
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


@dataclass(frozen=True)
class Serving:
    """How a Service answers. `endpoints` are those that are ready, None where nobody may look; `ready_pods` are those it selects.

    `status` is what `path` answered through the Service, 0 for no answer, and None where it was not asked; `said` is why not.
    """

    endpoints: int | None = None
    ready_pods: int = 0
    path: str = ""
    status: int | None = None
    said: str = ""


def describe_object(key: str, live: Live | None) -> Iterator[Unit]:
    """What runs of an object, one unit for `status`; none for what does not run."""
    if live is None:
        yield Unit(key, "not there")
        return
    if live.kind not in ("Deployment", "StatefulSet", "DaemonSet", "Pod"):
        return
    images = ", ".join(live.spec.images.values())
    if live.kind == "Pod":
        yield Unit(key, live.status.phase, images)
        return
    wanted = (
        live.status.desired if live.kind == "DaemonSet" else 1 if live.spec.replicas is None else live.spec.replicas
    )
    yield Unit(key, "", images, wanted, live.status.ready)
