"""The JSON Schema of deploy.yml, from the same models that check it. Draft 7, which editors know best.

Source: JSON Schema draft-07; the YAML language server reads `description` for hover.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

from pydantic import BaseModel

from shipit.config.document import TEXT_MAPS
from shipit.config.model import EnvironmentConfig, Model, ProjectFile, TargetConfig

Schema = dict[str, Any]
SCHEMA_ID = "http://json-schema.org/draft-07/schema#"
# What a value may always be instead, where it is no text anyway: a variable gives it.
VARIABLE: Schema = {"type": "string", "pattern": r"\$\{.+\}"}
OVERLAY = "Overlay"


def render_schema(kinds: Mapping[str, type[TargetConfig]]) -> Schema:
    """The schema of a file whose targets are of these kinds (name or alias -> model)."""
    definitions: dict[str, Schema] = {}
    top = _define(ProjectFile, definitions)
    models = {name: _define(kinds[name], definitions) for name in sorted(kinds)}
    definitions["AnyTarget"] = _any_target(models, named=True)
    whole = definitions[_name(top)]
    for key in ("include", "dotenv"):
        many = whole["properties"][key]
        about = many.pop("description")
        whole["properties"][key] = {"description": about, "anyOf": [many["items"], many]}
    whole["properties"]["targets"] = _targets(models, "AnyTarget", whole["properties"]["targets"])
    for name in list(definitions):
        definitions[name + OVERLAY] = _partial(definitions[name])
    for name in [name for name in definitions if name.endswith(OVERLAY)]:
        for part in definitions[name].get("anyOf", []):
            if "properties" in part:
                part["type"] = "object"
    definitions["AnyTarget" + OVERLAY] = {"type": ["object", "null"]}
    overlay = definitions.pop(_name(top) + OVERLAY)
    own = definitions[_name(_define(EnvironmentConfig, definitions))]
    overlay["properties"].pop("environments")
    overlay["properties"] |= own["properties"]
    overlay["properties"].pop("include")
    overlay["type"] = ["object", "null"]
    definitions["Environment"] = overlay
    whole["properties"]["environments"] |= {"additionalProperties": {"$ref": "#/$defs/Environment"}}
    definitions.pop(_name(top))
    return {
        "$schema": SCHEMA_ID,
        "title": "deploy.yml",
        "description": "What shipit builds, and where it releases it.",
        **{key: value for key, value in whole.items() if key not in ("title", "description")},
        "$defs": definitions,
    }


def _define(model: type[BaseModel], definitions: dict[str, Schema]) -> Schema:
    """Put a model and what it refers to among the definitions; a reference to it."""
    made = model.model_json_schema(ref_template="#/$defs/{model}", mode="validation")
    nested = made.pop("$defs", {})
    models = _models(Model)
    for name, schema in {**nested, model.__name__: made}.items():
        if name in definitions:
            continue
        definitions[name] = {}
        own = models.get(name, Model)
        inline: type[Model] | None = getattr(own, "inline", None)
        extra: Schema = {}
        if inline is not None:
            _define(inline, definitions)
            extra = _object(definitions[inline.__name__])["properties"]
            extra = {key: value for key, value in extra.items() if key not in schema["properties"]}
        definitions[name] = _finished(schema, own, extra)
    return {"$ref": f"#/$defs/{model.__name__}"}


def _models(model: type[Model]) -> dict[str, type[Model]]:
    """Name -> class of every model there is."""
    found = {child.__name__: child for child in model.__subclasses__()}
    return {**found, **{name: cls for child in found.values() for name, cls in _models(child).items()}}


def _object(schema: Schema) -> Schema:
    """The map among what may stand for a model."""
    return next(part for part in schema.get("anyOf", [schema]) if "properties" in part)


def _name(reference: Schema) -> str:
    return str(reference["$ref"]).rsplit("/", 1)[1]


def _finished(schema: Schema, model: type[Model], extra: Schema) -> Schema:
    """A model's schema as the file may be written: variables for values, keys that begin with x-, shorthands, rules."""
    schema = deepcopy(schema)
    schema.pop("title", None)
    for key, value in schema.get("properties", {}).items():
        schema["properties"][key] = _text_map(value) if key in TEXT_MAPS else _value(value)
    if "properties" in schema:
        schema["properties"] |= extra
        schema["patternProperties"] = {"^x-": {}}
    schema |= deepcopy(model.rules)
    if not model.shorthand:
        return schema
    description = schema.pop("description", "")
    return {"description": description, "anyOf": [*deepcopy(list(model.shorthand)), schema]}


def _value(schema: Schema) -> Schema:
    """A key's schema: a variable may give whatever is no text, and null stands for the default."""
    schema = {key: value for key, value in schema.items() if key not in ("title",)}
    if "anyOf" in schema:
        parts = [_value(part) for part in schema["anyOf"]]
        return {**schema, "anyOf": _unique(parts)}
    if schema.get("type") == "array":
        return {**schema, "items": _value(schema["items"])} if "items" in schema else schema
    if schema.get("type") == "object":
        if isinstance(schema.get("additionalProperties"), dict):
            schema["additionalProperties"] = _value(schema["additionalProperties"])
        if "patternProperties" in schema:
            schema["additionalProperties"] = False
            schema["patternProperties"] = {"^x-": {}, **schema["patternProperties"]}
        return schema
    bare = schema.get("type") in ("integer", "number", "boolean") or "enum" in schema or "const" in schema
    if not bare and "pattern" not in schema:
        return schema
    about: Schema = {key: schema.pop(key) for key in ("description", "default") if key in schema}
    return {**about, "anyOf": [schema, VARIABLE]}


def _unique(parts: list[Schema]) -> list[Schema]:
    """Alternatives without an anyOf in an anyOf, and each once."""
    flat = [inner for part in parts for inner in (part["anyOf"] if list(part) == ["anyOf"] else [part])]
    return [part for index, part in enumerate(flat) if part not in flat[:index]]


def _text_map(schema: Schema) -> Schema:
    """Values that are kept as they are written: 1.10 and true are text there, too."""
    schema = deepcopy(schema)
    schema.pop("title", None)
    scalar: Schema = {"type": ["string", "number", "boolean", "null"]}
    for part in schema.get("anyOf", [schema]):
        if part.get("type") == "object":
            part.pop("additionalProperties", None)
            patterns = part.pop("patternProperties", None)
            if patterns:
                part["patternProperties"] = dict.fromkeys(patterns, scalar)
                part["additionalProperties"] = False
            else:
                part["additionalProperties"] = scalar
        elif part.get("type") == "array":
            part["items"] = {"type": ["string", "number", "boolean"]}
    return schema


def _any_target(models: Mapping[str, Schema], *, named: bool) -> Schema:
    """A target whose name is no kind: it says which it is."""
    by_model: dict[str, list[str]] = {}
    for kind, reference in models.items():
        by_model.setdefault(reference["$ref"], []).append(kind)
    rules = [
        {"if": {"properties": {"kind": {"enum": names}}, "required": ["kind"]}, "then": {"$ref": reference}}
        for reference, names in by_model.items()
    ]
    about = "The kind of place that it releases to."
    return {
        "type": "object",
        "properties": {"kind": {"description": about, "enum": sorted(models)}},
        "required": ["kind"] if named else [],
        "allOf": rules,
    }


def _targets(models: Mapping[str, Schema], other: str, schema: Schema) -> Schema:
    """Targets named by a kind are of it unless they say another; the others say theirs."""
    properties = {
        name: {"if": {"type": "object", "required": ["kind"]}, "then": {"$ref": f"#/$defs/{other}"}, "else": reference}
        for name, reference in models.items()
    }
    own = {key: value for key, value in schema.items() if key not in ("additionalProperties", "title")}
    return {
        **own,
        "properties": properties,
        "patternProperties": {"^x-": {}},
        "additionalProperties": {"$ref": f"#/$defs/{other}"},
    }


def _partial(schema: Any) -> Any:
    """What an overlay may say of the same: nothing is required, null removes, references lead to overlays."""
    if isinstance(schema, list):
        return [_partial(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    out: Schema = {}
    for key, value in schema.items():
        if key in ("required", "oneOf", "not", "dependencies", "allOf"):
            continue
        if key == "$ref":
            out[key] = f"{value}{OVERLAY}"
        elif key == "properties":
            out[key] = {name: _nullable(_partial(item)) for name, item in value.items()}
        elif key in ("additionalProperties", "patternProperties") and isinstance(value, dict):
            out[key] = _nullable(_partial(value)) if key == "additionalProperties" else _partial(value)
        else:
            out[key] = _partial(value)
    return out


def _nullable(schema: Schema) -> Schema:
    return {
        "anyOf": [schema, {"type": "null"}],
        **({"description": schema["description"]} if "description" in schema else {}),
    }
