"""The keys of images and their builds in deploy.yml. Keys are documented here only."""

from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema, model_validator

from shipit.config.part import Model, forbid, need
from shipit.config.secret_source import SecretSource
from shipit.config.units import EnvMap, Flag, Misplaced
from shipit.errors import ShipitError
from shipit.platforms import ARCHITECTURES, parse_platform
from shipit.reference import ImageRef, is_tag, parse_reference


def parse_repository(value: str) -> str:
    """The whole name of a repository to push to. Raises: ValueError for text that is none."""
    reference = _reference(value)
    if reference.tag or reference.digest:
        bare = value.split("@")[0].rsplit(":", 1)[0]
        raise ValueError(
            f"should be a repository without tag or digest: write {bare} here, the tag under tags, or use: {value}"
        )
    return reference.name


def _repository(value: Any) -> Any:
    return parse_repository(value) if isinstance(value, str) else value


def _reference(value: str) -> ImageRef:
    if "://" in value:
        raise ValueError("should be an image reference, without https:// before it")
    try:
        return parse_reference(value)
    except ShipitError as error:
        if not error.hint:
            # The error names the form of a digest itself.
            raise ValueError(error.what.removeprefix(f"{value!r} ")) from None
        lower = " in lower case" if value != value.lower() else ""
        raise ValueError(f"should be an image reference{lower}, {error.hint}") from None


def _use(value: Any) -> Any:
    if isinstance(value, str):
        _reference(value)
    return value


_TAG_SAID = "should be a tag: letters, digits, '_', '.' and '-', at most 128"
_PLATFORM_SAID = "should be a platform such as linux/amd64 or linux/arm64"


def _tag(value: str) -> str:
    if not is_tag(value):
        raise ValueError(_TAG_SAID)
    return value


def _one_platform(value: tuple[str, ...]) -> tuple[str, ...]:
    if len(value) != 1:
        raise ValueError("should be one platform: an image is built for one")
    return value


def _platform(value: str) -> str:
    """A platform in the form that containerd gives it."""
    first = value.partition("/")[0]
    if first.lower() in ARCHITECTURES and first != value:
        raise ValueError(f"should be a platform with its system: linux/{value}")
    try:
        platform = parse_platform(value)
    except ValueError:
        platform = None
    if platform is None or platform.os != "linux":
        raise ValueError(_PLATFORM_SAID)
    return str(platform)


# The grammar of parse_reference, as far as one pattern says it.
_HOST = r"([A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?(:[0-9]+)?/)?"
_PATH = r"[a-z0-9]+(([._]|__|-+)[a-z0-9]+)*(/[a-z0-9]+(([._]|__|-+)[a-z0-9]+)*)*"
_PLATFORM = rf"^([Ll]inux/[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)?|{'|'.join(sorted(ARCHITECTURES))})$"
_TAG = r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}"
_REPOSITORY = "should be a repository without tag or digest, such as docker.io/user/app"
Repository = Annotated[
    str,
    BeforeValidator(_repository),
    WithJsonSchema({"type": "string", "pattern": f"^{_HOST}{_PATH}$", "errorMessage": _REPOSITORY}),
]
Reference = Annotated[
    str,
    BeforeValidator(_use),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": f"^{_HOST}{_PATH}(:{_TAG})?(@(sha256:[0-9a-f]{{64}}|sha512:[0-9a-f]{{128}}))?$",
            "errorMessage": "should be an image reference, such as redis:8 or ghcr.io/user/app@sha256:...",
        }
    ),
]
Tag = Annotated[
    str,
    AfterValidator(_tag),
    WithJsonSchema({"type": "string", "pattern": f"^{_TAG}$", "errorMessage": _TAG_SAID}),
]
Platform = Annotated[
    str,
    AfterValidator(_platform),
    WithJsonSchema({"type": "string", "pattern": _PLATFORM, "errorMessage": _PLATFORM_SAID}),
]


class BuildConfig(Model):
    """How an image is built."""

    shorthand = ({"type": "string"},)

    context: str = Field(
        ".", description="The build context, which COPY reads; relative to deploy.yml.", examples=["./api"]
    )
    dockerfile: str = Field(
        "Dockerfile", description="The Dockerfile, relative to the context.", examples=["Dockerfile.worker"]
    )
    args: EnvMap = Field(
        default_factory=dict, description="Values of ARG instructions.", examples=[{"NODE_ENV": "production"}]
    )
    stage: str | None = Field(None, description="The stage to build; the last one when absent.", examples=["prod"])
    keep: tuple[str, ...] = Field(
        (),
        description="Paths to keep in the context that shipit leaves out otherwise: .git, deploy.yml and the files that it includes or reads variables from.",
        examples=[[".git"]],
    )
    platforms: Annotated[tuple[Platform, ...], AfterValidator(_one_platform)] = Field(
        ("linux/amd64",),
        description="The platform to build for.",
        json_schema_extra={"minItems": 1, "maxItems": 1},
        examples=[["linux/arm64"]],
    )
    times: Literal["content", "commit"] = Field(
        "content",
        description="Modification times of files in the image: derived from their content, or those of the last commit that changed them.",
        examples=["commit"],
    )
    secrets: dict[str, SecretSource] = Field(
        default_factory=dict,
        description="Secrets for `RUN --mount=type=secret`, by id; text is a file.",
        examples=[{"npmrc": {"file": "~/.npmrc"}}],
    )
    ssh: Flag = Field(False, description="Forward the ssh agent for `RUN --mount=type=ssh`.")
    cache: Literal["registry"] | None = Field(
        None,
        description="Store the build cache in the image's repository, as the tag buildcache, for builds on other machines.",
        examples=["registry"],
    )
    builder: Literal["auto", "native", "engine", "buildx"] = Field(
        "auto",
        description="What builds it: shipit itself (`native`, no RUN), a Docker engine, docker buildx, or the first of them that can.",
        examples=["engine"],
    )


_NO_REGISTRY = "needs a repository to use over plain HTTP"


class ImageConfig(Model):
    """One image: built from a Dockerfile, or used as it is."""

    shorthand = (
        {"type": "string", "pattern": f"^{_HOST}{_PATH}$", "patternErrorMessage": _REPOSITORY},
        {"type": "string", "pattern": r"\$\{.+\}"},
    )
    rules = (
        *(
            forbid(key, f"an image with use: is not built: remove {key}: or use:", beside="use")
            for key in ("build", "repository", "tags")
        ),
        need("repository", _NO_REGISTRY, beside="insecure", value=True, unless="use"),
    )

    repository: Repository | None = Field(
        None, description="The repository that it is pushed to.", examples=["docker.io/user/app"]
    )
    tags: tuple[Tag, ...] | None = Field(
        None,
        description="Tags beside the digest; when absent the short commit and latest in a git tree, latest elsewhere.",
        examples=[["1.4.2", "latest"]],
    )
    build: BuildConfig | None = Field(
        None, description="How it is built; text is the context folder.", examples=["./api"]
    )
    insecure: Flag = Field(
        False,
        description="Use plain HTTP for its registry, for example on a local network; passwords are sent unencrypted.",
    )
    use: Reference | None = Field(None, description="An image that is used as it is, not built.", examples=["redis:8"])

    @property
    def platform(self) -> str:
        """The platform that it is built for. An image with `use:` is pulled for linux/amd64."""
        return self.build.platforms[0] if self.build else "linux/amd64"

    @property
    def insecure_host(self) -> str | None:
        """The registry that is used over plain HTTP; None when there is none."""
        named = self.use or self.repository
        return parse_reference(named).registry if self.insecure and named else None

    @model_validator(mode="before")
    @classmethod
    def _shorthand(cls, value: Any) -> Any:
        if isinstance(value, str):
            return {"repository": value}
        if isinstance(value, dict) and isinstance(value.get("build"), str):
            return {**value, "build": {"context": value["build"]}}
        return value

    @model_validator(mode="after")
    def _one_origin(self) -> Self:
        built = next((key for key in ("build", "repository", "tags") if getattr(self, key) is not None), "")
        if self.use and built:
            raise Misplaced("an image with use: is not built", built, hint=f"remove {built}: or use:")
        if self.insecure and not self.use and self.repository is None:
            raise Misplaced(_NO_REGISTRY, "insecure", hint="add repository: to it")
        if self.build and self.build.cache and self.repository is None:
            raise Misplaced(
                "needs a repository to store the build cache in", "build", "cache", hint="add repository: to the image"
            )
        return self
