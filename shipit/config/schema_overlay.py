"""Schemas of environments: the same keys as the file's, where nothing is required and null removes a key. Pure."""

from __future__ import annotations

from typing import Any

from shipit.config.schema_values import Schema

OVERLAY = "Overlay"
# Rules between keys: an overlay holds a part of them.
_RULES = ("required", "oneOf", "not", "dependencies", "default")


def overlay_of(schema: Any) -> Any:
    """The schema of an overlay from that of the file. References lead to the overlays of their definitions."""
    if isinstance(schema, list):
        return [overlay_of(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    return {key: _keyword(key, value) for key, value in schema.items() if key not in _RULES and value != []}


def _keyword(key: str, value: Any) -> Any:
    if key in ("if", "defaultSnippets", "enum", "examples"):
        return value
    if key == "$ref":
        return f"{value}{OVERLAY}"
    if key == "allOf":
        return [overlay_of(item) for item in value if "if" not in item]
    if key == "properties":
        return {name: nullable(overlay_of(item)) for name, item in value.items()}
    if key == "additionalProperties" and isinstance(value, dict):
        return nullable(overlay_of(value))
    return overlay_of(value)


def nullable(schema: Schema) -> Schema:
    """The same schema, for null too."""
    if "type" in schema and "enum" not in schema:
        types = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
        return {**schema, "type": [*dict.fromkeys([*types, "null"])]}
    if "anyOf" in schema:
        return {**schema, "anyOf": [*schema["anyOf"], {"title": "removed", "type": "null"}]}
    shown: Schema = {key: schema.pop(key) for key in ("title", "description") if key in schema}
    return {**shown, "anyOf": [schema, {"title": "removed", "type": "null"}]}
