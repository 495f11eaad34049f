"""Durations, commands, flags and other small values. Pure."""

import re
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema

_WHOLE = re.compile(r"[-+]?(0|[1-9][0-9]{0,18})")
# A year: timers of systems do not count further.
LONGEST_S = 365 * 24 * 3600
_DURATION_SAID = "should be a duration such as 90s, 10m or 1h30m"
_DURATION = re.compile(r"(?:([0-9]+)h)?(?:([0-9]+)m)?(?:([0-9]+)s)?")


def parse_duration(value: Any) -> float:
    """Seconds of a duration such as `90s`, `10m`, `1h30m`.

    Raises: ValueError when it is none; a bare number is one, with the fix.
    """
    if isinstance(value, int | float) and not isinstance(value, bool):
        raise ValueError(f"should be a duration with a unit: {value}s or {value}m")
    match = _DURATION.fullmatch(value) if isinstance(value, str) and 0 < len(value) <= 30 else None
    if not match:
        raise ValueError(_DURATION_SAID)
    hours, minutes, seconds = (int(group or 0) for group in match.groups())
    if (total := hours * 3600 + minutes * 60 + seconds) > LONGEST_S:
        raise ValueError(f"should be at most {LONGEST_S // 3600}h")
    return float(total)


def parse_limit(value: Any) -> float:
    """Seconds of a time limit. Raises: ValueError as `parse_duration` does, and for 0s."""
    seconds = parse_duration(value)
    if seconds == 0:
        raise ValueError("should be longer than 0s")
    return seconds


def parse_command(value: Any) -> Any:
    """The argv of a command: text is run by a shell, a list is executed as it is."""
    if isinstance(value, str):
        if not value.strip():
            raise ValueError("should be a command, not empty text")
        return ("/bin/sh", "-c", value)
    if isinstance(value, list | tuple) and value and all(isinstance(item, str) for item in value):
        return tuple(value)
    raise ValueError(_COMMAND_SAID)


def parse_flag(value: Any) -> bool:
    """`true` or `false`, also as the text of a variable. Raises: ValueError for anything else, such as `yes`."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in ("true", "false"):
        return value.lower() == "true"
    raise ValueError("should be true or false")


def parse_whole(value: Any) -> int:
    """A whole number, also as the text of a variable. Raises: ValueError for anything else, such as 1e3, 1_000 and 0755."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and _WHOLE.fullmatch(value):
        return int(value)
    raise ValueError("should be a whole number")


def render_duration(seconds: float) -> str:
    """`1h30m` and the like, as the file has it."""
    whole = int(seconds)
    parts = ((whole // 3600, "h"), (whole % 3600 // 60, "m"), (whole % 60, "s"))
    return "".join(f"{number}{unit}" for number, unit in parts if number) or "0s"


def render_command(words: tuple[str, ...]) -> Any:
    """A command as the file has it: text where a shell runs it."""
    return words[2] if is_shell_text(words) else list(words)


def is_shell_text(words: tuple[str, ...]) -> bool:
    """True for a command that is written as text, which a shell runs. A list may have further words: the shell's arguments."""
    return words[:2] == ("/bin/sh", "-c") and len(words) == 3


# Pattern -> what it asks for, in words.
PATTERNS: dict[str, str] = {}


class Misplaced(ValueError):
    """An error of a validator at one of the keys of a map, or with a hint."""

    def __init__(self, what: str, *keys: str | int, hint: str = "") -> None:
        super().__init__(what)
        self.keys = keys
        self.hint = hint


def matching(pattern: str, words: str) -> Any:
    """A pydantic field of text that matches a pattern; `words` tell what it should be."""
    PATTERNS[pattern] = words
    return Field(pattern=pattern)


_VARIABLE = "should be a variable's name: letters, digits and _, not beginning with a digit"
VariableName = Annotated[str, matching(r"^[A-Za-z_][A-Za-z0-9_]*$", _VARIABLE)]
DURATION_PATTERN = r"^(?=.)(\d{1,4}h)?(\d{1,6}m)?(\d{1,8}s)?$"
LIMIT_PATTERN = DURATION_PATTERN.replace("(?=.)", "(?=.*[1-9])")
Duration = Annotated[
    float,
    BeforeValidator(parse_duration),
    PlainSerializer(render_duration),
    WithJsonSchema({"type": "string", "pattern": DURATION_PATTERN, "errorMessage": _DURATION_SAID}),
]
Limit = Annotated[
    float,
    BeforeValidator(parse_limit),
    PlainSerializer(render_duration),
    WithJsonSchema({"type": "string", "pattern": LIMIT_PATTERN, "errorMessage": f"{_DURATION_SAID}, longer than 0s"}),
]
# The words of a command are text however they are written: 1.10, false and ~ too.
_COMMAND_SAID = "should be a command: text for a shell, or a list of words"
WORDS_SCHEMA = {"type": "array", "items": {"type": ["string", "number", "boolean", "null"]}, "minItems": 1}
Command = Annotated[
    tuple[str, ...],
    BeforeValidator(parse_command),
    PlainSerializer(render_command),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "pattern": r"\S", "errorMessage": _COMMAND_SAID},
                WORDS_SCHEMA,
            ]
        }
    ),
]
Flag = Annotated[bool, BeforeValidator(parse_flag)]
Whole = Annotated[int, BeforeValidator(parse_whole)]
Port = Annotated[Whole, Field(ge=1, le=65535)]
UrlPath = Annotated[str, matching(r"^/[!-~]*$", "should be a path that begins with /, without spaces")]
HTTP_URL = r"^https?://[^\s/@?#]+([/?#][!-~]*)?$"
HTTP_URL_SAID = "should be a URL of http or https without a user"
HttpUrl = Annotated[str, matching(HTTP_URL, HTTP_URL_SAID)]
Sha256 = Annotated[str, matching(r"^[0-9a-f]{64}$", "should be a SHA-256 checksum: 64 digits and letters a to f")]
EnvMap = dict[VariableName, str | None]
