"""Where manifests come from, in deploy.yml: files, URLs, a kustomization, a Helm chart; and where custom resources name images."""

from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from shipit.config.part import Model
from shipit.config.units import Flag, Misplaced, Sha256, matching
from shipit.targets.kubernetes.concise.names import NotEmpty
from shipit.targets.kubernetes.field_path import PATTERN

Url = Annotated[str, matching(r"^https?://[!-~]+$", "should be a URL that begins with https:// or http://")]
# A word of a command line that is not taken for an option.
Word = Annotated[str, matching(r"^[^-\s].*$", "should not be empty, nor begin with - or a space")]
FieldPath = Annotated[str, matching(PATTERN, "should be a path such as spec.image or spec.jobs[*].image")]


class ManifestConfig(Model):
    """Files of manifests, or one behind a URL."""

    shorthand = ({"type": "string"},)
    expected = "should be a file, folder or pattern, or a map of keys: path, url, sha256"

    path: NotEmpty | None = Field(
        None, description="A file, a folder, or a pattern such as k8s/*.yaml.", examples=["k8s/"]
    )
    url: Url | None = Field(
        None, description="A file to download; needs sha256.", examples=["https://example.com/operator-1.2.yaml"]
    )
    sha256: Sha256 | None = Field(
        None, description="The SHA-256 checksum of what is downloaded; anything else is an error.", examples=["0" * 64]
    )

    @model_validator(mode="before")
    @classmethod
    def _shorthand(cls, value: Any) -> Any:
        if isinstance(value, str) and value.startswith(("https://", "http://")):
            raise ValueError("a URL needs the checksum of its content: {url: ..., sha256: ...}")
        return {"path": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.path is None) == (self.url is None):
            raise ValueError("should have either path or url")
        if self.url is not None and self.sha256 is None:
            raise Misplaced("needs sha256: the checksum of what is downloaded", "url", hint="curl -sL URL | sha256sum")
        if self.path is not None and self.sha256 is not None:
            raise Misplaced("is for a url", "sha256", hint="remove it")
        return self


class HelmConfig(Model):
    """A chart that `helm template` renders. Its hooks are not run."""

    shorthand = ({"type": "string"},)

    chart: Word = Field(
        description="A folder, an archive, a URL with oci://, or the name of a chart in `repo`.",
        examples=["charts/web"],
    )
    name: Word | None = Field(None, description="The name of the release; the app when absent.", examples=["shop"])
    repo: Url | None = Field(
        None, description="The URL of the repository of charts.", examples=["https://charts.example.com"]
    )
    version: Word | None = Field(
        None, description="The version of the chart; needed for one that is not a file or folder.", examples=["1.2.3"]
    )
    values: tuple[NotEmpty, ...] = Field((), description="Files of values, in order.", examples=[["values.yaml"]])
    set: dict[str, Any] = Field(
        default_factory=dict, description="Values over those of the files.", examples=[{"replicaCount": 2}]
    )
    hooks: Flag = Field(
        True, description="With false, objects of hooks are left out; otherwise they are an error.", examples=[False]
    )

    @model_validator(mode="before")
    @classmethod
    def _shorthand(cls, value: Any) -> Any:
        return {"chart": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _pinned(self) -> Self:
        if self.version is None and (self.repo is not None or self.chart.startswith("oci://")):
            raise Misplaced("needs a version, so that each deploy renders the same chart", "chart", hint="add version:")
        return self

    @property
    def is_local(self) -> bool:
        """True for a chart that is a file or folder of the project."""
        return self.repo is None and "://" not in self.chart


class ImageRule(Model):
    """Where custom resources name an image, beside the containers that are found in every object."""

    kind: NotEmpty | None = Field(None, description="Objects of this kind only.", examples=["Function"])
    path: FieldPath = Field(
        description='The field; `[*]` stands for each item of a list or map, `["a.b"]` for a key with dots.',
        examples=["spec.jobs[*].image"],
    )
