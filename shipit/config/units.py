"""Durations and other small values as people write them. Pure."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, WithJsonSchema

_DURATION = re.compile(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?")


def parse_duration(value: Any) -> float:
    """Seconds of a duration such as `90s`, `10m`, `1h30m`.

    Raises: ValueError when it is none; a bare number is one, with the fix.
    """
    if isinstance(value, int | float) and not isinstance(value, bool):
        raise ValueError(f"should be a duration with a unit: {value}s or {value}m")
    match = _DURATION.fullmatch(value) if isinstance(value, str) and value else None
    if not match:
        raise ValueError("should be a duration such as 90s, 10m or 1h30m")
    hours, minutes, seconds = (int(group or 0) for group in match.groups())
    return float(hours * 3600 + minutes * 60 + seconds)


def parse_command(value: Any) -> Any:
    """argv of a command: text is run by a shell, a list is argv as it stands."""
    if isinstance(value, str):
        if not value.strip():
            raise ValueError("should be a command, not empty text")
        return ("/bin/sh", "-c", value)
    if isinstance(value, list | tuple) and value and all(isinstance(item, str | int | float) for item in value):
        return tuple(str(item) for item in value)
    raise ValueError("should be a command: text for a shell, or a list of words")


Duration = Annotated[
    float, BeforeValidator(parse_duration), WithJsonSchema({"type": "string", "pattern": r"^(\d+h)?(\d+m)?(\d+s)?$"})
]
Command = Annotated[
    tuple[str, ...],
    BeforeValidator(parse_command),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "minItems": 1}]}),
]
Port = Annotated[int, Field(ge=1, le=65535)]
EnvMap = dict[Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")], str | None]
