"""The JSON Schema of deploy.yml, from the same models that check it. Draft 7, which editors know best.

Source: JSON Schema draft-07; the YAML language server reads `title` and `description` for hover.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy

from pydantic import BaseModel

from shipit.config.document import TEXT_MAPS
from shipit.config.hooks import HooksConfig
from shipit.config.model import EnvironmentConfig, ProjectFile, TargetConfig
from shipit.config.other_words import words_for
from shipit.config.part import Model
from shipit.config.schema_overlay import OVERLAY, overlay_of
from shipit.config.schema_values import Schema, expectation, key_schema

SCHEMA_ID = "http://json-schema.org/draft-07/schema#"


def render_schema(kinds: Mapping[str, type[TargetConfig]]) -> Schema:
    """The schema of a file whose targets are of these kinds (name or alias -> model)."""
    definitions: dict[str, Schema] = {}
    whole = definitions[_name(_define(ProjectFile, definitions))]
    references = {name: _define(kinds[name], definitions) for name in sorted(kinds)}
    definitions["AnyTarget"] = _any_target(references)
    for own in {reference["$ref"].rpartition("/")[2] for reference in references.values()}:
        definitions[own]["properties"]["check"] = _one_or_many(definitions[own]["properties"]["check"])
    hooks = definitions["HooksConfig"]["properties"]
    for key in HooksConfig.model_fields:
        hooks[key] = _hook_forms(hooks[key])
    for key in ("include", "dotenv"):
        whole["properties"][key] = _one_or_many(whole["properties"][key])
    whole["properties"]["targets"] = _targets(references, whole["properties"]["targets"])
    for name in list(definitions):
        definitions[name + OVERLAY] = overlay_of(definitions[name])
    definitions["AnyTarget" + OVERLAY] = {"type": ["object", "null"]}
    definitions["Environment"] = _environment(definitions.pop(ProjectFile.__name__ + OVERLAY), definitions)
    whole["properties"]["environments"] |= {"additionalProperties": {"$ref": "#/$defs/Environment"}}
    definitions.pop(ProjectFile.__name__)
    return {
        "$schema": SCHEMA_ID,
        "title": "deploy.yml",
        "description": "What shipit builds, and where it deploys it.",
        **{key: value for key, value in whole.items() if key not in ("title", "description")},
        "$defs": definitions,
    }


def _one_or_many(many: Schema) -> Schema:
    """A list, or one of its items."""
    shown: Schema = {key: many.pop(key) for key in ("title", "description", "examples") if key in many}
    return {**shown, "anyOf": [{**many["items"], "title": "one"}, {**many, "title": "several"}]}


def _hook_forms(many: Schema) -> Schema:
    """A command as text or as a list of words, a hook, or a list of hooks."""
    shown: Schema = {key: many.pop(key) for key in ("title", "description", "examples") if key in many}
    words = {"type": "array", "items": {"type": "string"}, "minItems": 1, "title": "words of a command"}
    text = {"type": "string", "pattern": r"\S", "title": "a command"}
    one = {**many["items"], "title": "one"}
    return {**shown, "anyOf": [text, one, words, {**many, "title": "several"}]}


def _environment(overlay: Schema, definitions: dict[str, Schema]) -> Schema:
    """What an environment may say: its own settings, and the file's keys but for those that are read before it."""
    own = definitions[_name(_define(EnvironmentConfig, definitions))]
    for key in ("environments", "include"):
        overlay["properties"].pop(key)
    overlay["properties"] |= own["properties"]
    about = "What is merged over the file with -e NAME; null removes a key."
    return {**overlay, "title": "environment", "description": about, "type": ["object", "null"]}


def _define(model: type[BaseModel], definitions: dict[str, Schema]) -> Schema:
    """Put a model and what it refers to among the definitions; a reference to it."""
    made = model.model_json_schema(ref_template="#/$defs/{model}", mode="validation")
    nested = made.pop("$defs", {})
    models = models_below(Model)
    for name, schema in {**nested, model.__name__: made}.items():
        if name not in definitions:
            definitions[name] = {}
            own = models.get(name, Model)
            definitions[name] = _finished(schema, own, _inline_keys(own, schema, definitions))
    return {"$ref": f"#/$defs/{model.__name__}"}


def _inline_keys(model: type[Model], schema: Schema, definitions: dict[str, Schema]) -> Schema:
    """The keys that a target takes in the place of its only workload."""
    inline: type[Model] | None = getattr(model, "inline", None)
    if inline is None:
        return {}
    _define(inline, definitions)
    keys: Schema = definitions[inline.__name__]["properties"]
    return {key: keys[key] for key in inline.model_fields if key not in schema["properties"]}


def models_below(model: type[Model]) -> dict[str, type[Model]]:
    """Name -> class of every model that is derived from one."""
    found = {child.__name__: child for child in model.__subclasses__()}
    return {**found, **{name: cls for child in found.values() for name, cls in models_below(child).items()}}


def _name(reference: Schema) -> str:
    return str(reference["$ref"]).rsplit("/", 1)[1]


def _finished(schema: Schema, model: type[Model], extra: Schema) -> Schema:
    """A model's schema as the file may be written: variables for values, keys that begin with x-, shorthands, rules."""
    schema = {**deepcopy(schema), "title": model.__name__.removesuffix("Config")}
    keys = {
        key: key_schema(key, value, is_text_map=key in TEXT_MAPS) for key, value in schema.get("properties", {}).items()
    }
    if issubclass(model, TargetConfig) and not model.reverts:
        keys["on_failure"] = _without(keys["on_failure"], "rollback")
    if "kind" in keys and issubclass(model, TargetConfig):
        keys["kind"] |= {"doNotSuggest": True}
    expected = model.expected or _expected(list(keys), model)
    if keys:
        keys |= extra
        schema |= {"properties": keys | _refused(words_for(set(keys))), "patternProperties": {"^x-": {}}}
    schema.pop("type", None)
    types = ["object", *dict.fromkeys(form["type"] for form in model.shorthand)]
    # Apart from the keys, so that the sentence is for another type only.
    schema["allOf"] = [
        {"type": types if len(types) > 1 else "object", "errorMessage": expected},
        *deepcopy(model.rules),
    ]
    return schema | _shorthand(model.shorthand)


def _refused(words: Mapping[str, str]) -> Schema:
    """Keys of other tools, which an editor does not offer, and answers with what to write instead."""
    return {
        word: {"type": "null", "doNotSuggest": True, "errorMessage": f"is not a key here: {hint}"}
        for word, hint in words.items()
    }


def _expected(keys: list[str], model: type[Model]) -> str:
    shown = f"{', '.join(keys[:4])}, ..." if len(keys) > 4 else ", ".join(keys)
    text = "text, or " if any(form["type"] == "string" for form in model.shorthand) else ""
    return f"should be {text}a map of keys: {shown}"


def _shorthand(forms: tuple[Schema, ...]) -> Schema:
    """What may stand for a map, as keywords beside it: each is of one type, and binds no other.

    Editors tell a mistake in the map by its key then, where of an `anyOf` they tell the first form.
    """
    patterns = [form["pattern"] for form in forms if "pattern" in form]
    out = {key: value for form in forms for key, value in deepcopy(form).items() if key not in ("type", "pattern")}
    return {**out, "pattern": "|".join(f"({pattern})" for pattern in patterns)} if patterns else out


def _without(schema: Schema, word: str) -> Schema:
    """A key's schema without one of its words."""
    value, *others = schema["anyOf"]
    left = {key: item for key, item in value.items() if key != "errorMessage"}
    left["enum"] = [item for item in value["enum"] if item != word]
    said = {"errorMessage": expectation(left)}
    return {**schema, "anyOf": [left | said, *({**other, **said} for other in others)]}


def _any_target(references: Mapping[str, Schema]) -> Schema:
    """A target whose name is not a kind, and which therefore names its kind."""
    by_model: dict[str, list[str]] = {}
    for kind, reference in references.items():
        by_model.setdefault(reference["$ref"], []).append(kind)
    rules: list[Schema] = [
        {"if": {"properties": {"kind": {"enum": names}}, "required": ["kind"]}, "then": {"$ref": reference}}
        for reference, names in by_model.items()
    ]
    kinds: Schema = {"enum": sorted(references)}
    said = {"errorMessage": f"should have kind: {expectation(kinds).removeprefix('should be ')}"}
    return {
        "title": "target",
        "type": "object",
        **said,
        "properties": {"kind": {"title": "kind", "description": "The kind of target.", **kinds, **said}},
        "required": ["kind"],
        "allOf": rules,
    }


def _targets(references: Mapping[str, Schema], schema: Schema) -> Schema:
    """Targets named by a kind are of that kind unless they name another; the others name theirs."""
    named = {"if": {"type": "object", "required": ["kind"]}, "then": {"$ref": "#/$defs/AnyTarget"}}
    mapping = {"type": ["object", "null"]}
    properties = {
        name: {
            "title": name,
            **mapping,
            "errorMessage": "should be a map of keys",
            **named,
            "else": {"if": mapping, "then": model},
        }
        for name, model in references.items()
    }
    return {
        **{key: value for key, value in schema.items() if key not in ("additionalProperties", "defaultSnippets")},
        "properties": properties,
        "patternProperties": {"^x-": {}},
        "additionalProperties": {"$ref": "#/$defs/AnyTarget"},
    }
