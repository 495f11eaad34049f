"""The images of deploy.yml as places use them."""

from __future__ import annotations

from shipit.config.project import Project
from shipit.release import ImageUse


def image_use(project: Project, name: str, *, is_sent: bool = False) -> ImageUse:
    """An image that is pulled by its digest; with `is_sent`, one that goes to its place without a registry."""
    config = project.images[name]
    if config.use:
        return ImageUse(name, config.use, "oci", config.platform, None, (), publish=False)
    if is_sent:
        return ImageUse(name, "", "oci", config.platform, publish=False)
    return ImageUse(name, config.repository or "", "oci", config.platform, None, project.tags(name))
