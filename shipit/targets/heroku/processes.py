"""The process types of an app and the image of each: which repository of Heroku's registry it is pushed to. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from shipit.config.project import Project
from shipit.digest import Digest
from shipit.errors import RemoteError
from shipit.release import ImageUse, Release
from shipit.targets.heroku.config import HerokuConfig, ProcessConfig
from shipit.targets.heroku.observed import NO_IMAGE, RELEASE, ProcessFacts
from shipit.targets.history import RunningImage

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

    def running(self, shorts: Mapping[str, str], formation: Mapping[str, ProcessFacts]) -> tuple[RunningImage, ...]:
        """What the process types of deploy.yml run, by the first twelve digits of a release. Without the release command.

        Raises: RemoteError for a process type that the release does not have.
        """
        return tuple(self._running(name, shorts.get(name, ""), formation.get(name)) for name in self.config.processes)

    def _running(self, name: str, short: str, facts: ProcessFacts | None) -> RunningImage:
        if not short or short == NO_IMAGE:
            raise RemoteError(
                f"the app runs nothing as {name}", hint="deploy it there first, or remove the process type"
            )
        process, use = self.config.processes[name], self.uses()[name]
        whole = facts.image if facts is not None and facts.image and facts.image.short == short else short
        reference = f"{self.repository(name)}:{TAGS[0].replace('{config}', short)}"
        return RunningImage(name, use.image, reference, PLATFORM, whole, process.command)

    def _use(self, name: str, process: ProcessConfig) -> ImageUse:
        image = self.project.image_name(process.image)
        return ImageUse(image, self.repository(name), "docker", PLATFORM, process.command, TAGS)
