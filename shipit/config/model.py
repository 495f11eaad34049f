"""What deploy.yml may say at its top and of every target, as frozen pydantic models. Each key is documented here and nowhere else."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from typing import Annotated, Any, ClassVar, Literal, NamedTuple

from pydantic import Field, field_validator, model_validator

from shipit.config.folder import ProjectFolder
from shipit.config.image import ImageConfig
from shipit.config.part import Model
from shipit.config.position import Keys
from shipit.config.secret_source import SecretConfig
from shipit.config.units import (
    WORDS_SCHEMA,
    Command,
    Duration,
    EnvMap,
    Flag,
    Limit,
    Misplaced,
    VariableName,
    Whole,
    matching,
)
from shipit.errors import ConfigError


class ReleaseConfig(Model):
    """A command that runs once per release, before anything of it serves; when it fails the release stops."""

    shorthand = (
        {"type": "string", "pattern": r"\S"},
        WORDS_SCHEMA,
    )

    image: str | None = Field(None, description="The image it runs in; default: the only one.")
    command: Command = Field(description="What runs; text is run by a shell.")
    timeout: Limit = Field(600.0, description="How long it may take.", validate_default=False)

    @model_validator(mode="before")
    @classmethod
    def _shorthand(cls, value: Any) -> Any:
        return {"command": value} if isinstance(value, str | list) else value


class PortKeys(NamedTuple):
    """A port that a container is told as PORT: its path in the target, its number, and the path and variables of its own env."""

    port_keys: Keys
    port: int
    env_keys: Keys
    env: Mapping[str, str | None]


class TargetConfig(Model):
    """What every target takes; a kind's own model extends it."""

    shorthand = ({"type": "null"},)

    kind: str = Field("", description="The kind, where the target's name is not one.")
    needs: tuple[str, ...] = Field((), description="Targets that must be healthy before this one starts.")
    timeout: Limit = Field(600.0, description="How long everything on this target may take.")
    pending: Duration = Field(30.0, description="How long it may be unready without any progress.")
    restarts_allowed: Whole = Field(0, ge=0, description="How many restarts are forgiven.")
    settle: Duration = Field(2.0, description="How long healthy must last to be believed.")
    on_failure: Literal["stop", "rollback", "continue"] = Field(
        "stop",
        description="When it fails: start no further target; or that, and bring this one back to what ran before; or go on.",
    )
    protected: Flag = Field(False, description="Ask before changing it; without a terminal, need --yes.")

    # Keys that a shorthand of the kind takes beside its fields, and the model that they belong to.
    also_known: ClassVar[frozenset[str]] = frozenset()
    # Whether the kind can bring a target back to what ran before a deploy that failed.
    reverts: ClassVar[bool] = False
    inline: ClassVar[type[Model] | None] = None
    # What a repository of an image is for; empty where the kind needs none. Whether an image that is not built will do.
    repository_for: ClassVar[str] = ""
    takes_used: ClassVar[bool] = True

    @model_validator(mode="before")
    @classmethod
    def _empty(cls, value: Any) -> Any:
        return {} if value is None else value

    @model_validator(mode="after")
    def _can_roll_back(self) -> TargetConfig:
        if self.on_failure == "rollback" and not self.reverts:
            raise Misplaced(
                "can't be rolled back: this kind keeps nothing of before", "on_failure", hint="stop or continue"
            )
        return self

    def problems_in(
        self, folder: ProjectFolder, images: Mapping[str, ImageConfig], here: Callable[[Keys, str, str], ConfigError]
    ) -> Sequence[ConfigError]:
        """What is wrong with this target beside the images of the file, or with the files that it names.

        `folder` is that of deploy.yml, which reads what paths in it name. `here(keys, what, hint)` makes an error at a key of this target; what is
        wrong in another file is an error at its own line.
        """
        return ()

    def doubts_in(self, here: Callable[[Keys, str, str], ConfigError]) -> Sequence[ConfigError]:
        """Warnings: what is possible, and probably not meant. `here(keys, what, hint)` as in `problems_in`."""
        return ()

    def port_keys(self) -> Iterator[PortKeys]:
        """Each port of this target that a container is told in the variable PORT."""
        return iter(())

    def env_keys(self) -> Iterator[tuple[Keys, Mapping[str, str | None]]]:
        """Path and variables of each `env` within this target."""
        return iter(())

    def place_keys(self, app: str) -> tuple[str, ...]:
        """What two targets must not share: the places that this one writes to, as far as the file says."""
        return ()

    def image_keys(self) -> Iterator[tuple[Keys, str | None]]:
        """Path and name of each image that this target uses; the name None means the only image of the file."""
        return iter(())

    def images_in_manifests(self, folder: ProjectFolder, images: Mapping[str, ImageConfig]) -> Set[str]:
        """The names of the images that files of this target mean, beside those of `image_keys`."""
        return frozenset()


class DotenvConfig(Model):
    """A file of NAME=value lines."""

    shorthand = ({"type": "string"},)

    path: str = Field(description="The file, relative to deploy.yml.")
    required: Flag = Field(True, description="Whether it is a mistake when it is not there.")

    @model_validator(mode="before")
    @classmethod
    def _shorthand(cls, value: Any) -> Any:
        return {"path": value} if isinstance(value, str) else value


class EnvironmentConfig(Model):
    """What an environment says of itself; the rest of it is laid over the file."""

    inherit: Flag = Field(False, description="Whether it also reaches the targets that it does not name.")
    protected: Flag = Field(False, description="Ask before changing anything in it; without a terminal, need --yes.")
    require_clean: Flag = Field(False, description="Deploy only from a git tree without changes.")


_APP = "should be at most 63 lower-case letters, digits and '-', beginning with a letter and not ending in '-'"
AppName = Annotated[str, matching(r"^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$", _APP)]


class DotenvFiles(Model):
    """The part of the file that is read before every other."""

    dotenv: tuple[DotenvConfig, ...] = Field(
        (), description="Files of variables for ${...} and for secrets; the process's own win. Text is one file."
    )

    @field_validator("dotenv", mode="before")
    @classmethod
    def _one_dotenv(cls, value: Any) -> Any:
        if not isinstance(value, str | dict | list | tuple):
            raise ValueError("should be a file, or a list of files")
        return (value,) if isinstance(value, str | dict) else value


class ProjectFile(DotenvFiles):
    """The top level of deploy.yml. Targets are checked by their kinds, after this."""

    rules = {"not": {"required": ["image", "images"]}}

    version: Literal[1] = Field(1, description="The version of this format.")
    requires: str | None = Field(
        None, description="The shipit that the file needs, such as >=0.1.", json_schema_extra={"pattern": "[0-9]"}
    )
    include: tuple[str, ...] = Field((), description="Files whose keys this one lays itself over; text is one file.")
    app: AppName = Field(description="The name of the app.")
    image: ImageConfig | None = Field(None, description="The only image; text is its repository.")
    images: dict[str, ImageConfig] = Field(default_factory=dict, description="Images by name.")
    env: EnvMap = Field(default_factory=dict, description="Variables of every target.")
    secrets: dict[VariableName, SecretConfig] = Field(
        default_factory=dict, description="Secret variables of every target, by name."
    )
    release: ReleaseConfig | None = Field(None, description="A command that gates each release; text is its command.")
    targets: dict[str, Any] = Field(default_factory=dict, description="Where it goes, by name.")
    environments: dict[str, Any] = Field(default_factory=dict, description="Overlays, chosen with -e NAME.")

    @field_validator("include", mode="before")
    @classmethod
    def _one_include(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _one_form(self) -> ProjectFile:
        if self.image and self.images:
            raise Misplaced("should have image or images, not both", "images", hint="move image: into images:")
        return self
