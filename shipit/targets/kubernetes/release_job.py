"""The Job of the release command, as an object. Pure."""

from __future__ import annotations

from shipit.release import Release
from shipit.targets.kubernetes.applyset import labelled
from shipit.targets.kubernetes.concise.render.security import container_security, pod_security
from shipit.targets.kubernetes.concise.security import SecurityConfig
from shipit.targets.kubernetes.desired import Desired
from shipit.targets.kubernetes.drift import fingerprint
from shipit.targets.kubernetes.render import Manifest, Setting, render_job


def wanted_release_job(desired: Desired, release: Release, setting: Setting) -> Manifest | None:
    """The Job of a release, whose name has a hash of its manifest; None without a release command."""
    wanted = desired.release_command
    if wanted is None:
        return None
    image = desired.image(desired.project.image_name(wanted.image), release)
    unnamed = render_job("release", wanted.command, image.pinned, setting)
    name = f"{desired.job_prefix}{fingerprint({**unnamed, 'mark': setting.secret_mark})[:10]}"
    # Without the label and the security in the name's hash: adding them must not run the command again.
    security = _security_of(desired, image.name)
    rights = pod_security(security), container_security(security, image.user)
    return labelled(render_job(name, wanted.command, image.pinned, setting, *rights), desired.set_id)


def _security_of(desired: Desired, image: str) -> SecurityConfig:
    """That of the first workload with an image, without a read-only root: the release command has no volumes."""
    workloads = desired.config.workloads.values()
    found = next(
        (one.security for one in workloads if desired.project.image_name(one.image) == image), SecurityConfig()
    )
    return found.model_copy(update={"writable": None})
