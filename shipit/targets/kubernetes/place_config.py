"""Keys of a Kubernetes target for its place: the namespace, and whom requests act as."""

from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from shipit.config.part import Model
from shipit.config.units import Flag, Misplaced, matching
from shipit.targets.kubernetes.concise.names import NAME_SCHEMA, Name

_PRINTABLE = r"^[^\x00-\x20\x7f]([^\x00-\x1f\x7f]*[^\x00-\x20\x7f])?$"
HeaderText = Annotated[
    str, matching(_PRINTABLE, "should have no control characters, no spaces at its ends, and not be empty")
]


class ImpersonateConfig(Model):
    """Whom requests act as, instead of the context's user; a text is the user."""

    shorthand = ({"type": "string"},)

    user: HeaderText = Field(description="The user to act as.", examples=["deployer"])
    groups: tuple[HeaderText, ...] = Field((), description="The groups to act as.", examples=[["deployers"]])
    uid: HeaderText | None = Field(None, description="The UID to act as.", examples=["4711"])
    extra: dict[str, tuple[HeaderText, ...]] = Field(
        default_factory=dict,
        description="More about the user, as its values by key.",
        examples=[{"reason": ["deploy"]}],
    )

    @model_validator(mode="before")
    @classmethod
    def _shorthand(cls, value: Any) -> Any:
        return {"user": value} if isinstance(value, str) else value


class NamespaceConfig(Model):
    """The namespace; a text is its name."""

    shorthand = (NAME_SCHEMA, {"type": "null"})

    name: Name | None = Field(None, description="The name; that of the context when absent.", examples=["shop"])
    create: Flag = Field(
        False, description="Create it before everything else. It stays when it leaves the file.", examples=[True]
    )
    labels: dict[str, str] = Field(
        default_factory=dict,
        description="Its labels, where shipit creates it.",
        examples=[{"pod-security.kubernetes.io/enforce": "restricted"}],
    )

    @model_validator(mode="before")
    @classmethod
    def _shorthand(cls, value: Any) -> Any:
        return {"name": value} if isinstance(value, str) or value is None else value

    @model_validator(mode="after")
    def _together(self) -> Self:
        if self.labels and not self.create:
            raise Misplaced("needs create: true", "labels", hint="add create: true")
        return self

    def manifest(self, name: str) -> dict[str, Any]:
        """The Namespace with its labels."""
        labels = {"labels": dict(self.labels)} if self.labels else {}
        return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, **labels}}
