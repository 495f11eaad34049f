"""Custom resources held against the schema of a CustomResourceDefinition that the cluster does not have yet. Pure.

What the API server refuses beyond this is left to it: patterns, formats, rules in CEL, and `allOf`, `anyOf`, `oneOf` and `not`.
Source: Kubernetes documentation, "Specifying a structural schema", "Field pruning"; API reference, v1 JSONSchemaProps.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from shipit.targets.kubernetes.objects import as_map, as_maps, spec_of
from shipit.targets.kubernetes.render import Manifest

_HEAD = ("apiVersion", "kind", "metadata")
_TYPES: Mapping[str, tuple[type, ...]] = {
    "object": (dict,), "array": (list,), "string": (str,), "boolean": (bool,), "integer": (int,), "number": (int, float),
}  # fmt: skip
_INT_OR_STRING = "x-kubernetes-int-or-string"
_PRESERVED = "x-kubernetes-preserve-unknown-fields"
_EMBEDDED = "x-kubernetes-embedded-resource"


class Misfit(NamedTuple):
    """A field of an object by its path, and what is wrong with it.

    `is_of_value`: the server finds it after mutating admission, which may have set another value.
    """

    field: str
    what: str
    is_of_value: bool = False


def schema_of(definition: Manifest, version: str) -> Mapping[str, Any]:
    """The schema of a version of a kind; empty where it has none that is a map, or keeps all fields."""
    spec = spec_of(definition)
    rows = spec.get("versions")
    row = next((row for row in as_maps(rows) if row.get("name") == version), {})
    return {} if spec.get("preserveUnknownFields") is True else as_map(as_map(row.get("schema")).get("openAPIV3Schema"))


def misfits(manifest: Manifest, schema: Mapping[str, Any]) -> Iterator[Misfit]:
    """The fields of a custom resource that its schema does not take."""
    if schema:
        own = {key: value for key, value in manifest.items() if key not in _HEAD}
        yield from _found(own, {**schema, "type": "object", "required": _without_head(schema)}, "")


def _without_head(schema: Mapping[str, Any]) -> list[str]:
    return [key for key in _required(schema) if key not in _HEAD]


def _required(schema: Mapping[str, Any]) -> list[str]:
    required = schema.get("required")
    return [key for key in required if isinstance(key, str)] if isinstance(required, list) else []


def _found(value: Any, schema: Mapping[str, Any], path: str) -> Iterator[Misfit]:
    # A null is replaced by the default, dropped, or refused by the server.
    if value is None:
        return
    if wrong := _wrong_type(value, schema):
        yield Misfit(path, wrong)
    elif wrong := _wrong_value(value, schema):
        yield Misfit(path, wrong, is_of_value=True)
    elif isinstance(value, dict):
        yield from _in_map(value, schema, path)
    elif isinstance(value, list):
        items = as_map(schema.get("items"))
        # Unknown fields are kept in the items, too.
        inner = {**items, _PRESERVED: True} if schema.get(_PRESERVED) is True else items
        for index, item in enumerate(value):
            yield from _found(item, inner, f"{path}[{index}]")


def _in_map(value: Mapping[str, Any], schema: Mapping[str, Any], path: str) -> Iterator[Misfit]:
    properties, others = as_map(schema.get("properties")), schema.get("additionalProperties")
    is_open = schema.get(_PRESERVED) is True or others is True or "type" not in schema
    is_object = schema.get(_EMBEDDED) is True
    for key, item in value.items():
        field = f"{path}.{key}" if path else str(key)
        if is_object and key in _HEAD:
            continue
        if key in properties:
            yield from _found(item, as_map(properties[key]), field)
        elif isinstance(others, dict):
            yield from _found(item, others, field)
        elif not is_open:
            yield Misfit(field, "unknown field")
    for key in _required(schema):
        if key not in value and "default" not in as_map(properties.get(key)):
            yield Misfit(path, f"lacks {key}", is_of_value=True)


def _wrong_type(value: Any, schema: Mapping[str, Any]) -> str:
    if schema.get(_INT_OR_STRING) is True:
        is_right = isinstance(value, str) or _is_whole(value)
        return "" if is_right else "should be a whole number or text"
    wanted = schema.get("type")
    types = _TYPES.get(wanted) if isinstance(wanted, str) else None
    if types is None or (isinstance(value, types) and isinstance(value, bool) == (wanted == "boolean")):
        return ""
    if wanted == "integer" and _is_whole(value):
        return ""
    return f"should be of type {wanted}"


def _is_whole(value: Any) -> bool:
    is_number = isinstance(value, int) and not isinstance(value, bool)
    return is_number or (isinstance(value, float) and value.is_integer())


def _wrong_value(value: Any, schema: Mapping[str, Any]) -> str:
    allowed = schema.get("enum")
    if isinstance(allowed, list) and value not in allowed:
        return f"should be one of {', '.join(map(_text, allowed))}"
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _outside(value, schema, "minimum", "maximum", "should be at {}")
    if isinstance(value, str):
        return _outside(len(value), schema, "minLength", "maxLength", "should have at {} characters")
    if isinstance(value, list):
        return _outside(len(value), schema, "minItems", "maxItems", "should have at {} items")
    return ""


def _outside(size: float, schema: Mapping[str, Any], least: str, most: str, words: str) -> str:
    lowest, highest = schema.get(least), schema.get(most)
    if isinstance(lowest, int | float) and size < lowest:
        return words.format(f"least {lowest}")
    return words.format(f"most {highest}") if isinstance(highest, int | float) and size > highest else ""


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True)
