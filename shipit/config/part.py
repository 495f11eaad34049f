"""The base of every part of deploy.yml: a frozen pydantic model that refuses unknown keys."""

from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict

# Tags of a union of text and a map. pydantic puts them into the path of an error, from which they are dropped.
TEXT, MAP = "[text]", "[map]"


class Model(BaseModel):
    """A frozen part of the file. Unknown keys are mistakes, and no message repeats a value.

    For the schema only: `shorthand` is what may stand instead of the map, `rules` are conditions across keys that the
    validators check too, and `expected` says what should stand there, when a list of keys does not say it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, defer_build=True)

    shorthand: ClassVar[tuple[dict[str, Any], ...]] = ()
    rules: ClassVar[tuple[dict[str, Any], ...]] = ()
    expected: ClassVar[str] = ""


def forbid(key: str, message: str, *, beside: str, value: Any = None) -> dict[str, Any]:
    """A rule: no `key` when there is `beside`, or only when `beside` has a value."""
    condition = {"properties": {beside: {"const": value}}} if value is not None else {}
    return {
        "if": {"type": "object", "required": [beside], **condition},
        "then": {"properties": {key: {"type": "null", "doNotSuggest": True, "errorMessage": message}}},
    }


def need(key: str, message: str, *, beside: str, value: Any = None, type: str = "", unless: str = "") -> dict[str, Any]:
    """A rule: `key` is required when there is `beside`, or only when it has a value or type; `unless` another key is there."""
    of_type = {"properties": {beside: {"type": type}}} if type else {}
    condition = {"properties": {beside: {"const": value}}} if value is not None else of_type
    exception = {"not": {"required": [unless]}} if unless else {}
    return {
        "if": {"type": "object", "required": [beside], **condition, **exception},
        "then": {"required": [key], "errorMessage": message},
    }
