"""The approval that an environment or a target needs before it is changed."""

from __future__ import annotations

from typing import Any

from pydantic import Field, model_validator

from shipit.config.part import Model
from shipit.config.units import Flag, Sha256


class ApproveConfig(Model):
    """An approval: a name typed at a terminal, a token, or a saved plan that was signed with SHIPIT_PLAN_KEY. --yes is none."""

    shorthand = ({"type": "boolean"},)
    expected = "should be true, or a map of keys: token_sha256 and plan_key_sha256"

    token_sha256: Sha256 | None = Field(
        None,
        description="The SHA-256 digest of the token that approves where it is in the variable SHIPIT_APPROVAL.",
        examples=["9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"],
    )
    plan_key_sha256: Sha256 | None = Field(
        None,
        description="The SHA-256 digest of the SHIPIT_PLAN_KEY whose saved plans approve. Without it, those of any such key do.",
        examples=["9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"],
    )
    enabled: Flag = Field(True, description="With false no approval is needed; approve: false is the same.")

    @model_validator(mode="before")
    @classmethod
    def _shorthand(cls, value: Any) -> Any:
        if isinstance(value, bool) or value in ("true", "false"):
            return {"enabled": value}
        if isinstance(value, str | int | float | list):
            raise ValueError("should be true or false, or a map of keys: token_sha256 and plan_key_sha256")
        return value
