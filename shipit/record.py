"""Values that pass between rooms, as JSON and back: named tuples, dataclasses, enums, mappings, sequences. Pure.

A class with a `type` of its own (a step) carries it in its JSON, and is found by it among the subclasses of what is asked for.
pydantic is not used: it reads named tuples from arrays, and building its validators would cost more than a whole plan.
"""

from __future__ import annotations

import math
import types
import typing
from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import Enum
from functools import cache
from typing import TYPE_CHECKING, Any, Literal, NoReturn, TypeVar, get_args, get_origin

from shipit.errors import ShipitError

if TYPE_CHECKING:
    from dataclasses import Field

T = TypeVar("T")
# The key of a record's type, where a field may hold values of several classes.
TYPE = "type"
_PLAIN = frozenset({str, int, float, bool, type(None)})
# Objects and arrays within each other: reading, writing and walking deeper ones would exceed Python's own stack.
_DEEPEST = 250


class InvalidRecord(ShipitError):
    """JSON that is no value of the wanted type. `where` is the path of the field, for example `targets.0.steps.2.names`."""


def to_json(value: Any) -> Any:
    """The value as what json.dumps takes: objects for named tuples, dataclasses and mappings, arrays for sequences and sets.

    Raises: TypeError for what has no JSON, such as bytes or an open file.
    """
    kind: type = type(value)
    if kind in _PLAIN or isinstance(value, bool | int | float):
        return value
    # Most of a plan are manifests: plain objects, which need no look at their class.
    if kind is dict:
        return {_key(key): to_json(item) for key, item in value.items()}
    if kind is list or kind is tuple:
        return [to_json(item) for item in value]
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, str):
        return str(value)
    if isinstance(value, Mapping):
        return {_key(key): to_json(item) for key, item in value.items()}
    if isinstance(value, frozenset | set):
        return sorted(to_json(item) for item in value)
    names = field_names(kind)
    if names is not None:
        tag = {TYPE: value.type} if is_tagged(kind) else {}
        return {**tag, **{name: to_json(getattr(value, name)) for name in names}}
    if isinstance(value, list | tuple):
        return [to_json(item) for item in value]
    raise TypeError(f"{type(value).__name__} has no JSON")


def from_json(kind: type[T], data: Any) -> T:
    """The value that `to_json` gave: equal to it, and of the same type. Fields with a default may be missing.

    Raises: InvalidRecord for an unknown field, a missing one, a value of another type, or too many levels.
    """
    _check_depth(data)
    return typing.cast("T", _read(kind, data, ""))


@cache
def field_names(kind: type) -> tuple[str, ...] | None:
    """The fields of a named tuple or a dataclass; None for every other type."""
    if _is_dataclass(kind):
        return tuple(field.name for field in _fields(kind))
    return getattr(kind, "_fields", None) if issubclass(kind, tuple) else None


@cache
def field_types(kind: type) -> Mapping[str, Any]:
    """Field -> its type, with names looked up in the module that declares it."""
    return {name: kind_of for name, kind_of in typing.get_type_hints(kind).items() if name in (field_names(kind) or ())}


@cache
def required_fields(kind: type) -> frozenset[str]:
    """The fields without a default."""
    if _is_dataclass(kind):
        from dataclasses import MISSING

        found = [field for field in _fields(kind) if field.default is MISSING and field.default_factory is MISSING]
        return frozenset(field.name for field in found)
    return frozenset(field_names(kind) or ()) - frozenset(getattr(kind, "_field_defaults", {}))


def is_tagged(kind: type) -> bool:
    """Whether values of a class carry their type in JSON."""
    return isinstance(getattr(kind, TYPE, None), str) and _is_dataclass(kind)


def tagged(kind: type) -> dict[str, type]:
    """Type -> class, of a class and all that inherit from it and are imported."""
    return {getattr(found, TYPE): found for found in _family(kind) if getattr(found, TYPE)}


def _is_dataclass(kind: type) -> bool:
    """What dataclasses.is_dataclass says of a class: importing the module takes longer than reading a whole record."""
    return hasattr(kind, "__dataclass_fields__")


def _fields(kind: Any) -> tuple[Field[Any], ...]:
    from dataclasses import fields

    return fields(kind)


def _family(kind: type) -> Iterator[type]:
    yield kind
    children: list[type] = kind.__subclasses__()
    for child in children:
        yield from _family(child)


def _key(key: Any) -> str:
    if not isinstance(key, str):
        raise TypeError(f"a key of a mapping is text, not {type(key).__name__}")
    return str(key)


def _check_depth(data: Any) -> None:
    level, depth = [data], 0
    while level:
        if depth > _DEEPEST:
            _refuse("", f"at most {_DEEPEST} levels deep")
        level = [item for value in level for item in _within(value)]
        depth += 1


def _within(value: Any) -> Iterable[Any]:
    if isinstance(value, Mapping):
        return value.values()
    return value if isinstance(value, list | tuple) else ()


def _read(kind: Any, data: Any, where: str) -> Any:
    if kind is Any:
        return data
    origin, args = get_origin(kind), get_args(kind)
    if origin is typing.Annotated:
        return _read(args[0], data, where)
    if origin in (typing.Union, types.UnionType):
        return _read_union(args, data, where)
    if origin is Literal:
        if data not in args:
            _refuse(where, f"one of {', '.join(map(str, args))}")
        return data
    if origin is not None and issubclass(origin, Mapping):
        return _read_mapping(args, data, where)
    if origin is not None and issubclass(origin, frozenset):
        return frozenset(_items(args[0], data, where))
    if origin is not None and issubclass(origin, Sequence):
        return _read_sequence(args, data, where)
    return _read_class(kind, data, where)


def _read_class(kind: type, data: Any, where: str) -> Any:
    if is_tagged(kind):
        return _read_tagged(kind, data, where)
    if field_names(kind) is not None:
        return _read_fields(kind, data, where)
    if issubclass(kind, Enum):
        if data not in [item.value for item in kind]:
            _refuse(where, f"one of {', '.join(str(item.value) for item in kind)}")
        return kind(data)
    if kind is float:
        return _read_float(data, where)
    if kind in (str, int, bool, types.NoneType):
        if type(data) is not kind:
            _refuse(where, _WORDS[kind])
        return data
    if issubclass(kind, str) and isinstance(data, str):
        try:
            return kind(data)
        except (ShipitError, ValueError) as error:
            raise InvalidRecord(str(error), where=where) from None
    raise InvalidRecord(f"should be a {kind.__name__}", where=where)


_WORDS = {str: "text", int: "a whole number", bool: "true or false", types.NoneType: "null"}


def _read_float(data: Any, where: str) -> float:
    """A number of JSON, which has no NaN, no infinity, and no limit for whole numbers."""
    try:
        number = math.nan if isinstance(data, bool) or not isinstance(data, int | float) else float(data)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        _refuse(where, "a number")
    return number


def _read_tagged(kind: type, data: Any, where: str) -> Any:
    if not isinstance(data, Mapping):
        _refuse(where, "an object")
    name = data.get(TYPE)
    found = tagged(kind).get(name) if isinstance(name, str) else None
    if found is None:
        _refuse(f"{where}.{TYPE}".strip("."), f"one of {', '.join(sorted(tagged(kind)))}")
    return _read_fields(found, {name: item for name, item in data.items() if name != TYPE}, where)


def _read_fields(kind: type, data: Any, where: str) -> Any:
    if not isinstance(data, Mapping):
        _refuse(where, "an object")
    hints = field_types(kind)
    if unknown := sorted(set(data) - set(hints)):
        _refuse(f"{where}.{unknown[0]}".strip("."), f"a field of {kind.__name__}")
    if missing := sorted(required_fields(kind) - set(data)):
        _refuse(f"{where}.{missing[0]}".strip("."), "there")
    return kind(**{name: _read(hints[name], item, f"{where}.{name}".strip(".")) for name, item in data.items()})


def _read_union(args: tuple[Any, ...], data: Any, where: str) -> Any:
    if data is None and types.NoneType in args:
        return None
    errors = []
    for kind in args:
        try:
            return _read(kind, data, where)
        except InvalidRecord as error:
            errors.append(error)
    raise errors[0]


def _read_mapping(args: tuple[Any, ...], data: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(data, Mapping):
        _refuse(where, "an object")
    return {_read(args[0], key, where): _read(args[1], item, f"{where}.{key}".strip(".")) for key, item in data.items()}


def _read_sequence(args: tuple[Any, ...], data: Any, where: str) -> tuple[Any, ...]:
    if (len(args) == 2 and args[1] is Ellipsis) or len(args) == 1:
        return tuple(_items(args[0], data, where))
    if not isinstance(data, list | tuple) or len(data) != len(args):
        _refuse(where, f"an array of {len(args)}")
    return tuple(_read(kind, item, f"{where}.{at}") for at, (kind, item) in enumerate(zip(args, data, strict=True)))


def _items(kind: Any, data: Any, where: str) -> Iterator[Any]:
    if not isinstance(data, list | tuple):
        _refuse(where, "an array")
    for at, item in enumerate(data):
        yield _read(kind, item, f"{where}.{at}".strip("."))


def _refuse(where: str, what: str) -> NoReturn:
    raise InvalidRecord(f"should be {what}", where=where)
