"""Notes of a plan on workloads that run as root, or as a user that the kubelet can't tell from root. Pure.

Source: Kubernetes documentation, "Pod Security Standards", "Running as Non-root".
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from shipit.release import Image, Release
from shipit.targets.kubernetes.concise.image_user import is_numbered, is_root
from shipit.targets.kubernetes.concise.workload import WorkloadConfig
from shipit.targets.kubernetes.desired import Desired, other_images

_SAY = "write security: {user: NUMBER}"
_MEANT = "security: {root: true} says that it is meant"


def root_notes(desired: Desired, release: Release) -> Iterator[str]:
    """A note for each image whose user is not known to be another than root, with the workloads that run it so."""
    found: dict[Image, list[str]] = defaultdict(list)
    for name, workload in desired.config.workloads.items():
        if workload.security.root is None and workload.security.user is None:
            for image in _images(desired, workload, release):
                found[image].append(desired.workload_name(name))
    for image, names in found.items():
        if is_root(image.user) or not is_numbered(image.user):
            yield f"{', '.join(names)}: {_said(image, is_used=not image.use.publish)}"


def _images(desired: Desired, workload: WorkloadConfig, release: Release) -> Iterator[Image]:
    names = [desired.project.image_name(name) for name in (workload.image, *other_images(workload))]
    yield from (image for image in release.images if image.name in names)


def _said(image: Image, *, is_used: bool) -> str:
    if is_root(image.user):
        to_do = _SAY if is_used else f"end its Dockerfile with USER 1000, or {_SAY}"
        return f"the image {image.name} runs as root: {to_do}; {_MEANT}"
    name = image.user.partition(":")[0]
    to_do = _SAY if is_used else f"write USER with its number in the Dockerfile, or {_SAY}"
    return f"the image {image.name} runs as {name}, and by the name the kubelet can't tell that it is not root: {to_do}"
