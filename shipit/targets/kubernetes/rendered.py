"""What is applied to a namespace for a whole release, whatever it has already. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from shipit.release import Release, RenderedPart
from shipit.targets.kubernetes.applyset import render_parent
from shipit.targets.kubernetes.desired import Desired
from shipit.targets.kubernetes.drift import stamp
from shipit.targets.kubernetes.env_secret import wanted_env_secret
from shipit.targets.kubernetes.objects import is_namespace
from shipit.targets.kubernetes.observed import KubernetesObserved, key_of
from shipit.targets.kubernetes.prune import wanted_scope
from shipit.targets.kubernetes.release_job import wanted_release_job
from shipit.targets.kubernetes.render import Manifest
from shipit.targets.kubernetes.render_secrets import render_pull_secret
from shipit.targets.kubernetes.sealed import is_secret
from shipit.targets.kubernetes.wanted import Wanted, want_all, with_replicas


def render_release(desired: Desired, release: Release, observed: KubernetesObserved) -> tuple[RenderedPart, ...]:
    """The manifests in the order in which they are applied. Secrets have the keys of their data, without the values."""
    return tuple(_part(item, desired.namespace) for item in _manifests(desired, release, observed))


def _manifests(desired: Desired, release: Release, observed: KubernetesObserved) -> Iterator[Manifest]:
    setting = desired.setting_of(observed)
    objects = want_all(tuple(desired.manifests(release, observed)), observed, desired.namespace)
    # As in a plan: the namespace of the target comes before what is in it.
    first = [wanted for wanted in objects if is_namespace(wanted.manifest, desired.namespace)]
    yield from map(_applied, first)
    yield render_parent(desired.set_name, desired.namespace, wanted_scope(desired))
    if secret := wanted_env_secret(desired, release, observed):
        yield stamp(secret)
    if setting.pull_secret:
        yield stamp(render_pull_secret(setting, {}))
    if job := wanted_release_job(desired, release, setting):
        yield stamp(job)
    yield from (_applied(wanted) for wanted in objects if wanted not in first)


def _applied(wanted: Wanted) -> Manifest:
    return with_replicas(wanted.manifest, wanted.replicas, wanted.live)


def _part(manifest: Manifest, namespace: str) -> RenderedPart:
    key = key_of(manifest, namespace)
    if not is_secret(manifest):
        return RenderedPart(key, manifest)
    names = tuple(manifest.get("data") or ())
    return RenderedPart(key, {**manifest, "data": dict.fromkeys(names, "")}, names)
