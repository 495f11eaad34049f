"""The configuration of a Compose target in deploy.yml."""

from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from typing import Annotated, Any, ClassVar, Literal, NamedTuple, Self

from pydantic import Field, field_validator, model_validator

from shipit.config.folder import ProjectFolder
from shipit.config.image import ImageConfig
from shipit.config.model import TargetConfig
from shipit.config.part import Model
from shipit.config.position import Keys
from shipit.config.units import Command, Duration, Flag, Misplaced, Whole, matching
from shipit.errors import ConfigError
from shipit.targets.engine.container_config import Host

_PROJECT = "should be at most 63 lower-case letters, digits, '-' and '_', beginning with a letter or a digit"
ProjectName = Annotated[str, matching(r"^[a-z0-9][a-z0-9_-]{0,62}$", _PROJECT)]
# Compose allows these names for services and profiles.
_SERVICE = "should be letters, digits, '.', '-' and '_'"
ServiceName = Annotated[str, matching(r"^[A-Za-z0-9._-]{1,128}$", _SERVICE)]
_FILE = "should be the path of a file"
FilePath = Annotated[str, matching(r"^[^-\s][^\x00-\x1f]*$", _FILE)]
# In the order of Compose, which merges the first of the overrides over the first of the files.
DEFAULT_FILES = ("compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml")
OVERRIDES = (
    "compose.override.yml",
    "compose.override.yaml",
    "docker-compose.override.yml",
    "docker-compose.override.yaml",
)


def usual_files(folder: ProjectFolder) -> tuple[str, ...]:
    """The files that Compose uses when none is named: one, and the override beside it; empty without one."""
    file, override = (
        next((name for name in names if folder.file(name).is_file()), "") for names in (DEFAULT_FILES, OVERRIDES)
    )
    return tuple(name for name in (file, override) if name) if file else ()


def _one_or_list(schema: dict[str, Any]) -> None:
    """Let the schema take one text as well as a list."""
    del schema["type"]
    item = schema.pop("items")
    schema["anyOf"] = [item, {"type": "array", "items": item}]


class Rollout(NamedTuple):
    """The time that old containers run on when the new ones are ready, and the command that runs in them before that."""

    drain_s: float
    before_stop: tuple[str, ...] = ()


class ComposeServiceConfig(Model):
    """The way in which one service of the compose file is replaced."""

    rollout: Literal["start-first", "stop-first"] = Field(
        "stop-first",
        description="start-first starts the new containers beside the old ones, and stops those when the new ones are ready; stop-first is what docker compose does.",
        examples=["start-first"],
    )
    drain: Duration = Field(
        10.0,
        description="With start-first: how long the old containers run on when the new ones are ready, for the proxy to notice and for requests to end.",
        examples=["30s"],
    )
    before_stop: Command | None = Field(
        None,
        description="With start-first: a command that runs in each old container before the drain time, such as one that makes its healthcheck fail.",
        examples=["touch /tmp/drain"],
    )

    @model_validator(mode="after")
    def _only_start_first(self) -> Self:
        for key in ("drain", "before_stop"):
            if key in self.model_fields_set and self.rollout != "start-first":
                raise Misplaced("needs rollout: start-first", key)
        return self


class ComposeConfig(TargetConfig):
    """The services of a compose file on one engine; `docker compose` starts them."""

    reverts: ClassVar[bool] = True
    in_place_of_release: ClassVar[str] = (
        "make it a service of the compose file that others wait for (condition: service_completed_successfully), "
        "and write release: null in an environment that has this target"
    )

    file: tuple[FilePath, ...] = Field(
        (),
        description="The compose file, relative to deploy.yml, or a list of which each is merged over the one before; when absent, compose.yaml or docker-compose.yml, and compose.override.yaml over it where there is one.",
        examples=["compose.yaml", ["compose.yaml", "compose.prod.yaml"]],
        json_schema_extra=_one_or_list,
    )
    profiles: tuple[ServiceName, ...] = Field(
        (),
        description="Profiles of the compose file to use, or one.",
        examples=["worker", ["worker", "debug"]],
        json_schema_extra=_one_or_list,
    )
    host: Host | None = Field(
        None,
        description="The engine; the one that the docker command uses when absent.",
        examples=["ssh://deploy@web1"],
    )
    project: ProjectName | None = Field(
        None,
        description="The name of the Compose project; that of the app and the environment when absent.",
        examples=["shop"],
    )
    images: dict[ServiceName, str] = Field(
        default_factory=dict,
        description="Service -> the image of deploy.yml that it runs; without it, its `image`, `build` or name says which.",
        examples=[{"web": "app"}],
    )
    services: dict[ServiceName, ComposeServiceConfig] = Field(
        default_factory=dict,
        description="Services of the compose file that are replaced in another way than docker compose does.",
        examples=[{"web": {"rollout": "start-first"}}],
    )
    load: Flag = Field(
        False,
        description="Send images to the engine over its connection, not through their repository; images without one are sent anyway.",
        examples=[True],
    )
    keep: Whole = Field(3, ge=1, le=20, description="How many earlier releases are kept for rollback.", examples=[5])

    @field_validator("file", "profiles", mode="before")
    @classmethod
    def _one(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value

    def problems_in(
        self, folder: ProjectFolder, images: Mapping[str, ImageConfig], here: Callable[[Keys, str, str], ConfigError]
    ) -> Sequence[ConfigError]:
        unknown = [
            here(("images", service), f"no image {image!r}", f"the images of this file: {', '.join(images)}")
            for service, image in self.images.items()
            if image not in images
        ]
        return [*unknown, *self._missing(folder, here)]

    def _missing(self, folder: ProjectFolder, here: Callable[[Keys, str, str], ConfigError]) -> Sequence[ConfigError]:
        """A compose file that is not there."""
        if not self.file:
            if usual_files(folder):
                return ()
            return [here((), f"there is no {DEFAULT_FILES[0]} beside deploy.yml", "add file: with its path")]
        return [
            here(
                ("file", index) if len(self.file) > 1 else ("file",),
                "is no file",
                "write a path relative to deploy.yml",
            )
            for index, name in enumerate(self.file)
            if not folder.file(name).is_file()
        ]

    def image_keys(self) -> Iterator[tuple[Keys, str | None]]:
        """Yields nothing: `problems_in` checks `images:`, and `images_in_manifests` tells which images are used."""
        return iter(())

    def images_in_manifests(self, folder: ProjectFolder, images: Mapping[str, ImageConfig]) -> Set[str]:
        from shipit.targets.engine.named_images import named_images

        files = self.file or usual_files(folder)
        return named_images(folder, files, self.images, images) if files else frozenset(images)

    @property
    def rollouts(self) -> Mapping[str, Rollout]:
        """The services that are replaced start-first."""
        return {
            name: Rollout(service.drain, service.before_stop or ())
            for name, service in self.services.items()
            if service.rollout == "start-first"
        }

    def place_keys(self, app: str) -> tuple[str, ...]:
        return (f"project {self.project or app} on {self.host or 'the engine of the docker command'}",)
