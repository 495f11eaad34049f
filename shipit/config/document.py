"""YAML text as a tree of values with their positions. YAML 1.2 core schema, bounded in size and depth."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import yaml

from shipit.config.position import Keys, Position
from shipit.config.yaml_text import decode, is_private, not_yaml, problem_in
from shipit.errors import ConfigErrors, ShipitError

if TYPE_CHECKING:
    from shipit.config.folder import ProjectFolder

MAX_NODES = 100_000
MAX_DEPTH = 64

_INT = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_LEADING_ZERO = re.compile(r"[-+]?0[0-9]+")
# Keys whose scalar values are the user's text: 1.10 stays 1.10, true stays true.
TEXT_MAPS = frozenset({"env", "args", "tags", "labels", "annotations", "headers", "sysctls"})
# Keys whose lists are words of a command, which are the user's text, too.
COMMANDS = frozenset({"command", "entrypoint", "release", "test"})

_CORE = "tag:yaml.org,2002:"
_SCALAR_TAGS = frozenset(_CORE + name for name in ("str", "int", "float", "bool", "null")) | {"!"}
# The anchor and the tag before a value.
_PROPERTIES = re.compile(r"(?:[!&][^\s,\[\]{}]*\s+)+")


# The meaning of the keys of a map: shipit's own (of a target among them), the user's names (of targets among them), or
# nothing that shipit knows: values are text, data of any type, a part of an object of Kubernetes, or as their key says.
Region = Literal["keys", "target", "names", "targets", "text", "data", "patch", "open"]
# Regions in which a key that begins with `x-` is left out.
_OWN: tuple[Region, ...] = ("keys", "target", "names", "targets")
# Key of shipit -> the region of its map; without those that hold further keys of shipit.
_REGIONS: Mapping[str, Region] = {
    "targets": "targets",
    **dict.fromkeys(TEXT_MAPS, "text"),
    **dict.fromkeys(
        ("images", "environments", "secrets", "services", "workloads", "processes", "init", "sidecars"), "names"
    ),
    "set": "data",
    "patch": "patch",
    **dict.fromkeys(("node", "nodes", "options", "extra"), "open"),
}


class Scalar(NamedTuple):
    """`origin` is the text in the file, when variables in it were replaced."""

    text: str
    plain: bool
    at: Position
    origin: str = ""

    @property
    def is_null(self) -> bool:
        return self.plain and self.text in ("", "~", "null", "Null", "NULL")


class Sequence_(NamedTuple):
    items: tuple[Value, ...]
    at: Position


class Mapping_(NamedTuple):
    """`items`: key -> (position of the key, value)."""

    items: dict[str, tuple[Position, Value]]
    at: Position


Value = Scalar | Sequence_ | Mapping_


class _Anchored(NamedTuple):
    """The value of an anchor, the number of values in it, and its depth."""

    value: Value
    size: int
    depth: int


class _Builder:
    """Builds values from the parser's events, one by one: composing recurses where nothing bounds it.

    Counts values, those behind aliases included, so that aliases can't explode.
    """

    def __init__(self, text: str, name: str) -> None:
        self._text = text
        self._name = name
        # Their attributes differ by kind, and the parser's types know fewer of them than there are.
        self._events: Iterator[Any] = yaml.parse(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
        self._count = 0
        self._deepest = 0
        # Name -> what it names; None while that is being built.
        self._anchors: dict[str, _Anchored | None] = {}
        # Where the brackets stand that are not closed yet.
        self.opened: list[Position] = []

    def document(self) -> Value | None:
        """The only document; None when there is none."""
        value: Value | None = None
        for event in self._events:
            if isinstance(event, yaml.DocumentStartEvent):
                if value is not None:
                    raise self._error("a second document begins here: the file should hold one", self._position(event))
                value = self._value(next(self._events), 1)
        return value

    def _error(self, what: str, at: Position, hint: str = "") -> ConfigErrors:
        return ConfigErrors([problem_in(self._text, at, what, hint)])

    def _position(self, event: Any) -> Position:
        """Where an event's own text stands, behind its anchor and tag."""
        start, end = event.start_mark, event.end_mark
        line, column = start.line, start.column
        if self._text[start.index : start.index + 1] in ("!", "&"):
            skipped = _PROPERTIES.match(self._text, start.index, end.index)
            if skipped:
                breaks = skipped.group().count("\n")
                line += breaks
                column = len(skipped.group().rpartition("\n")[2]) + (0 if breaks else column)
        width = end.column - column if end.line == line else 1
        return Position(line + 1, column + 1, max(1, width), self._name)

    def _value(self, event: Any, depth: int) -> Value:
        at = self._position(event)
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event, at, depth)
        self._grow(1, depth, at)
        if event.anchor is not None:
            self._anchors[event.anchor] = None
        before, deepest, self._deepest = self._count, self._deepest, depth
        value = self._built(event, at, depth)
        if event.anchor is not None:
            self._anchors[event.anchor] = _Anchored(value, self._count - before + 1, self._deepest - depth + 1)
        self._deepest = max(deepest, self._deepest)
        return value

    def _grow(self, count: int, depth: int, at: Position) -> None:
        self._count += count
        self._deepest = max(self._deepest, depth)
        if self._count > MAX_NODES:
            raise self._error(f"the file should hold at most {MAX_NODES:,} values, aliases counted", at)
        if depth > MAX_DEPTH:
            raise self._error(f"values should nest at most {MAX_DEPTH} deep", at)

    def _alias(self, event: Any, at: Position, depth: int) -> Value:
        if event.anchor not in self._anchors:
            raise self._error("should be YAML: there is no anchor of this name above", at, "write & and the name there")
        anchored = self._anchors[event.anchor]
        if anchored is None:
            raise self._error("an alias should not lead back to itself", at)
        self._grow(anchored.size, depth + anchored.depth - 1, at)
        return anchored.value

    def _built(self, event: Any, at: Position, depth: int) -> Value:
        tag = event.tag
        if isinstance(event, yaml.ScalarEvent):
            if tag is not None and tag not in _SCALAR_TAGS:
                raise self._unknown_tag(event, at)
            if "\0" in event.value:
                what = "a value can't contain a null character"
                raise self._error(what, at)
            is_plain = not event.style if tag is None else tag not in (f"{_CORE}str", "!")
            return Scalar(event.value, is_plain, at)
        own = "seq" if isinstance(event, yaml.SequenceStartEvent) else "map"
        if tag is not None and tag not in (f"{_CORE}{own}", "!"):
            raise self._unknown_tag(event, at)
        if event.flow_style:
            self.opened.append(at)
        value = self._mapping(at, depth) if own == "map" else self._sequence(at, depth)
        if event.flow_style:
            self.opened.pop()
        return value

    def _sequence(self, at: Position, depth: int) -> Sequence_:
        items = []
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            items.append(self._value(event, depth + 1))
        return Sequence_(tuple(items), _until(at, event))

    def _unknown_tag(self, event: Any, at: Position) -> ConfigErrors:
        start = event.start_mark
        before = Position(start.line + 1, start.column + 1, max(1, at.column - start.column - 2), self._name)
        tag = "" if is_private(self._text, before) else f": {event.tag.replace(_CORE, '!!')}"
        return self._error(f"unknown tag{tag}", before, "remove it")

    def _mapping(self, at: Position, depth: int) -> Mapping_:
        own: dict[str, tuple[Position, Value]] = {}
        merged: dict[str, tuple[Position, Value]] = {}
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            key_at = self._position(event)
            key = self._key(event, key_at, depth)
            value = self._value(next(self._events), depth + 1)
            if key.text == "<<" and key.plain:
                merged = self._merged(value, merged)
                continue
            if key.text in own:
                first = own[key.text][0].line
                raise self._error(f"the key {key.text!r} is defined twice, first on line {first}", key_at)
            own[key.text] = (key_at, value)
        return Mapping_({**merged, **own}, _until(at, event))

    def _key(self, event: Any, at: Position, depth: int) -> Scalar:
        """A key, which is not counted as a value unless it could be one elsewhere."""
        if (
            isinstance(event, yaml.ScalarEvent)
            and event.anchor is None
            and event.tag is None
            and "\0" not in event.value
        ):
            return Scalar(event.value, not event.style, at)
        key = self._value(event, depth + 1) if isinstance(event, yaml.ScalarEvent | yaml.AliasEvent) else None
        if not isinstance(key, Scalar):
            raise self._error("a key should be plain text", at)
        return key

    def _merged(self, value: Value, merged: dict[str, tuple[Position, Value]]) -> dict[str, tuple[Position, Value]]:
        """The keys that a merge key brings; those merged before win, as the first of a list does."""
        for source in value.items if isinstance(value, Sequence_) else (value,):
            if not isinstance(source, Mapping_):
                raise self._error("<< should name a map", source.at)
            merged = {**source.items, **merged}
        return merged


def _until(at: Position, end: Any) -> Position:
    """A position that spans a whole list or map, where it stands in one line."""
    mark = end.end_mark
    return at._replace(width=max(1, mark.column + 1 - at.column)) if mark.line + 1 == at.line else at


def parse_document(data: bytes, name: str) -> Value:
    """Parse one YAML document. `name` is how the file is called in messages.

    Raises: ConfigErrors with the position of what is not YAML, or is too large or too deep.
    Source: YAML 1.2.2, chapter 10.3 (core schema).
    """
    text = decode(data, name)
    builder = _Builder(text, name)
    try:
        value = builder.document()
    except yaml.MarkedYAMLError as error:
        raise not_yaml(error, text, name, builder.opened) from None
    except yaml.YAMLError as error:
        raise ConfigErrors([problem_in(text, Position(1, 1, 1, name), f"should be YAML: {error}")]) from None
    if value is None:
        raise ConfigErrors([problem_in("", Position(1, 1, 1, name), "the file is empty", "it needs at least app:")])
    return value


def read_map(folder: ProjectFolder, file: Path, *, max_bytes: int) -> Mapping[str, Any]:
    """The data of a YAML file of a project, without positions; empty where it can't be read, or is no map."""
    try:
        found = plain_data(parse_document(folder.read(file, max_bytes=max_bytes), file.name))
    except ShipitError:
        return {}
    return found if isinstance(found, Mapping) else {}


def plain_value(scalar: Scalar) -> Any:
    """The value of a scalar in the core schema: None, bool, int, float or str."""
    if not scalar.plain:
        return scalar.text
    if scalar.is_null:
        return None
    if scalar.text in ("true", "True", "TRUE", "false", "False", "FALSE"):
        return scalar.text[0] in "tT"
    if _LEADING_ZERO.fullmatch(scalar.text):
        return scalar.text
    if _INT.fullmatch(scalar.text) and len(scalar.text) < 400:
        return int(scalar.text, 0)
    if _FLOAT.fullmatch(scalar.text):
        special = scalar.text.lower().lstrip("+-") in (".inf", ".nan")
        return float(scalar.text.lower().replace(".", "") if special else scalar.text)
    return scalar.text


def region_below(region: Region, key: str) -> Region:
    """The region of the map at a key of a map."""
    if region == "names":
        return "keys"
    if region == "targets":
        return "target"
    if region == "patch" and key in TEXT_MAPS:
        return "text"
    if region not in _OWN:
        return region
    # Of a target, these are names of the file that it is made of.
    return "open" if (region, key) == ("target", "images") else _REGIONS.get(key, "keys")


def is_users(key: str, region: Region) -> bool:
    """True for a key that shipit ignores: one that begins with `x-` where keys, or names of the file, are expected."""
    return region in _OWN and key.startswith("x-")


def plain_data(value: Value, region: Region = "keys") -> Any:
    """The tree as dicts, lists and scalars, for pydantic, without the keys that shipit ignores."""
    if isinstance(value, Scalar):
        return (None if value.is_null else value.text) if region == "text" else plain_value(value)
    if isinstance(value, Sequence_):
        return [plain_data(item, region) for item in value.items]
    return {
        key: _words(item)
        if region in ("keys", "target", "patch") and key in COMMANDS and isinstance(item, Sequence_)
        else plain_data(item, region_below(region, key))
        for key, (_, item) in value.items.items()
        if not is_users(key, region)
    }


def scalars(value: Value, keys: Keys = ()) -> Iterator[tuple[Keys, Scalar]]:
    """Every scalar of a tree with the path of keys to it."""
    if isinstance(value, Mapping_):
        for key, (_, item) in value.items.items():
            yield from scalars(item, (*keys, key))
    elif isinstance(value, Sequence_):
        for index, item in enumerate(value.items):
            yield from scalars(item, (*keys, index))
    else:
        yield keys, value


def _words(command: Sequence_) -> list[Any]:
    """The words of a command as they are written, `null` and `~` included; None for one that is left empty."""
    return [
        (item.text or (None if item.plain else "")) if isinstance(item, Scalar) else plain_data(item)
        for item in command.items
    ]
