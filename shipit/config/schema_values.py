"""Schemas of single keys: variables as values, and what an editor shows: title, default, example, a sentence for a mistake. Pure.

Source: JSON Schema draft-07; `errorMessage`, `patternErrorMessage`, `defaultSnippets` and `doNotSuggest` are keywords of the
YAML language server, which other readers ignore.
"""

from __future__ import annotations

import re
from copy import deepcopy
from typing import Any

from shipit.config.units import DURATION_PATTERN, LIMIT_PATTERN, PATTERNS, render_duration

Schema = dict[str, Any]
_VARIABLE_PATTERN = r"\$\{.+\}"
# What may stand instead of any value that is not text: a variable gives it.
VARIABLE: Schema = {"type": "string", "pattern": _VARIABLE_PATTERN}
_SCALARS = {"string", "integer", "number", "boolean", "null"}
# Keywords that bind values of one type only, so that alternatives of several types can be one schema.
_OF_ONE_TYPE = {"type", "pattern", "minimum", "maximum", "exclusiveMaximum", "errorMessage", "patternErrorMessage"}
# pydantic's names for the bounds of a number behind a validator of ours.
_KEYWORDS = {"ge": "minimum", "le": "maximum"}


def key_schema(key: str, schema: Schema, *, is_text_map: bool) -> Schema:
    """The schema of a key as the file may be written, with what an editor shows of it."""
    schema = deepcopy(schema)
    schema.pop("title", None)
    about: Schema = {name: schema.pop(name) for name in ("description", "default", "examples") if name in schema}
    value = _text_map(schema) if is_text_map else _value(schema)
    return {**_shown(key, about, value), **value}


def _shown(key: str, about: Schema, value: Schema) -> Schema:
    """Title, description, default and example. Values of a map are offered as a snippet, scalars as an example."""
    default, examples = about.get("default"), about.get("examples")
    if isinstance(default, int | float) and not isinstance(default, bool) and _is_duration(value):
        default = render_duration(default)
    shown: Schema = {"title": key}
    if description := about.get("description", ""):
        has_default = default not in (None, "", [], {})
        shown["description"] = f"{description} Default: {_as_text(default)}." if has_default else description
        if has_default:
            return {**shown, "default": default}
    if examples and isinstance(examples[0], dict):
        shown["defaultSnippets"] = [{"label": f"example of {key}", "body": examples[0]}]
    elif examples:
        shown["examples"] = examples
    return shown


def _as_text(default: Any) -> str:
    if isinstance(default, list):
        return ", ".join(map(_as_text, default))
    return str(default).lower() if isinstance(default, bool) else str(default)


def _is_duration(value: Schema) -> bool:
    return any(pattern in value.get("pattern", "") for pattern in (DURATION_PATTERN, LIMIT_PATTERN))


def _value(schema: Schema) -> Schema:
    """A value: a variable may stand for whatever is not text, and null for the default."""
    schema = {_KEYWORDS.get(key, key): value for key, value in schema.items() if key != "title"}
    if "anyOf" in schema:
        own = {key: value for key, value in schema.items() if key != "anyOf"}
        return {**_alternatives([_value(part) for part in schema["anyOf"]]), **own}
    if schema.get("type") == "array":
        items = {"items": _value(schema["items"])} if "items" in schema else {}
        return {**schema, **items, "errorMessage": expectation(schema)}
    if schema.get("type") == "object":
        return _map(schema)
    return _scalar(schema)


def _map(schema: Schema) -> Schema:
    """A map from names to values; names that begin with x- are the user's own."""
    out = {**schema, "errorMessage": expectation(schema)}
    if isinstance(schema.get("additionalProperties"), dict):
        out["additionalProperties"] = _value(schema["additionalProperties"])
    if "patternProperties" in schema:
        out["additionalProperties"] = False
        out["patternProperties"] = {"^x-": {}, **{key: _value(own) for key, own in schema["patternProperties"].items()}}
    return out


def _scalar(schema: Schema) -> Schema:
    said = {"errorMessage": words} if (words := expectation(schema)) else {}
    if "enum" in schema or "const" in schema:
        # Distinct titles: the language server joins the texts of alternatives that it can't tell apart.
        return {"anyOf": [{"title": "value", **schema, **said}, {"title": "variable", **VARIABLE, **said}]}
    if schema.get("type") in ("integer", "number", "boolean") or "pattern" in schema:
        return _merged([{**schema, **said}, VARIABLE])
    return {**schema, **said}


def _alternatives(parts: list[Schema]) -> Schema:
    """Alternatives as one schema where each keyword binds values of one type; else as `anyOf`, each once."""
    flat = [inner for part in parts for inner in (part["anyOf"] if list(part) == ["anyOf"] else [part])]
    unique = [part for index, part in enumerate(flat) if part not in flat[:index]]
    nulls = [part for part in unique if part == {"type": "null"}]
    others = [part for part in unique if part not in nulls]
    if all(set(_types(part)) <= _SCALARS and set(part) <= _OF_ONE_TYPE for part in others):
        return _merged(unique)
    if len(others) == 1 and "type" in others[0] and nulls:
        return {**others[0], "type": [*_types(others[0]), "null"]}
    named = [{"title": "nothing", **part} if part in nulls else part for part in unique]
    return {"anyOf": named}


def _merged(parts: list[Schema]) -> Schema:
    """Scalars of several types as one schema. Patterns of text are alternatives; text without one takes any."""
    types = list(dict.fromkeys(kind for part in parts for kind in _types(part)))
    texts = [part.get("pattern") for part in parts if "string" in _types(part)]
    patterns = list(dict.fromkeys(pattern for pattern in texts if pattern))
    out: Schema = {}
    for part in reversed(parts):
        out |= part
    out["type"] = types if len(types) > 1 else types[0]
    out.pop("pattern", None)
    if texts and all(texts):
        out["pattern"] = "|".join(f"({pattern})" for pattern in patterns) if len(patterns) > 1 else patterns[0]
    return out


def _types(schema: Schema) -> list[str]:
    kinds = schema.get("type", [])
    return kinds if isinstance(kinds, list) else [kinds]


def _text_map(schema: Schema) -> Schema:
    """Values that are text however they are written: 1.10 and true, too."""
    scalar: Schema = {"type": ["string", "number", "boolean", "null"], "errorMessage": "should be text"}
    out: list[Schema] = []
    for part in schema.get("anyOf", [schema]):
        if part.get("type") == "object":
            names = part.get("patternProperties")
            inner = {name: _text_or_map(value, scalar) for name, value in names.items()} if names else {}
            values = {"additionalProperties": False, "patternProperties": inner} if names else {}
            out.append({"type": "object", "additionalProperties": scalar, **values, "errorMessage": expectation(part)})
        elif part.get("type") == "array":
            own = _value(part.get("items") or {})
            kinds = ["string", "number", "boolean"]
            out.append({**part, "items": {**own, "type": kinds} if "pattern" in own else scalar})
        else:
            out.append(_value(part))
    return _alternatives(out)


def _text_or_map(value: Schema, scalar: Schema) -> Schema:
    """The value of a map of text, where a map of keys may stand as well."""
    maps = [part for part in value.get("oneOf", ()) if "$ref" in part]
    return {"anyOf": [{"title": "text", **scalar}, *maps]} if maps else scalar


def expectation(schema: Schema) -> str:
    """What should stand there, as a sentence; empty when the schema says nothing that can be told in one."""
    if "errorMessage" in schema:
        return str(schema["errorMessage"])
    if "enum" in schema:
        *most, last = [str(value) for value in schema["enum"]]
        return f"should be {', '.join(most)} or {last}" if most else f"should be {last}"
    if "const" in schema:
        return f"should be {schema['const']}"
    if "pattern" in schema:
        return PATTERNS.get(schema["pattern"], "")
    if schema.get("type") == "object" and "patternProperties" in schema:
        words = next((PATTERNS[name] for name in schema["patternProperties"] if name in PATTERNS), "")
        return (
            re.sub(r"^should be", "should be a map, and each name in it", words)
            if words
            else "should be a map of names"
        )
    kinds = {"string": "text", "boolean": "true or false", "array": "a list", "object": "a map of names"}
    kind = str(schema.get("type"))
    if kind in ("integer", "number"):
        return f"should be {'a whole number' if kind == 'integer' else 'a number'}{_bounds(schema)}"
    return f"should be {kinds[kind]}" if kind in kinds else ""


def _bounds(schema: Schema) -> str:
    least, most = schema.get("minimum"), schema.get("maximum")
    if least is not None and most is not None:
        return f" from {least} to {most}"
    return "" if least is None else f", {least} or more"
