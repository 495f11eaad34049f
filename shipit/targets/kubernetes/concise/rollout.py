"""How the pods of a workload are replaced, and how many may be away.

Source: Kubernetes API reference, apps/v1 DeploymentStrategy, StatefulSetUpdateStrategy, DaemonSetUpdateStrategy,
policy/v1 PodDisruptionBudget.
"""

import re
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator

from shipit.config.part import Model
from shipit.config.units import Misplaced, Whole

_SAID = "should be a number of pods, or a percentage such as 25%"


def _amount(value: Any) -> int | str:
    text = "" if isinstance(value, bool) else str(value)
    if not re.fullmatch(r"[0-9]{1,6}|[0-9]{1,3}%", text, re.ASCII):
        raise ValueError(_SAID)
    return text if text.endswith("%") else int(text)


Amount = Annotated[
    int | str,
    BeforeValidator(_amount),
    WithJsonSchema(
        {
            "type": ["integer", "string"],
            "pattern": r"^[0-9]{1,6}$|^[0-9]{1,3}%$|\$\{",
            "minimum": 0,
            "errorMessage": _SAID,
        }
    ),
]
Way = Literal["rolling", "recreate", "on-delete"]


class StrategyConfig(Model):
    """How pods are replaced: text is the way."""

    shorthand = (
        {
            "type": "string",
            "pattern": r"^(rolling|recreate|on-delete)$|\$\{",
            "patternErrorMessage": "should be rolling, recreate or on-delete",
        },
    )
    expected = "should be rolling, recreate, on-delete, or a map of keys: way, surge, unavailable, partition"

    way: Way = Field(
        "rolling",
        description="rolling: a few at a time; recreate: all old ones end first (deployment); on-delete: when somebody deletes them.",
        examples=["recreate"],
    )
    surge: Amount | None = Field(None, description="How many more pods there may be meanwhile.", examples=["25%"])
    unavailable: Amount | None = Field(None, description="How many pods may be away meanwhile.", examples=[0])
    partition: Annotated[Whole, Field(ge=0)] | None = Field(
        None, description="Replace only pods with this number and above (statefulset).", examples=[2]
    )

    @model_validator(mode="before")
    @classmethod
    def _shorthand(cls, value: Any) -> Any:
        return {"way": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _rolls(self) -> Self:
        key = next((key for key in ("surge", "unavailable", "partition") if getattr(self, key) is not None), "")
        if key and self.way != "rolling":
            raise Misplaced(f"is for rolling, and not for {self.way}", key, hint="remove it")
        if self.surge in (0, "0%") and self.unavailable in (0, "0%"):
            raise Misplaced(
                "can't be 0 together with surge: no pod could be replaced", "unavailable", hint="write surge: 1"
            )
        return self


class DisruptionConfig(Model):
    """How many pods a drained node may take away at a time: text or a number is `min`."""

    shorthand = (
        {"type": "integer", "minimum": 0},
        {"type": "string", "pattern": r"^[0-9]+%?$|\$\{", "patternErrorMessage": _SAID},
    )
    expected = "should be a number of pods, a percentage, or a map of keys: min, max"

    min: Amount | None = Field(None, description="How many pods stay.", examples=["50%"])
    max: Amount | None = Field(None, description="How many pods may be away.", examples=[1])

    @model_validator(mode="before")
    @classmethod
    def _shorthand(cls, value: Any) -> Any:
        return {"min": value} if isinstance(value, int | str) and not isinstance(value, bool) else value

    @model_validator(mode="after")
    def _one_bound(self) -> Self:
        if (self.min is None) == (self.max is None):
            raise Misplaced("should have min: or max:, one of them", hint="such as pdb: {max: 1}")
        return self

    def keeps_all(self, count: int) -> bool:
        """Whether no pod of so many may be away."""
        return self.max in (0, "0%") or self.min == "100%" or (isinstance(self.min, int) and self.min >= count > 0)
