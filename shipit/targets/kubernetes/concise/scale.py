"""The autoscaling of a workload."""

from typing import Self

from pydantic import Field, model_validator

from shipit.config.part import Model
from shipit.config.units import Misplaced, Whole
from shipit.targets.kubernetes.concise.names import MOST_PODS


class ScaleConfig(Model):
    """A HorizontalPodAutoscaler on CPU."""

    min: Whole = Field(1, ge=1, le=MOST_PODS, description="The smallest number of replicas.", examples=[2])
    max: Whole = Field(ge=1, le=MOST_PODS, description="The largest number of replicas.", examples=[10])
    cpu: Whole = Field(
        80, ge=1, le=100, description="The CPU use to aim for, in percent of the request.", examples=[70]
    )

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.min > self.max:
            raise Misplaced(f"should be at most max, which is {self.max}", "min")
        return self
