"""A new version that gets a part of the requests before all pods are replaced."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, model_validator

from shipit.config.part import Model
from shipit.config.units import Duration, Misplaced, Whole, matching

_SUFFIX = "-canary"
_CHECK = r"^(/[!-~]*|https?://[^\s/@?#]+([/?#][!-~]*)?)$"
_CHECK_SAID = "should be a path that begins with /, or a URL of http or https without a user"
# A path of each new pod, requested through the API server, or a URL, requested from here. Each answers 2xx.
Check = Annotated[str, matching(_CHECK, _CHECK_SAID)]
Percent = Annotated[Whole, Field(ge=1, le=100)]


class CanaryConfig(Model):
    """A second Deployment with the new version behind the same Service. A list is `steps`."""

    shorthand = ({"type": "array", "items": {"type": "integer", "minimum": 1, "maximum": 100}, "minItems": 1},)
    expected = "should be a list of percentages, or a map of keys: steps, pause, check"

    steps: tuple[Percent, ...] = Field(
        description="How many pods get the new version before all do, in percent of the replicas, rounded up.",
        examples=[[10, 50]],
    )
    pause: Duration = Field(
        120.0, description="How long the pods of each step are watched when they are ready.", examples=["2m"]
    )
    check: Check | None = Field(
        None,
        description="A path of the new pods, or a URL, that answers 2xx all the time.",
        examples=["https://shop.example.com/healthz"],
    )

    @model_validator(mode="before")
    @classmethod
    def _shorthand(cls, value: Any) -> Any:
        return {"steps": value} if isinstance(value, list | tuple) else value

    @model_validator(mode="after")
    def _ascending(self) -> CanaryConfig:
        if not self.steps:
            raise Misplaced("should not be empty", "steps", hint="such as steps: [10, 50]")
        for index, (one, next_) in enumerate(zip(self.steps, self.steps[1:], strict=False), 1):
            if next_ <= one:
                raise Misplaced(f"should be more than {one}, the step before", "steps", index)
        return self

    @property
    def takes_s(self) -> float:
        """The sum of its pauses, in seconds."""
        return self.pause * len(self.steps)


def canary_name(workload: str) -> str:
    """The name of the Deployment of a workload's canary."""
    return f"{workload}{_SUFFIX}"


def workload_of_canary(name: str) -> str:
    return name.removesuffix(_SUFFIX)
