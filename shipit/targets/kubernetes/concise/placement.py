"""Where the pods of a workload run.

Source: Kubernetes documentation, "Pod Topology Spread Constraints", "Taints and Tolerations", "Assigning Pods to Nodes".
"""

import re
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator

from shipit.config.part import Model
from shipit.config.units import Flag, Misplaced, Whole, matching

_KEY = r"^([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$"
_VALUE = r"^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$"
LabelKey = Annotated[str, matching(_KEY, "should be the key of a label, such as team or example.com/team")]
_VALUE_SAID = "should be at most 63 letters, digits, '-', '_' and '.', such as ssd"


def _label_value(value: Any) -> str:
    """Text, also where YAML reads a boolean or a number."""
    text = str(value).lower() if isinstance(value, bool) else str(value) if isinstance(value, int) else value
    if not isinstance(text, str) or not re.fullmatch(_VALUE, text, re.ASCII):
        raise ValueError(_VALUE_SAID)
    return text


LabelValue = Annotated[
    str,
    BeforeValidator(_label_value),
    WithJsonSchema({"type": ["string", "integer", "boolean"], "errorMessage": _VALUE_SAID}),
]
_TOPOLOGY = {
    "zone": "topology.kubernetes.io/zone",
    "region": "topology.kubernetes.io/region",
    "host": "kubernetes.io/hostname",
}
_TAINT = re.compile(r"([^=:\s]+)(?:=([^:\s]*))?(?::(\w+))?")


class SpreadConfig(Model):
    """Over what the pods are spread: zone, host, region or the label of nodes."""

    shorthand = ({"type": "string"}, {"type": "array", "items": {"type": "string"}})
    expected = "should be zone, host, a list of them, or a map of keys: over, required, skew"

    over: tuple[LabelKey, ...] = Field(
        description="zone, host, region, or the key of a label of nodes.", examples=[["zone"]]
    )
    required: Flag = Field(False, description="Rather start no pod than one in the wrong place.", examples=[True])
    skew: Annotated[Whole, Field(ge=1, le=1000)] = Field(
        1, description="By how many pods two places may differ.", examples=[2]
    )

    @model_validator(mode="before")
    @classmethod
    def _shorthand(cls, value: Any) -> Any:
        if isinstance(value, str):
            return {"over": [value]}
        return {"over": value} if isinstance(value, list) else value

    @property
    def topology_keys(self) -> tuple[str, ...]:
        return tuple(_TOPOLOGY.get(key, key) for key in self.over)


class TolerationConfig(Model):
    """A taint of nodes on which the pods may run all the same."""

    shorthand = (
        {
            "type": "string",
            "pattern": r"^[^=:\s]+(=[^:\s]*)?(:(NoSchedule|PreferNoSchedule|NoExecute))?$|\$\{",
            "patternErrorMessage": "should be a taint as kubectl writes it, such as dedicated=gpu:NoSchedule",
        },
    )
    expected = "should be a taint such as dedicated=gpu:NoSchedule, or a map of keys: key, value, effect, ..."

    key: LabelKey = Field(description="The key of the taint.", examples=["dedicated"])
    value: LabelValue | None = Field(None, description="Its value; any when absent.", examples=["gpu"])
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = Field(
        None, description="Its effect; any when absent.", examples=["NoSchedule"]
    )
    seconds: Annotated[Whole, Field(ge=0)] | None = Field(
        None, description="How long pods stay after a NoExecute taint; without end when absent.", examples=[300]
    )

    @model_validator(mode="before")
    @classmethod
    def _shorthand(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        match = _TAINT.fullmatch(value)
        if match is None:
            raise ValueError("should be a taint as kubectl writes it, such as dedicated=gpu:NoSchedule")
        rows = zip(("key", "value", "effect"), match.groups(), strict=True)
        return {key: text for key, text in rows if text is not None}

    @model_validator(mode="after")
    def _executed(self) -> Self:
        if self.seconds is not None and self.effect != "NoExecute":
            raise Misplaced("is for the effect NoExecute only", "seconds", hint="add effect: NoExecute")
        return self
