"""The variables of a container: text, or a key of a Secret or ConfigMap.

Source: Kubernetes API reference, v1 EnvVarSource.
"""

from typing import Annotated, Self

from pydantic import Discriminator, Field, Tag, model_validator

from shipit.config.part import MAP, TEXT, Model
from shipit.config.units import Flag, Misplaced, VariableName, matching

OBJECT_NAME = r"^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$"
ObjectName = Annotated[
    str, matching(OBJECT_NAME, "should be the name of an object: lower-case letters, digits, '-' and '.'")
]
DataKey = Annotated[str, matching(r"^[-._a-zA-Z0-9]{1,253}$", "should be a key: letters, digits, '-', '_' and '.'")]
_FIELD = r"^(metadata\.(name|namespace|uid|labels\['[^']+'\]|annotations\['[^']+'\])|spec\.(nodeName|serviceAccountName)|status\.(hostIPs?|podIPs?))$"
_SOURCES = ("secret", "config", "field")


class EnvSource(Model):
    """A variable whose value the cluster has: a key of a Secret or ConfigMap, or a field of the pod."""

    secret: ObjectName | None = Field(None, description="The Secret that has the value.", examples=["database"])
    config: ObjectName | None = Field(None, description="The ConfigMap that has the value.", examples=["settings"])
    key: DataKey | None = Field(
        None, description="The key in it; the name of the variable when absent.", examples=["url"]
    )
    field: (
        Annotated[str, matching(_FIELD, "should be a field of the pod such as metadata.name or status.podIP")] | None
    ) = Field(None, description="A field of the pod.", examples=["status.podIP"])
    optional: Flag = Field(False, description="Start without the variable where the key is missing.", examples=[True])

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        given = [name for name in _SOURCES if getattr(self, name)]
        if len(given) != 1:
            raise Misplaced("should have one of secret:, config: and field:", hint="{secret: NAME, key: KEY}")
        if self.field and (self.key or self.optional):
            raise Misplaced("can't be combined with field:", "key" if self.key else "optional", hint="remove it")
        return self


EnvValue = Annotated[
    Annotated[str | None, Tag(TEXT)] | Annotated[EnvSource, Tag(MAP)],
    Discriminator(lambda value: MAP if isinstance(value, dict | EnvSource) else TEXT),
]
SourcedEnv = dict[VariableName, EnvValue]
