"""From pydantic's errors to ours: position, path, what should be there, the nearest key. No value is ever shown."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from shipit.config.document import Mapping_, Position, Scalar, Sequence_, Value, excerpt, masked
from shipit.config.model import Keys
from shipit.errors import ConfigError

M = TypeVar("M", bound=BaseModel)

_EXPECTED = {
    "string_type": "should be text; put quotes around it",
    "int_type": "should be a whole number",
    "int_parsing": "should be a whole number",
    "int_from_float": "should be a whole number",
    "bool_type": "should be true or false",
    "bool_parsing": "should be true or false",
    "float_type": "should be a number",
    "float_parsing": "should be a number",
    "dict_type": "should be a map of keys",
    "model_type": "should be a map of keys",
    "model_attributes_type": "should be a map of keys",
    "list_type": "should be a list",
    "tuple_type": "should be a list",
}


class Source:
    """A tree and the texts of the files it was read from (name -> bytes), able to say where a path of keys stands."""

    def __init__(self, name: str, texts: Mapping[str, bytes], tree: Value) -> None:
        self.name = name
        self.texts = texts
        self.tree = tree

    def of(self, tree: Value) -> Source:
        """The same files, with what became of their tree."""
        return Source(self.name, self.texts, tree)

    def locate(self, keys: Keys, *, on_key: bool = False) -> tuple[Position, Keys]:
        """The position of a path's value (or of its last key), and the part of the path that is really in the file.

        Keys that a shorthand left out are passed over, so that the nearest thing written is found.
        """
        value, at = self.tree, Position(1, 1)
        found: list[str | int] = []
        for key in keys:
            if isinstance(value, Mapping_):
                name = str(key)
                if name not in value.items and name == "images" and not found:
                    name = "image"
                if name in value.items:
                    key_at, value = value.items[name]
                    at = value.at if isinstance(value, Scalar) and not value.is_null and not on_key else key_at
                    found.append(name)
            elif isinstance(value, Sequence_) and isinstance(key, int) and 0 <= key < len(value.items):
                value = value.items[key]
                at = value.at
                found.append(key)
        return at, tuple(found)

    def problem(self, keys: Keys, what: str, hint: str = "", *, on_key: bool = False, offset: int = 0) -> ConfigError:
        """An error at a path; `offset` moves the caret into a scalar."""
        at, found = self.locate(keys, on_key=on_key)
        if offset and at.width > offset:
            at = at._replace(column=at.column + offset, width=at.width - offset)
        error = self.problem_at(at, what, hint, path=dotted(found))
        if found[:1] == ("secrets",):
            # Whoever put a value there made a mistake; it is not repeated for the log of a CI run.
            error.detail = masked(error.detail, at, keep_token=on_key or not isinstance(self._at(found), Scalar))
        return error

    def _at(self, keys: Keys) -> Value:
        value = self.tree
        for key in keys:
            if isinstance(value, Mapping_):
                value = value.items[str(key)][1]
            elif isinstance(value, Sequence_) and isinstance(key, int):
                value = value.items[key]
        return value

    def problem_at(self, at: Position, what: str, hint: str = "", *, path: str = "") -> ConfigError:
        """An error at a position."""
        name = at.file or self.name
        return ConfigError(
            what,
            where=f"{name}:{at.line}:{at.column}",
            hint=hint,
            path=path,
            excerpt=excerpt(self.texts.get(name, b"").decode("utf-8-sig", "replace"), at),
            position=(at.line, at.column),
        )

    @staticmethod
    def near(word: str, known: Iterable[str]) -> str:
        """`did you mean X?` for the nearest known word, or nothing."""
        matches = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
        return f"did you mean {matches[0]}?" if matches else ""


def dotted(keys: Keys) -> str:
    """`targets.k8s.needs[0]` for a path of keys."""
    return "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in keys).lstrip(".")


def problems_of(model: type[M], data: Any, source: Source, prefix: Keys) -> tuple[M | None, list[ConfigError]]:
    """Validate data with a model: the value, or every mistake at its place."""
    try:
        return model.model_validate(data), []
    except ValidationError as error:
        details = error.errors(include_url=False, include_input=False)
        return None, [_problem(model, detail, source, prefix) for detail in details]


def _problem(model: type[BaseModel], detail: Any, source: Source, prefix: Keys) -> ConfigError:
    kind, context = detail["type"], detail.get("ctx", {})
    keys = (*prefix, *(key for key in detail["loc"] if key != "[key]"))
    on_key = "[key]" in detail["loc"]
    if kind == "extra_forbidden":
        known = _known_keys(model, detail["loc"][:-1])
        hint = source.near(str(keys[-1]), known) or (f"keys here: {', '.join(sorted(known))}" if known else "")
        return source.problem(keys, "is not a key that is known here", hint, on_key=True)
    if kind == "missing":
        return source.problem(
            keys[:-1], f"should have {keys[-1]}:", f"add {keys[-1]}: under it" if keys[:-1] else "add it"
        )
    if kind == "literal_error":
        return source.problem(keys, f"should be {context['expected']}")
    if kind == "value_error":
        return source.problem(keys, str(context["error"]))
    if kind == "string_pattern_mismatch":
        return source.problem(keys, _pattern(context["pattern"]), on_key=on_key)
    what = _EXPECTED.get(kind) or detail["msg"].replace("Input ", "").replace("input ", "")
    return source.problem(keys, what, on_key=on_key)


def _pattern(pattern: str) -> str:
    """What a pattern of the models asks for, in words."""
    if pattern.startswith("^[-A-Z"):
        return "should be a process type: letters, digits, '-' and '_'"
    if pattern.startswith("^[A-Z"):
        return "should be a variable's name: letters, digits and _, not beginning with a digit"
    if pattern == "^/":
        return "should be a path that begins with /"
    if "{1,28}" in pattern:
        return "should be the name of a Heroku app: 3 to 30 lower-case letters, digits and '-', beginning with a letter"
    return "should be lower-case letters, digits and '-', beginning with a letter"


def _known_keys(model: type[BaseModel], path: tuple[str | int, ...]) -> set[str]:
    """The keys of the model at a path of pydantic's, found by walking the annotations."""
    current: Any = model
    for key in path:
        field = current.model_fields.get(str(key)) if _is_model(current) else None
        if field is not None:
            current = _models_in(field.annotation)
    return set(current.model_fields) | getattr(current, "also_known", frozenset()) if _is_model(current) else set()


def _is_model(value: Any) -> bool:
    return isinstance(value, type) and issubclass(value, BaseModel)


def _models_in(annotation: Any) -> Any:
    if _is_model(annotation):
        return annotation
    for argument in getattr(annotation, "__args__", ()):
        if found := _models_in(argument):
            return found
    return None
