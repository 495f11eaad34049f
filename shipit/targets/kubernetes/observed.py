"""A namespace as observed, as plain values, and how objects are named. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from shipit.release import short
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

    `secret` is the env's Secret itself, which no plan or event may hold. `pull_secret_current` is None where no pull secret is asked for. `jobs` are this app's release Jobs, newest last.
    """

    objects: Mapping[str, Manifest | None]
    pods: tuple[Manifest, ...] = ()
    replica_sets: tuple[Manifest, ...] = ()
    jobs: tuple[Manifest, ...] = ()
    secret_marks: Mapping[str, str] = field(default_factory=dict)
    secret_annotation: str = ""
    pull_secret_current: bool | None = None
    secret: Manifest | None = field(default=None, repr=False)


def owned_by(item: Manifest, uid: str) -> bool:
    return any(owner.get("uid") == uid for owner in item["metadata"].get("ownerReferences") or [])


def describe_object(key: str, live: Manifest | None) -> Iterator[str]:
    """What runs, as lines for `status`; none for what does not run."""
    if live is None:
        yield f"{key}  not there"
        return
    status, spec = live.get("status") or {}, live.get("spec") or {}
    if live.get("kind") not in ("Deployment", "StatefulSet", "DaemonSet", "Pod"):
        return
    template = (spec.get("template") or {}).get("spec") or spec
    digests = [
        short(c["image"].rpartition("@")[2]) if "@" in c.get("image", "") else c.get("image", "")
        for c in template.get("containers") or []
    ]
    state = (
        status.get("phase")
        or f"{status.get('readyReplicas', status.get('numberReady', 0))}/{spec.get('replicas', 1)} ready"
    )
    yield f"{key}  {state}  {', '.join(digests)}"
