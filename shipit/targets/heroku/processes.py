"""The process types of an app and the image of each: which repository of Heroku's registry it is pushed to. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from shipit.config.project import Project
from shipit.digest import Digest
from shipit.release import ImageUse, Release
from shipit.targets.heroku.config import HerokuConfig, ProcessConfig
from shipit.targets.heroku.observed import RELEASE

PLATFORM = "linux/amd64"
TAGS = ("sha-{config}", "latest")


@dataclass(frozen=True)
class Processes:
    """The process types of deploy.yml, with the release command as the process type `release`."""

    config: HerokuConfig
    project: Project
    registry: str
    app: str

    @property
    def configs(self) -> Mapping[str, ProcessConfig]:
        own, release = dict(self.config.processes), self.project.release
        if release and RELEASE not in own:
            own[RELEASE] = ProcessConfig(image=release.image, command=release.command)
        return own

    def repository(self, process: str) -> str:
        return f"{self.registry}/{self.app}/{process}"

    def uses(self) -> dict[str, ImageUse]:
        """Process type -> how its image is used."""
        return {name: self._use(name, process) for name, process in self.configs.items()}

    def digests(self, release: Release) -> dict[str, Digest]:
        """Process type -> config digest of its image in a release, whichever attempt it is."""
        images = {image.use.repository: image.config_digest for image in release.images}
        return {name: Digest(images[self.repository(name)]) for name in self.configs}

    def _use(self, name: str, process: ProcessConfig) -> ImageUse:
        image = self.project.image_name(process.image)
        return ImageUse(image, self.repository(name), "docker", PLATFORM, process.command, TAGS)
