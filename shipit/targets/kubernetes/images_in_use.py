"""The images that a namespace may start. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from shipit.errors import RemoteError
from shipit.targets.kubernetes.images import image_names
from shipit.targets.kubernetes.observed import KubernetesObserved

# Kinds of objects that start no pods.
_WITHOUT_PODS = frozenset(
    ["ConfigMap", "Secret", "Service", "ServiceAccount", "PersistentVolumeClaim", "Ingress", "HorizontalPodAutoscaler"]
    + ["NetworkPolicy", "PodDisruptionBudget", "Role", "RoleBinding", "Namespace"]
)


def images_in_use(observed: KubernetesObserved, target: str) -> frozenset[str]:
    """The images of all objects, wherever their pod templates stand, and of all pods: references and digests.

    Raises: RemoteError where objects that left deploy.yml may start pods: their images are not read.
    """
    found = observed.applied_set
    left = (
        [f"{item.kind}/{item.meta.name}" for item in found.members if item.kind not in _WITHOUT_PODS] if found else []
    )
    if left:
        what = f"the images of {', '.join(left)}, no longer in deploy.yml, are not known"
        raise RemoteError(what, where=target, hint="deploy, or remove them with kubectl")
    unlisted = [text for text in (found.unlisted if found else ()) if not text.startswith("secrets")]
    if unlisted:
        raise RemoteError(f"may not list {', '.join(unlisted)}", where=target, hint="ask for the right to list them")
    return frozenset(_images(observed))


def _images(observed: KubernetesObserved) -> Iterator[str]:
    for live in (*observed.objects.values(), *observed.jobs):
        if live is not None:
            yield from image_names(live.manifest)
    for pod in observed.pods:
        yield from pod.images.values()
        yield from (str(container.digest) for container in pod.containers if container.digest)
