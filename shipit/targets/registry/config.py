"""The configuration of a registry target in deploy.yml."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import ClassVar

from pydantic import Field

from shipit.config.folder import ProjectFolder
from shipit.config.image import ImageConfig
from shipit.config.model import TargetConfig
from shipit.config.position import Keys
from shipit.config.units import Duration, Flag, Whole
from shipit.errors import ConfigError
from shipit.files import Unreadable
from shipit.reference import DOCKER_HUB

MAX_DESCRIPTION_BYTES = 25_000


class RegistryConfig(TargetConfig):
    """Publishes images to their repositories."""

    repository_for: ClassVar[str] = "to publish to"
    takes_used: ClassVar[bool] = False

    images: tuple[str, ...] | None = Field(
        None,
        min_length=1,
        description="The images to publish; the only one when absent.",
        examples=[["web", "worker"]],
    )
    readme: str | None = Field(
        None,
        description="A file whose text becomes the description of the repositories; Docker Hub only.",
        examples=["README.md"],
    )
    keep_tags: Whole | None = Field(
        None,
        ge=1,
        description="The number of newest tags to keep; older ones are deleted. Docker Hub only.",
        examples=[20],
    )

    history: Flag = Field(
        True,
        description="Whether each deploy and push leaves a record beside the image, for `shipit history` and `rollback`.",
        examples=[False],
    )

    settle: Duration = Field(0.0, description="How long it must stay healthy before the deploy counts.")

    def image_keys(self) -> Iterator[tuple[Keys, str | None]]:
        if self.images is None:
            yield ("images",), None
        for index, name in enumerate(self.images or ()):
            yield ("images", index), name

    def problems_in(
        self, folder: ProjectFolder, images: Mapping[str, ImageConfig], here: Callable[[Keys, str, str], ConfigError]
    ) -> Sequence[ConfigError]:
        problems = []
        names = self.images or tuple(images)[:1]
        elsewhere = [
            repository
            for name in names
            if name in images
            and (repository := images[name].repository)
            and not repository.startswith(f"{DOCKER_HUB}/")
        ]
        for key in ("readme", "keep_tags"):
            if elsewhere and getattr(self, key) is not None:
                what = f"works on Docker Hub only, and not for {elsewhere[0]}"
                problems.append(here((key,), what, "leave it out, or name the images on Docker Hub under images:"))
        if self.readme is not None and (what := _unusable(folder, self.readme)):
            problems.append(here(("readme",), f"{self.readme} {what}", "paths are relative to deploy.yml"))
        return problems


def _unusable(folder: ProjectFolder, name: str) -> str:
    """Why a file can't be a description; empty when it can."""
    try:
        data = folder.read(name)
        data.decode()
    except (Unreadable, UnicodeDecodeError) as error:
        return f"can't be read: {error.reason if isinstance(error, Unreadable) else 'it is not UTF-8'}"
    if len(data) > MAX_DESCRIPTION_BYTES:
        return f"is {len(data):,} bytes, and Docker Hub takes at most {MAX_DESCRIPTION_BYTES:,}"
    return ""
