"""The tables of keys in the reference: type and allowed values, default, example, and what each key does."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from shipit.config.document import TEXT_MAPS
from shipit.config.model import TargetConfig
from shipit.config.part import Model
from shipit.config.schema import models_below
from shipit.config.schema_values import VARIABLE, Schema, key_schema
from shipit.config.units import render_duration


def table_of(model: type[BaseModel]) -> Iterator[str]:
    """The rows of a model's keys; those that every target takes are in a table of their own."""
    yield "| key | type and allowed values | default | example | what it does |"
    yield "| --- | --- | --- | --- | --- |"
    schemas = model.model_json_schema(ref_template="{model}", mode="validation")["properties"]
    for name, field in model.model_fields.items():
        if _is_common(model, name):
            continue
        kind = _type(key_schema(name, schemas[name], is_text_map=name in TEXT_MAPS), name)
        cells = (f"`{name}`", kind, _default(field, kind), _example(field), field.description or "")
        yield f"| {' | '.join(cell.replace('|', '&#124;') for cell in cells)} |"


def _is_common(model: type[BaseModel], name: str) -> bool:
    """Whether a key of a kind is one that every target takes, without a default of its own."""
    if not issubclass(model, TargetConfig) or model is TargetConfig:
        return False
    return name in TargetConfig.model_fields and name not in model.__annotations__


def _type(schema: Schema, key: str) -> str:
    if key == "command":
        return "text for a shell, or a list of words"
    parts = [part for part in schema.get("anyOf", [schema]) if not _is_aside(part)]
    return " or ".join(dict.fromkeys(_one_type(part, key) for part in parts)) or "anything"


def anchor_of(model: type[BaseModel]) -> str:
    """The name of a model's section in links."""
    return model.__name__.removesuffix("Config").lower()


def _is_aside(part: Schema) -> bool:
    """An alternative that every key takes: null for the default, or a variable."""
    return part.get("type") == "null" or (part.get("type"), part.get("pattern")) == ("string", VARIABLE["pattern"])


def _one_type(schema: Schema, key: str) -> str:
    if "$ref" in schema:
        model = models_below(Model)[schema["$ref"]]
        forms = {"string": "text or ", "integer": "a whole number or "}
        short = "".join(forms.get(form["type"], "") for form in model.shorthand)
        return f"{short}[keys](#{anchor_of(model)})"
    types = schema.get("type", [])
    types = types if isinstance(types, list) else [types]
    if "array" in types and "object" not in types:
        inner = _type(schema.get("items", {}), key)
        return f"list, each {inner}" if inner.startswith(("a ", "an ", "the ", "text that")) else f"list of {inner}"
    if "array" not in types and ("object" in types or "additionalProperties" in schema):
        return _map_type(schema, key)
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    what = str(schema.get("errorMessage", "")).removeprefix("should be ") or "text"
    return what.replace("should not be", "text that is not", 1).replace("nor begin", "and does not begin", 1)


def _map_type(schema: Schema, key: str) -> str:
    values = [*schema.get("patternProperties", {}).values(), schema.get("additionalProperties")]
    own = next((value for value in values if isinstance(value, dict) and value), {})
    return f"map of name to {_type(own, key) if own else 'keys'}"


def _default(field: Any, kind: str) -> str:
    if field.is_required():
        return "required"
    value = field.default if field.default is not PydanticUndefined else None
    if value is None or value == () or value == "":
        return ""
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, float) and "duration" in kind:
        return f"`{render_duration(value)}`"
    return f"`{value[0] if isinstance(value, tuple) else value}`"


def _example(field: Any) -> str:
    if not field.examples:
        return ""
    return f"`{flow_text(field.examples[0])}`"


def flow_text(value: Any) -> str:
    """A value as YAML in one line."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {flow_text(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(flow_text, value)) + "]"
    if isinstance(value, str):
        return (
            json.dumps(value)
            if value[:1] in ">&*!|%@`" or ": " in value or (value[:1].isdigit() and "." in value)
            else value
        )
    return json.dumps(value)
