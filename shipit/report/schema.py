"""The JSON Schema of what `--output json` prints, generated from the types of the events. Pure."""

from __future__ import annotations

import typing
from collections.abc import Mapping, Sequence
from enum import Enum
from types import NoneType, UnionType
from typing import Any, Literal, get_args, get_origin

from shipit.digest import Digest
from shipit.envelope import EVENT, EVENTS, FORMAT_VERSION
from shipit.record import TYPE, field_names, field_types, is_tagged, tagged

_ID = "https://json-schema.org/draft/2020-12/schema"
_SIMPLE = {str: "string", int: "integer", float: "number", bool: "boolean", NoneType: "null"}
_DIGEST = {"type": "string", "pattern": "^(sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$"}
_HEAD: Mapping[str, Any] = {
    "v": {"const": FORMAT_VERSION, "description": "The version of this format."},
    "run": {"type": "string", "pattern": "^[0-9a-f]{12}$", "description": "The same in every event of a run."},
    "seq": {"type": "integer", "minimum": 1, "description": "Counts the events of a run from 1, without gaps."},
    "at": {
        "type": "string",
        "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$",
        "description": "RFC 3339, in UTC.",
    },
}


def render_output_schema(*, is_closed: bool = False, package: str = "") -> dict[str, Any]:
    """The schema of one line: an envelope with one of the events.

    It has the steps whose classes are imported already, from modules whose names begin with `package`. A later version of
    shipit may add fields and events under the same `v`: a reader ignores what it does not know. With `is_closed`, for
    tests, unknown fields are errors.
    """
    types = _Types(is_closed, package)
    events = [{"$ref": types.event(name, kind)} for name, kind in EVENTS.items()]
    return {
        "$schema": _ID,
        "title": f"A line of shipit --output json, version {FORMAT_VERSION}",
        "oneOf": events,
        "$defs": dict(sorted(types.found.items())),
    }


class _Types:
    """The definitions of a schema, by the name of their class."""

    def __init__(self, is_closed: bool, package: str) -> None:
        self.found: dict[str, Any] = {}
        self._package = package
        self._is_closed = is_closed

    def event(self, name: str, kind: type) -> str:
        """The reference to an event with its envelope."""
        return self._define(name, kind, {**_HEAD, EVENT: {"const": name}})

    def _define(self, key: str, kind: type, more: Mapping[str, Any]) -> str:
        """The reference to a class with fields; its definition is made when it is first asked for."""
        if key not in self.found:
            self.found[key] = {}
            fields = {name: self.of(field_type) for name, field_type in field_types(kind).items()}
            properties = {**more, **fields}
            doc = (kind.__doc__ or "").strip()
            self.found[key] = {
                **({"description": " ".join(doc.split())} if doc and not doc.startswith(f"{kind.__name__}(") else {}),
                "type": "object",
                "properties": properties,
                "required": list(properties),
                **({"additionalProperties": False} if self._is_closed else {}),
            }
        return f"#/$defs/{key}"

    def of(self, kind: Any) -> dict[str, Any]:
        """The schema of a type as `to_json` writes its values."""
        origin, args = get_origin(kind), get_args(kind)
        if kind is Any:
            return {}
        if origin in (typing.Union, UnionType):
            return self._union(args)
        if origin is Literal:
            return {"enum": list(args)}
        if origin is not None and issubclass(origin, Mapping):
            return {"type": "object", "additionalProperties": self.of(args[1])}
        if origin is not None and issubclass(origin, Sequence | frozenset):
            return self._array(args)
        return self._class(kind)

    def _union(self, args: tuple[Any, ...]) -> dict[str, Any]:
        parts = [self.of(arg) for arg in args]
        if all(set(part) == {"type"} for part in parts):
            return {"type": [part["type"] for part in parts]}
        return {"anyOf": parts}

    def _array(self, args: tuple[Any, ...]) -> dict[str, Any]:
        if len(args) == 1 or args[1] is Ellipsis:
            return {"type": "array", "items": self.of(args[0])}
        parts = [self.of(arg) for arg in args]
        return {"type": "array", "prefixItems": parts, "minItems": len(parts), "maxItems": len(parts)}

    def _class(self, kind: type) -> dict[str, Any]:
        if is_tagged(kind):
            classes = [item for item in sorted(tagged(kind).items()) if item[1].__module__.startswith(self._package)]
            return {"oneOf": [{"$ref": self._define(name, found, {TYPE: {"const": name}})} for name, found in classes]}
        if field_names(kind) is not None:
            return {"$ref": self._define(kind.__name__, kind, {})}
        if issubclass(kind, Enum):
            return {"enum": [item.value for item in kind]}
        if issubclass(kind, Digest):
            return dict(_DIGEST)
        return {"type": _SIMPLE[kind]}
