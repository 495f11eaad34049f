"""The JSON Schema of deploy.yml, from the same models that check it. Draft 7, which editors know best.

Source: JSON Schema draft-07; the YAML language server reads `description` for hover.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

from pydantic import BaseModel

from shipit.config.document import TEXT_MAPS
from shipit.config.model import EnvironmentConfig, ProjectFile, TargetConfig
from shipit.config.part import Model
from shipit.config.units import DURATION_PATTERN, LIMIT_PATTERN, render_duration

Schema = dict[str, Any]
SCHEMA_ID = "http://json-schema.org/draft-07/schema#"
# What a value may always be instead, where it is no text anyway: a variable gives it.
VARIABLE: Schema = {"type": "string", "pattern": r"\$\{.+\}"}
OVERLAY = "Overlay"
# What pydantic calls the bounds of a number behind a validator of ours.
_KEYWORDS = {"ge": "minimum", "le": "maximum"}


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
    definitions["AnyTarget" + OVERLAY] = {"type": ["object", "null"]}
    overlay = definitions.pop(_name(top) + OVERLAY)
    own = definitions[_name(_define(EnvironmentConfig, definitions))]
    overlay["properties"].pop("environments")
    overlay["properties"] |= own["properties"]
    overlay["properties"].pop("include")
    overlay["type"] = ["object", "null"]
    overlay["description"] = "What is laid over the file with -e; null removes a key."
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
            extra = definitions[inline.__name__]["properties"]
            extra = {key: value for key, value in extra.items() if key not in schema["properties"]}
            schema["dependencies"] = inline.rules.get("dependencies", {})
        definitions[name] = _finished(schema, own, extra)
    return {"$ref": f"#/$defs/{model.__name__}"}


def _models(model: type[Model]) -> dict[str, type[Model]]:
    """Name -> class of every model there is."""
    found = {child.__name__: child for child in model.__subclasses__()}
    return {**found, **{name: cls for child in found.values() for name, cls in _models(child).items()}}


def _name(reference: Schema) -> str:
    return str(reference["$ref"]).rsplit("/", 1)[1]


def _finished(schema: Schema, model: type[Model], extra: Schema) -> Schema:
    """A model's schema as the file may be written: variables for values, keys that begin with x-, shorthands, rules."""
    schema = deepcopy(schema)
    schema.pop("title", None)
    for key, value in schema.get("properties", {}).items():
        schema["properties"][key] = _text_map(value) if key in TEXT_MAPS else _value(value)
    if issubclass(model, TargetConfig) and not model.reverts:
        schema["properties"]["on_failure"] = _without(schema["properties"]["on_failure"], "rollback")
    if "properties" in schema:
        schema["properties"] |= extra
        schema["patternProperties"] = {"^x-": {}}
    if model.rules:
        # Said of maps only: what asks for a key, or forbids one, says yes or no to text, too.
        schema |= {"if": {"type": "object"}, "then": deepcopy(model.rules)}
    return _with_shorthand(schema, model.shorthand) if model.shorthand else schema


def _without(schema: Schema, word: str) -> Schema:
    """A key's schema without one of its words."""
    return (
        {**schema, "anyOf": [_less(part, word) for part in schema["anyOf"]]}
        if "anyOf" in schema
        else _less(schema, word)
    )


def _less(schema: Schema, word: str) -> Schema:
    return {**schema, "enum": [item for item in schema["enum"] if item != word]} if "enum" in schema else schema


def _with_shorthand(schema: Schema, shorthand: tuple[Schema, ...]) -> Schema:
    """A map, or what may stand for one, as one schema of several types: a keyword is of one type, and binds no other.

    Editors tell a mistake in the map by its key then, where of an `anyOf` they tell the first form.
    """
    types = [form["type"] for form in shorthand]
    patterns = [form["pattern"] for form in shorthand if "pattern" in form]
    others = {key: value for form in shorthand for key, value in form.items() if key not in ("type", "pattern")}
    pattern = {"pattern": "|".join(f"({pattern})" for pattern in patterns)} if patterns else {}
    return {**schema, "type": ["object", *dict.fromkeys(types)], **pattern, **deepcopy(others)}


def _value(schema: Schema) -> Schema:
    """A key's schema: a variable may give whatever is no text, and null stands for the default."""
    schema = {_KEYWORDS.get(key, key): value for key, value in schema.items() if key != "title"}
    if schema.get("pattern") in (DURATION_PATTERN, LIMIT_PATTERN) and isinstance(schema.get("default"), int | float):
        schema["default"] = render_duration(schema["default"])
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
            own = part.get("items") or {}
            other: Schema = {"type": ["number", "boolean"]}
            part["items"] = {"anyOf": [own, VARIABLE, other]} if "pattern" in own else scalar
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
        if key == "if":
            out[key] = value
        elif key == "$ref":
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
