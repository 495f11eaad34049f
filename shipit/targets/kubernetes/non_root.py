"""Containers that the kubelet would not start: they may not be root, and their image is, or has a user without a number.

Source: Kubernetes, pkg/kubelet/kuberuntime/security_context.go, verifyRunAsNonRoot: of a container without `runAsUser`, the user
in the image's config counts, wherever it comes from.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from shipit.errors import ConfigErrors
from shipit.release import Release
from shipit.targets.kubernetes.concise.image_user import is_numbered, is_root
from shipit.targets.kubernetes.desired import Desired
from shipit.targets.kubernetes.object_problems import problem_of
from shipit.targets.kubernetes.objects import containers_of, spec_of, template_of
from shipit.targets.kubernetes.observed import key_of
from shipit.targets.kubernetes.render import Manifest


class Refused(NamedTuple):
    """A container, and the user of its image."""

    container: str
    user: str

    @property
    def why(self) -> str:
        name = self.user.partition(":")[0]
        if is_root(self.user):
            return f"{self.container} may not be root, and its image runs as root"
        return f"{self.container} may not be root, and its image runs as {name}: the kubelet can't tell by a name that this is not root"


def check_users(desired: Desired, manifests: Iterable[Manifest], release: Release) -> None:
    """Check that the kubelet will start every container of an image of deploy.yml. Raises: ConfigErrors."""
    users = {image.pinned: image.user for image in release.images}
    hint = (
        "let the image end with USER and a number, such as 1000, or set runAsUser: security: {user: 1000} in deploy.yml"
    )
    errors = [
        problem_of(desired, key, "", f"{key}: {found.why}", hint)
        for manifest in manifests
        for key in [key_of(manifest, desired.namespace)]
        for found in find_refused(manifest, users)
    ]
    if errors:
        raise ConfigErrors(errors)


def find_refused(manifest: Manifest, users: Mapping[str, str]) -> Iterator[Refused]:
    """The containers of an object that would not start. `users`: image -> the user of its config; others are not looked at."""
    pod = spec_of(template_of(manifest))
    if _part(pod, "os").get("name") == "windows":
        return
    for container in (*containers_of(manifest, "initContainers"), *containers_of(manifest)):
        user = users.get(str(container.get("image")))
        context = {**_part(pod, "securityContext"), **_part(container, "securityContext")}
        is_judged = context.get("runAsNonRoot") is True and "runAsUser" not in context
        if user is not None and is_judged and (is_root(user) or not is_numbered(user)):
            yield Refused(str(container.get("name")), user)


def _part(value: Mapping[str, Any], key: str) -> dict[str, Any]:
    """A map in a map, without null values; empty where it is missing."""
    found = value.get(key)
    return {name: item for name, item in found.items() if item is not None} if isinstance(found, dict) else {}
