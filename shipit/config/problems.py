"""pydantic's errors as errors of shipit: position, path, what should be there, the nearest key. No value is shown."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from shipit.config.other_words import hint_for_key
from shipit.config.part import MAP, TEXT, Model
from shipit.config.position import Keys
from shipit.config.source import Source
from shipit.config.units import PATTERNS, Misplaced
from shipit.errors import ConfigError

M = TypeVar("M", bound=BaseModel)
MOST_PROBLEMS = 1000

# Parts of the path of an error that pydantic adds to the keys of the file.
_MARKS = ("[key]", TEXT, MAP)
_WHOLE, _FLAG, _NUMBER = "should be a whole number", "should be true or false", "should be a number"
_MAP, _LIST = "should be a map of keys", "should be a list"
_EXPECTED = {
    "int_type": _WHOLE,
    "int_parsing": _WHOLE,
    "int_from_float": _WHOLE,
    "bool_type": _FLAG,
    "bool_parsing": _FLAG,
    "float_type": _NUMBER,
    "float_parsing": _NUMBER,
    "dict_type": _MAP,
    "list_type": _LIST,
    "tuple_type": _LIST,
}


def problems_of(model: type[M], data: Any, source: Source, prefix: Keys) -> tuple[M | None, list[ConfigError]]:
    """Validate data with a model: the value, or every mistake at its place."""
    try:
        return model.model_validate(data), []
    except ValidationError as error:
        every = error.errors(include_url=False, include_input=False)
        details = every[:MOST_PROBLEMS]
        unknown = _unknown_keys(details)
        problems = [
            _problem(model, detail, source, prefix) for detail in details if not _is_misspelt(detail, unknown, source)
        ]
        if len(every) > MOST_PROBLEMS:
            problems.append(source.problem(prefix, f"{len(every) - MOST_PROBLEMS:,} more mistakes are not listed"))
        return None, problems


def _unknown_keys(details: list[Any]) -> Mapping[Keys, list[str]]:
    """Path of a map -> its unknown keys."""
    unknown: dict[Keys, list[str]] = {}
    for detail in details:
        if detail["type"] == "extra_forbidden":
            unknown.setdefault(detail["loc"][:-1], []).append(str(detail["loc"][-1]))
    return unknown


def _is_misspelt(detail: Any, unknown: Mapping[Keys, list[str]], source: Source) -> bool:
    """True for a missing key that is there in another spelling, which is reported as unknown."""
    if detail["type"] != "missing":
        return False
    *above, key = detail["loc"]
    return any(source.near(word, [str(key)]) for word in unknown.get(tuple(above), ()))


def _problem(model: type[BaseModel], detail: Any, source: Source, prefix: Keys) -> ConfigError:
    kind, context = detail["type"], detail.get("ctx", {})
    keys = (*prefix, *(key for key in detail["loc"] if key not in _MARKS))
    on_key = "[key]" in detail["loc"]
    if kind == "extra_forbidden":
        known = _known_keys(model, detail["loc"][:-1])
        hint = hint_for_key(str(keys[-1]), known) or source.near(str(keys[-1]), known) or _keys_here(known)
        # A key named like a variable was probably meant for env or secrets.
        is_variable = re.fullmatch(r"[A-Z][A-Z0-9_]+", str(keys[-1])) is not None
        return source.problem(keys, "unknown key", hint, on_key=True, hides=is_variable)
    if kind == "missing":
        return source.problem(
            keys[:-1], f"should have {keys[-1]}:", f"add {keys[-1]}: under it" if keys[:-1] else "add it"
        )
    if kind == "value_error":
        return _of_validator(context["error"], keys, source, is_leaf=_is_leaf(model, detail["loc"]))
    if kind == "model_type":
        return _no_map(model, detail["loc"], keys, source)
    if kind == "string_type":
        hint = "put quotes around it" if source.is_scalar(keys) else ""
        return source.problem(keys, "should be text", hint, on_key=on_key, on_value=True, anywhere=True)
    what = _words(kind, context) or detail["msg"].replace("Input ", "").replace("input ", "")
    hint = ""
    if what == _MAP and source.is_list(keys):
        each = "NAME: {env: VARIABLE} or the like" if keys[-1:] == ("secrets",) else "NAME: VALUE"
        hint = f"write each as {each}, without a - before it"
    if what == _LIST and source.is_scalar(keys) and isinstance(keys[-1], str):
        hint = f"write a list, also for one value: {keys[-1]}: [...]"
    if what == _LIST and keys[-1:] == ("freeze",):
        hint = "write each window as an item: [{start: fri 16:00, end: mon 08:00, zone: UTC}]"
    return source.problem(keys, what, hint, on_key=on_key, on_value=True, anywhere=True)


def _words(kind: str, context: Mapping[str, Any]) -> str:
    """The expected value in words; empty for errors that shipit has no words for."""
    if kind == "literal_error":
        return f"should be {context['expected']}"
    if kind == "string_pattern_mismatch":
        return PATTERNS.get(context["pattern"], f"should match {context['pattern']}")
    if kind in ("less_than_equal", "greater_than_equal"):
        return f"should be at most {context['le']}" if "le" in context else f"should be at least {context['ge']}"
    if kind in ("too_long", "too_short"):
        limit = context["max_length" if kind == "too_long" else "min_length"]
        word = "at most" if kind == "too_long" else "at least"
        return f"should have {word} {limit} {'item' if limit == 1 else 'items'}"
    return _EXPECTED.get(kind, "")


def _of_validator(error: ValueError, keys: Keys, source: Source, *, is_leaf: bool) -> ConfigError:
    """The error of a validator of a model, at the key that it names."""
    if isinstance(error, Misplaced):
        return source.problem((*keys, *error.keys), str(error), error.hint, on_key=bool(error.keys), on_value=True)
    return source.problem(keys, str(error), on_value=True, anywhere=is_leaf or source.is_list(keys))


def _no_map(model: type[BaseModel], path: Keys, keys: Keys, source: Source) -> ConfigError:
    """An error for another type where a map, or its shorthand, should be."""
    meant = _model_at(model, path)
    shorthand = getattr(meant, "shorthand", ())
    text = "text, or " if any(form.get("type") == "string" for form in shorthand) else ""
    if keys[:1] == ("secrets",) and len(keys) == 2:
        hint = "name where it is kept, such as {env: NAME}, {file: PATH} or {command: [...]}; never write it here"
        return source.problem(keys, _MAP, hint, on_value=True, anywhere=True)
    hint = _keys_here(_known_keys(model, path))
    return source.problem(keys, f"should be {text}a map of keys", hint, on_value=True, anywhere=True)


def _keys_here(known: set[str]) -> str:
    return f"keys here: {', '.join(sorted(known))}" if known else ""


def _known_keys(model: type[BaseModel], path: Keys) -> set[str]:
    """The keys of the model at a path of pydantic's."""
    meant = _model_at(model, path)
    return set(meant.model_fields) | getattr(meant, "also_known", frozenset()) if meant else set()


def _model_at(model: type[BaseModel], path: Keys) -> type[BaseModel] | None:
    """The model at a path of pydantic's, found by walking the annotations; None where there is none."""
    current: type[BaseModel] | None = model
    is_name = False
    for key in path:
        field = current.model_fields.get(str(key)) if current and not is_name else None
        # The key of a map by names is a name, which may be spelled like a key.
        is_name = field is not None and _holds_names(field.annotation)
        if field is not None:
            current = next(_models_in(field.annotation), None)
    return current


def _is_leaf(model: type[BaseModel], path: Keys) -> bool:
    """True for a path of pydantic's that leads to a value instead of a model."""
    meant = _model_at(model, path[:-1])
    field = meant.model_fields.get(str(path[-1])) if meant and path else None
    return field is not None and next(_models_in(field.annotation), None) is None


def _holds_names(annotation: Any) -> bool:
    inner = getattr(annotation, "__args__", ())
    return getattr(annotation, "__origin__", None) is dict or any(_holds_names(argument) for argument in inner)


def _models_in(annotation: Any) -> Iterator[type[Model]]:
    if isinstance(annotation, type) and issubclass(annotation, Model):
        yield annotation
    for argument in getattr(annotation, "__args__", ()):
        yield from _models_in(argument)
