"""The top level of deploy.yml and the keys of every target, as frozen pydantic models. Keys are documented here only."""

from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from typing import Annotated, Any, ClassVar, Literal, NamedTuple, Self

from pydantic import Field, field_validator, model_validator

from shipit.config.approve import ApproveConfig
from shipit.config.folder import ProjectFolder
from shipit.config.freeze import FreezeConfig
from shipit.config.hooks import HooksConfig
from shipit.config.image import ImageConfig
from shipit.config.part import Model, forbid
from shipit.config.position import Keys
from shipit.config.secret_source import SecretConfig
from shipit.config.target_check import CheckConfig
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
    render_duration,
)
from shipit.errors import ConfigError


class ReleaseConfig(Model):
    """A command that runs once per release, before anything of it serves; when it fails the release stops."""

    shorthand = (
        {"type": "string", "pattern": r"\S", "patternErrorMessage": "should be a command, not empty text"},
        WORDS_SCHEMA,
    )
    expected = "should be a command, or a map of keys: command, image, timeout"

    image: str | None = Field(
        None, description="The image in which it runs; the only one when absent.", examples=["web"]
    )
    command: Command = Field(
        description="The command: text for a shell, or a list of words.", examples=["npm run migrate"]
    )
    timeout: Limit = Field(600.0, description="Time limit.", validate_default=False, examples=["30m"])

    @model_validator(mode="before")
    @classmethod
    def _shorthand(cls, value: Any) -> Any:
        return {"command": value} if isinstance(value, str | list) else value


class PortKeys(NamedTuple):
    """A port that a container gets as PORT: its path in the target, its number, and the path and variables of its own env.

    `is_set` is False for one that shipit does not set; `is_own` where only its own env is meant for it.
    """

    port_keys: Keys
    port: int
    env_keys: Keys
    env: Mapping[str, object]
    is_set: bool = True
    is_own: bool = False


class EnvKeys(NamedTuple):
    """The variables of something within a target, and their path.

    `gets_all` is whether it gets the variables of the file and the secrets of the target, too. Null leaves one of these out,
    a secret only with `leaves_out_secrets`.
    """

    keys: Keys
    env: Mapping[str, object]
    gets_all: bool = True
    leaves_out_secrets: bool = True


class TargetConfig(Model):
    """The keys that every target takes; the model of a kind extends it."""

    shorthand = ({"type": "null"},)

    kind: str = Field(
        "", description="The kind of target; required when the target's name is not a kind.", examples=["kubernetes"]
    )
    needs: tuple[str, ...] = Field(
        (), description="Targets that must be healthy before this one starts.", examples=[["hub"]]
    )
    timeout: Limit = Field(600.0, description="Time limit for everything on this target.", examples=["20m"])
    pending: Duration = Field(30.0, description="How long to wait without progress.", examples=["2m"])
    restarts_allowed: Whole = Field(0, ge=0, description="Restarts that do not fail the deploy.", examples=[1])
    settle: Duration = Field(
        2.0, description="How long it must stay healthy before the deploy counts.", examples=["10s"]
    )
    check: tuple[CheckConfig, ...] = Field(
        (),
        description="Requests to what runs, sent when it is healthy: one, or a list; text is a URL.",
        examples=[{"url": "https://shop.example.com/healthz", "settle": "1m"}],
    )
    on_failure: Literal["stop", "rollback", "continue"] = Field(
        "stop",
        description="What to do when this target fails: start no further target; or also restore what ran before; or continue.",
        examples=["rollback"],
    )
    hooks: HooksConfig = Field(
        default_factory=HooksConfig,
        description="Commands and HTTP requests before and after this target is changed, and when it fails.",
        examples=[{"after": "./bin/warm-cache"}],
    )
    protected: Flag = Field(
        False, description="Ask before changing it; requires --yes when there is no terminal.", examples=[True]
    )

    approve: ApproveConfig | None = Field(
        None, description="Change it only with an approval, which --yes is not.", examples=[True]
    )

    # Keys that a shorthand of the kind takes beside its fields, and the model that they belong to.
    also_known: ClassVar[frozenset[str]] = frozenset()
    # Whether the kind can bring a target back to what ran before a deploy that failed.
    reverts: ClassVar[bool] = False
    inline: ClassVar[type[Model] | None] = None
    # The words to write in place of `release`; empty where the kind runs release commands, or none of the app's at all.
    in_place_of_release: ClassVar[str] = ""
    # The purpose of an image's repository in messages, empty when the kind needs none; and whether `use:` is enough.
    repository_for: ClassVar[str] = ""
    takes_used: ClassVar[bool] = True
    # The key that lists several places, and the one that names a single place; None where a target has one place.
    several: ClassVar[tuple[str, str] | None] = None

    def acting_as(self, user: str, groups: tuple[str, ...]) -> Self | None:
        """The same target, whose requests act as a user of these groups; None where the kind has no such requests.

        Raises: ValueError for a name that can't be sent.
        """
        return None

    @model_validator(mode="before")
    @classmethod
    def _empty(cls, value: Any) -> Any:
        return {} if value is None else value

    @field_validator("check", mode="before")
    @classmethod
    def _one_check(cls, value: Any) -> Any:
        if not isinstance(value, str | dict | list | tuple):
            raise ValueError("should be a URL, a map of keys, or a list of these")
        return (value,) if isinstance(value, str | dict) else value

    @model_validator(mode="after")
    def _is_healthy_in_time(self) -> Self:
        if self.settle >= self.timeout:
            what = f"should be shorter than timeout:, which is {render_duration(self.timeout)}"
            hint = f"write timeout: {render_duration(self.settle + self.timeout)}"
            raise Misplaced(what, "settle", hint=hint)
        return self

    @model_validator(mode="after")
    def _checks_end(self) -> Self:
        for index, check in enumerate(self.check):
            if check.settle >= self.timeout:
                what = f"should be shorter than timeout: of the target, which is {render_duration(self.timeout)}"
                hint = f"write timeout: {render_duration(check.settle + self.timeout)} on the target"
                raise Misplaced(what, "check", index, "settle", hint=hint)
        return self

    @model_validator(mode="after")
    def _hooks_are_of_a_target(self) -> Self:
        for when in type(self.hooks).model_fields:
            for hook in getattr(self.hooks, when):
                if "push" in hook.on:
                    what = "a target has no hook for push: images are pushed for all of them"
                    raise Misplaced(what, "hooks", when, hint="move the hook to the hooks: of the file")
        return self

    @model_validator(mode="after")
    def _can_roll_back(self) -> Self:
        if self.on_failure == "rollback" and not self.reverts:
            what = "should be stop or continue: this kind does not undo a failed deploy by itself"
            raise Misplaced(
                what, "on_failure", hint="write stop, and return with shipit rollback where it keeps releases"
            )
        return self

    def problems_in(
        self, folder: ProjectFolder, images: Mapping[str, ImageConfig], here: Callable[[Keys, str, str], ConfigError]
    ) -> Sequence[ConfigError]:
        """Mistakes of this target that depend on the images of the file or on the files that it names.

        `folder` is that of deploy.yml, which reads what paths in it name. `here(keys, what, hint)` makes an error at a key of this target; what is
        wrong in another file is an error at its own line.
        """
        return ()

    def doubts_in(self, folder: ProjectFolder, here: Callable[[Keys, str, str], ConfigError]) -> Sequence[ConfigError]:
        """Warnings about values that are valid and probably not intended. `folder` and `here` as in `problems_in`."""
        return ()

    def port_keys(self) -> Iterator[PortKeys]:
        """Each port of this target that a container gets in the variable PORT."""
        return iter(())

    def env_keys(self) -> Iterator[EnvKeys]:
        """Each `env` within this target."""
        return iter(())

    @property
    def variables(self) -> Mapping[str, str | None]:
        """Variables of all that it runs, above those of the file; None leaves out one of the file."""
        return {}

    def place_keys(self, app: str) -> tuple[str, ...]:
        """The places that this target deploys to, as far as the file says. No two targets may share one."""
        return ()

    def image_keys(self) -> Iterator[tuple[Keys, str | None]]:
        """Path and name of each image that this target uses; the name None means the only image of the file."""
        return iter(())

    def images_in_manifests(self, folder: ProjectFolder, images: Mapping[str, ImageConfig]) -> Set[str]:
        """The names of the images that files of this target use, in addition to `image_keys`."""
        return frozenset()


class DotenvConfig(Model):
    """A file of NAME=value lines."""

    shorthand = ({"type": "string"},)

    path: str = Field(description="The file, relative to deploy.yml.", examples=[".env"])
    required: Flag = Field(True, description="Whether a missing file is an error.")

    @model_validator(mode="before")
    @classmethod
    def _shorthand(cls, value: Any) -> Any:
        return {"path": value} if isinstance(value, str) else value


class EnvironmentConfig(Model):
    """Settings of an environment; its other keys are merged over the file."""

    inherit: Flag = Field(False, description="Also deploy the targets that it does not name.")
    protected: Flag = Field(
        False, description="Ask before changing anything; requires --yes when there is no terminal."
    )
    approve: ApproveConfig | None = Field(
        None, description="Change anything only with an approval, which --yes is not.", examples=[True]
    )
    require_clean: Flag = Field(False, description="Deploy only from a git tree without uncommitted changes.")


_APP = "should be at most 63 lower-case letters, digits and '-', beginning with a letter and not ending in '-'"
AppName = Annotated[str, matching(r"^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$", _APP)]


class DotenvFiles(Model):
    """The part of the file that is read before every other."""

    dotenv: tuple[DotenvConfig, ...] = Field(
        (),
        description="Files of variables for ${...} and for secrets; the process environment takes precedence. Text is one file.",
        examples=[".env"],
    )

    @field_validator("dotenv", mode="before")
    @classmethod
    def _one_dotenv(cls, value: Any) -> Any:
        if not isinstance(value, str | dict | list | tuple):
            raise ValueError("should be a file, or a list of files")
        return (value,) if isinstance(value, str | dict) else value


_STATE = "should be none, registry, a folder such as /mnt/deploys or ~/deploys, or a bucket such as s3://BUCKET/PREFIX, gs:// or az://"
STATE_PATTERN = r"^(none|registry|((/|~/|\.\./)[^\x00]*)|((s3|gs|az)://[^/@?#\s]+(/[^@?#\s]*)?))$"
_NOT_BOTH = "should have image or images, not both"


class ProjectFile(DotenvFiles):
    """The top level of deploy.yml. Targets are checked by their kinds, after this."""

    rules = (forbid("images", f"{_NOT_BOTH}: move image: into images:", beside="image"),)

    version: Literal[1] = Field(1, description="The version of the file format.")
    requires: str | None = Field(
        None,
        description="The versions of shipit that the file works with.",
        json_schema_extra={
            "pattern": "[0-9]",
            "errorMessage": "should be a version such as >=0.1, or a range such as >=0.1,<1",
        },
        examples=[">=0.1"],
    )
    state: Annotated[str, matching(STATE_PATTERN, _STATE)] | None = Field(
        None,
        description="A folder or bucket for runs, and locks of places without one, shared by machines; `registry` keeps the runs beside the image; `none` keeps no journal.",
        examples=["s3://company-deploys/shop", "none"],
    )
    rollback: Literal["all"] | None = Field(
        None,
        description="`all` rolls back every target that a deploy has changed when one of them fails, the last one first.",
        examples=["all"],
    )
    keep_rolled_back: bool = Field(
        False,
        description="A deploy leaves a target alone that was rolled back, until its images or settings change.",
        examples=[True],
    )
    include: tuple[str, ...] = Field(
        (), description="Files that this one is merged over; text is one file.", examples=["base.yml"]
    )
    app: AppName = Field(description="The name of the app.", examples=["shop"])
    image: ImageConfig | None = Field(
        None, description="The only image; text is its repository.", examples=["docker.io/user/shop"]
    )
    images: dict[str, ImageConfig] = Field(
        default_factory=dict, description="Images by name.", examples=[{"web": {"repository": "docker.io/user/shop"}}]
    )
    env: EnvMap = Field(
        default_factory=dict, description="Variables of every target.", examples=[{"NODE_ENV": "production"}]
    )
    secrets: dict[VariableName, SecretConfig] = Field(
        default_factory=dict,
        description="Secret variables of every target, by name.",
        examples=[{"API_TOKEN": {"env": "API_TOKEN"}}],
    )
    release: ReleaseConfig | None = Field(
        None,
        description="A command that runs once before each release; text is its command.",
        examples=["npm run migrate"],
    )
    max_parallel: Annotated[Whole, Field(ge=1)] | None = Field(
        None,
        description="How many targets are changed at the same time, once the first of them is healthy; after a failure none starts.",
        examples=[4],
    )
    freeze: tuple[FreezeConfig, ...] = Field(
        (),
        description="Times in which nothing is deployed.",
        examples=[[{"start": "fri 16:00", "end": "mon 08:00", "zone": "Europe/Berlin"}]],
    )
    hooks: HooksConfig = Field(
        default_factory=HooksConfig,
        description="Commands and HTTP requests before and after a deploy, and when it fails.",
        examples=[{"before": "./bin/check-budget"}],
    )
    targets: dict[str, Any] = Field(
        default_factory=dict, description="The places to deploy to, by name.", examples=[{"k8s": {"port": 3000}}]
    )
    environments: dict[str, Any] = Field(
        default_factory=dict,
        description="Changes to the file for each environment, chosen with -e NAME.",
        examples=[{"staging": {"targets": {"k8s": {"replicas": 1}}}}],
    )

    @field_validator("include", mode="before")
    @classmethod
    def _one_include(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _one_form(self) -> Self:
        if self.image and self.images:
            raise Misplaced(_NOT_BOTH, "images", hint="move image: into images:")
        return self
