"""A new version that gets all requests at once, when its pods are ready."""

from __future__ import annotations

from typing import Any

from pydantic import Field, model_validator

from shipit.config.part import Model
from shipit.config.units import Duration, Flag, UrlPath

SLOTS = ("blue", "green")


class BlueGreenConfig(Model):
    """Two Deployments, NAME-blue and NAME-green, of which the Service selects one."""

    shorthand = ({"type": "boolean"},)
    expected = "should be true, or a map of keys: keep, check"

    keep: Duration = Field(
        3600.0,
        description="How long the earlier version stays after the switch; the first deploy after that removes it.",
        examples=["10m"],
    )
    check: UrlPath | None = Field(
        None, description="A path that each new pod answers with 2xx before the switch.", examples=["/healthz"]
    )
    enabled: Flag = Field(True, description="With false it is an ordinary Deployment; blue_green: false is the same.")

    @model_validator(mode="before")
    @classmethod
    def _shorthand(cls, value: Any) -> Any:
        if isinstance(value, bool) or value in ("true", "false"):
            return {"enabled": value}
        return value


def slot_names(workload: str) -> tuple[str, ...]:
    """The names of the Deployments, the first one first."""
    return tuple(f"{workload}-{slot}" for slot in SLOTS)
