"""What deploy.yml may say, as frozen pydantic models. Each key is documented here and nowhere else."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    WithJsonSchema,
    field_validator,
    model_validator,
)

from shipit.config.position import Keys
from shipit.config.units import Command, Duration, EnvMap, Flag, Misplaced, VariableName, Whole, matching
from shipit.errors import ConfigError, ShipitError
from shipit.reference import ImageRef, is_tag, parse_reference


class Model(BaseModel):
    """A frozen part of the file; unknown keys are mistakes, and no value is repeated in a message."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, defer_build=True)

    # For the schema: what may stand instead of the map, and rules between keys that the validators check.
    shorthand: ClassVar[tuple[dict[str, Any], ...]] = ()
    rules: ClassVar[dict[str, Any]] = {}


def _repository(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    reference = _reference(value)
    if reference.tag or reference.digest:
        bare = value.split("@")[0].rsplit(":", 1)[0]
        raise ValueError(
            f"should be a repository without tag or digest: write {bare} here, the tag under tags, or use: {value}"
        )
    return reference.name


def _reference(value: str) -> ImageRef:
    if "://" in value:
        raise ValueError("should be an image reference, without https:// before it")
    try:
        return parse_reference(value)
    except ShipitError as error:
        lower = " in lower case" if value != value.lower() else ""
        raise ValueError(f"should be an image reference{lower}, {error.hint}") from None


def _use(value: Any) -> Any:
    if isinstance(value, str):
        _reference(value)
    return value


def _tag(value: str) -> str:
    if not is_tag(value):
        raise ValueError("should be a tag: letters, digits, '_', '.' and '-', at most 128")
    return value


def _one_platform(value: tuple[str, ...]) -> tuple[str, ...]:
    if len(value) != 1:
        raise ValueError("should be one platform: an image is built for one")
    return value


def _platform(value: str) -> str:
    system, _, rest = value.partition("/")
    if system != "linux" or not rest:
        raise ValueError("should be a platform such as linux/amd64 or linux/arm64")
    return value


# The grammar of parse_reference, as far as one pattern says it.
_HOST = r"([A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?(:[0-9]+)?/)?"
_PATH = r"[a-z0-9]+(([._]|__|-+)[a-z0-9]+)*(/[a-z0-9]+(([._]|__|-+)[a-z0-9]+)*)*"
_TAG = r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}"
Repository = Annotated[
    str, BeforeValidator(_repository), WithJsonSchema({"type": "string", "pattern": f"^{_HOST}{_PATH}$"})
]
Reference = Annotated[
    str,
    BeforeValidator(_use),
    WithJsonSchema({"type": "string", "pattern": f"^{_HOST}{_PATH}(:{_TAG})?(@sha256:[0-9a-f]{{64}})?$"}),
]
Tag = Annotated[str, AfterValidator(_tag), WithJsonSchema({"type": "string", "pattern": f"^{_TAG}$"})]
Platform = Annotated[str, AfterValidator(_platform), WithJsonSchema({"type": "string", "pattern": "^linux/.+$"})]


class KeyringConfig(Model):
    """An entry of the operating system's keyring."""

    service: str = Field(description="The service that it is kept under.")
    username: str = Field(description="The user name that it is kept under.")


SOURCES = ("env", "file", "command", "keyring")
_ONE_SOURCE = {"oneOf": [{"required": [key]} for key in SOURCES]}


class SecretSource(Model):
    """Where a secret's value comes from. Its value is never written in the file."""

    shorthand: ClassVar[tuple[dict[str, Any], ...]] = ({"type": "string"},)
    rules = _ONE_SOURCE

    env: str | None = Field(None, description="The variable that holds it.")
    file: str | None = Field(
        None, description="The file that holds it, relative to deploy.yml; a last newline is dropped."
    )
    command: Command | None = Field(None, description="A command that prints it: a list of words, or text for a shell.")
    keyring: KeyringConfig | None = Field(None, description="An entry of the operating system's keyring.")
    timeout: Duration = Field(30.0, description="How long its command or the keyring may take.")

    @model_validator(mode="before")
    @classmethod
    def _shorthand(cls, value: Any) -> Any:
        return {"file": value} if isinstance(value, str) and cls is SecretSource else value

    @model_validator(mode="after")
    def _one_source(self) -> SecretSource:
        named = [key for key in SOURCES if getattr(self, key) is not None]
        what = "should have exactly one of env, file, command and keyring"
        if not named:
            raise ValueError(what)
        if len(named) > 1:
            raise Misplaced(what, named[1], hint=f"keep {named[0]} or {named[1]}")
        return self


class SecretConfig(SecretSource):
    """Where a secret variable's value comes from, and who gets it."""

    shorthand = ()

    only: tuple[str, ...] | None = Field(None, description="The targets that get it; default: all.")


class BuildConfig(Model):
    """How an image is built."""

    shorthand = ({"type": "string"},)

    context: str = Field(".", description="The folder that COPY reads, relative to the file.")
    dockerfile: str = Field("Dockerfile", description="The Dockerfile, relative to the context.")
    args: EnvMap = Field(default_factory=dict, description="Values of ARG instructions.")
    stage: str | None = Field(None, description="The stage to build; default: the last one.")
    platforms: Annotated[tuple[Platform, ...], AfterValidator(_one_platform)] = Field(
        ("linux/amd64",),
        description="The platform to build for.",
        json_schema_extra={"minItems": 1, "maxItems": 1},
    )
    secrets: dict[str, SecretSource] = Field(
        default_factory=dict, description="Secrets by id for `RUN --mount=type=secret`; text is a file."
    )
    ssh: Flag = Field(False, description="Forward the ssh agent for `RUN --mount=type=ssh`.")
    cache: Literal["registry"] | None = Field(
        None,
        description="Keep what RUN made in the image's repository, as the tag buildcache, for builds on other machines.",
    )
    builder: Literal["auto", "native", "engine", "buildx"] = Field(
        "auto", description="Who builds: shipit itself (no RUN), a Docker engine, docker buildx, or whichever can."
    )


class ImageConfig(Model):
    """One image: built from a Dockerfile, or used as it is."""

    shorthand = ({"type": "string", "pattern": f"^{_HOST}{_PATH}$"}, {"type": "string", "pattern": r"\$\{.+\}"})
    rules = {"not": {"required": ["use"], "anyOf": [{"required": [key]} for key in ("build", "repository", "tags")]}}

    repository: Repository | None = Field(None, description="Where it is pushed, for example docker.io/user/app.")
    tags: tuple[Tag, ...] | None = Field(
        None,
        description="Tags beside the digest; default: the short commit and latest in a git tree, latest elsewhere.",
    )
    build: BuildConfig | None = Field(None, description="How it is built; text is the context folder.")
    use: Reference | None = Field(None, description="An image that is not built, such as redis:8.")

    @model_validator(mode="before")
    @classmethod
    def _shorthand(cls, value: Any) -> Any:
        if isinstance(value, str):
            return {"repository": value}
        if isinstance(value, dict) and isinstance(value.get("build"), str):
            return {**value, "build": {"context": value["build"]}}
        return value

    @model_validator(mode="after")
    def _one_origin(self) -> ImageConfig:
        built = next((key for key in ("build", "repository", "tags") if getattr(self, key) is not None), "")
        if self.use and built:
            raise Misplaced("an image with use: is not built", built, hint=f"remove {built}: or use:")
        if self.build and self.build.cache and self.repository is None:
            raise Misplaced("needs a repository to be kept in", "build", "cache", hint="add repository: to the image")
        return self


class ReleaseConfig(Model):
    """A command that runs once per release, before anything of it serves; when it fails the release stops."""

    shorthand = (
        {"type": "string", "pattern": r"\S"},
        {"type": "array", "items": {"type": ["string", "number"]}, "minItems": 1},
    )

    image: str | None = Field(None, description="The image it runs in; default: the only one.")
    command: Command = Field(description="What runs; text is run by a shell.")
    timeout: Duration = Field(600.0, description="How long it may take.", validate_default=False)

    @model_validator(mode="before")
    @classmethod
    def _shorthand(cls, value: Any) -> Any:
        return {"command": value} if isinstance(value, str | list) else value


class TargetConfig(Model):
    """What every target takes; a kind's own model extends it."""

    shorthand = ({"type": "null"},)

    kind: str = Field("", description="The kind, where the target's name is not one.")
    needs: tuple[str, ...] = Field((), description="Targets that must be healthy before this one starts.")
    timeout: Duration = Field(600.0, description="How long everything on this target may take.")
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
    inline: ClassVar[type[Model] | None] = None

    @model_validator(mode="before")
    @classmethod
    def _empty(cls, value: Any) -> Any:
        return {} if value is None else value

    def problems_in(
        self, root: Path, images: Mapping[str, ImageConfig], here: Callable[[Keys, str, str], ConfigError]
    ) -> Sequence[ConfigError]:
        """What is wrong with this target beside the images of the file, or with the files that it names.

        `root` is the folder of deploy.yml. `here(keys, what, hint)` makes an error at a key of this target; what is
        wrong in another file is an error at its own line.
        """
        return ()

    def place_keys(self, app: str) -> tuple[str, ...]:
        """What two targets must not share: the places that this one writes to, as far as the file says."""
        return ()

    def image_keys(self) -> Iterator[tuple[Keys, str | None]]:
        """Path and name of each image that this target uses; the name None means the only image of the file."""
        return iter(())


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
