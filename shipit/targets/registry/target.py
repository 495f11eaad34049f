"""Publishing as a target. The pipeline uploads; this one says what, and judges that it is there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from shipit.config.environment import Environment
from shipit.config.project import Project
from shipit.errors import ConfigErrors
from shipit.events import Event
from shipit.reference import parse_reference
from shipit.release import ImageUse, Place, Release, Seen, State, Step, Verdict, short
from shipit.targets.base import Context
from shipit.targets.registry.config import RegistryConfig


@dataclass(frozen=True)
class RegistryObserved:
    """Tags and digests asked for -> the manifest digest each names now, or None."""

    manifests: Mapping[str, str | None]


def create(name: str, config: RegistryConfig, project: Project, environment: Environment) -> RegistryTarget:
    return RegistryTarget(name, config, project)


class RegistryTarget:
    """The repositories of some images."""

    def __init__(self, name: str, config: RegistryConfig, project: Project) -> None:
        self.name = name
        self.config = config
        self.project = project
        self._uses = tuple(self._use(image) for image in config.images or (project.image_name(None),))
        self.place = Place("registry", ", ".join(use.repository for use in self._uses))
        self._awaited: dict[str, str] = {}

    def images(self) -> Sequence[ImageUse]:
        return self._uses

    def observe(self, context: Context) -> RegistryObserved:
        found: dict[str, str | None] = {}
        registries = context.registries
        if registries is None:
            raise AssertionError("a registry is read through the run's registries")
        for use in self._uses:
            ref = parse_reference(use.repository)
            client = registries.client(ref)
            wanted = self._awaited.get(use.repository)
            for reference in (*use.tags, *([wanted] if wanted else [])):
                found[f"{use.repository} {reference}"] = client.manifest_digest(ref.repository, reference)
        return RegistryObserved(found)

    def plan(self, release: Release, observed: RegistryObserved) -> tuple[Step, ...]:
        # Nothing to do here; but from now on it is worth asking for these digests.
        self._awaited = {use.repository: release.images[use].manifest_digest for use in self._uses}
        return ()

    def apply(self, step: Step, context: Context) -> Iterator[Event]:
        return iter(())

    def judge(self, release: Release, observed: RegistryObserved, seen: Seen) -> Verdict:
        lines = []
        for use in self._uses:
            image = release.images[use]
            key = f"{use.repository} {image.manifest_digest}"
            if key not in observed.manifests:
                return Verdict(State.WAITING, "reading back what was pushed", "read")
            if observed.manifests[key] != image.manifest_digest:
                return Verdict(
                    State.FAILED,
                    f"{image.pinned} is not there",
                    hint="check the registry's garbage collection, and deploy again",
                )
            lines.append(f"{use.repository}@{short(image.manifest_digest)}")
        return Verdict(State.HEALTHY, ", ".join(lines))

    def describe(self, observed: RegistryObserved) -> tuple[str, ...]:
        return tuple(
            f"{key.replace(' ', ':')}  {short(digest) if digest else 'not there'}"
            for key, digest in observed.manifests.items()
        )

    def _use(self, image: str) -> ImageUse:
        config = self.project.images[image]
        if config.repository is None:
            keys = ("targets", self.name)
            raise ConfigErrors(
                [
                    self.project.problem(
                        keys, f"image {image} has no repository to publish to", "add repository: to the image"
                    )
                ]
            )
        return ImageUse(image, config.repository, "oci", _platform(self.project, image), None, self.project.tags(image))


def _platform(project: Project, image: str) -> str:
    build = project.images[image].build
    return build.platforms[0] if build else "linux/amd64"
