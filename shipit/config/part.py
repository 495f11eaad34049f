"""What every part of deploy.yml is: a frozen pydantic model that takes no key it does not know."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict


class Model(BaseModel):
    """A frozen part of the file; unknown keys are mistakes, and no value is repeated in a message."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, defer_build=True)

    # For the schema: what may stand instead of the map, and rules between keys that the validators check.
    shorthand: ClassVar[tuple[dict[str, Any], ...]] = ()
    rules: ClassVar[dict[str, Any]] = {}
