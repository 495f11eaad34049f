"""A workload to render. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from shipit.targets.kubernetes.concise.keys import WorkloadKeys
from shipit.targets.kubernetes.concise.render.files import Files
from shipit.targets.kubernetes.render import Setting


class Work(NamedTuple):
    """`image` is that of the workload, `images`: name -> image of its other containers. `users`: image -> user of its config,
    which is empty for root. `files`: path -> content.

    `slot` is the name of the Deployment that the Service selects, of a workload that has several; empty where it has its name.
    """

    name: str
    config: WorkloadKeys
    image: str
    config_digest: str
    setting: Setting
    images: Mapping[str, str] = {}
    files: Files = {}
    slot: str = ""
    users: Mapping[str, str] = {}

    @property
    def runner(self) -> str:
        """The name of what runs the pods, which their labels have."""
        return self.slot or self.name

    def image_of(self, name: str | None) -> str:
        """The image of one of its containers: that of the workload where it names none."""
        return self.image if name is None or name == self.config.image else self.images.get(name, "")

    def user_of(self, name: str | None) -> str:
        """The user that the image of one of its containers runs as."""
        return self.users.get(self.image_of(name), "")
