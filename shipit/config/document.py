"""YAML text to a tree of values that know where they stand. YAML 1.2 core schema, bounded in size and depth."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import yaml

from shipit.errors import ConfigError, ConfigErrors

MAX_BYTES = 1024 * 1024
MAX_NODES = 100_000
MAX_DEPTH = 64

_INT = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_LEADING_ZERO = re.compile(r"[-+]?0[0-9]+")
# Maps whose scalar values are the user's text: 1.10 stays 1.10, true stays true.
TEXT_MAPS = frozenset({"env", "args", "tags", "labels"})


class Position(NamedTuple):
    """Line and column, both from 1, how many characters the token spans (at least 1), and the file as messages call it."""

    line: int
    column: int
    width: int = 1
    file: str = ""


class Scalar(NamedTuple):
    """`origin` says where its text came from, when that is not what stands in the file."""

    text: str
    plain: bool
    at: Position
    explicit: str = ""
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


class _Loader(yaml.CSafeLoader if hasattr(yaml, "CSafeLoader") else yaml.SafeLoader):  # type: ignore[misc]
    yaml_implicit_resolvers: dict[str, Any] = {}


class _Converter:
    """Turns yaml's nodes into values once; counts nodes, so that aliases can't explode, and depth."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.count = 0
        self.problems: list[ConfigError] = []

    def error(self, what: str, node: yaml.Node, hint: str = "") -> ConfigErrors:
        line, column = node.start_mark.line + 1, node.start_mark.column + 1
        return ConfigErrors(
            [ConfigError(what, where=f"{self.name}:{line}:{column}", hint=hint, position=(line, column))]
        )

    def position(self, node: yaml.Node) -> Position:
        start, end = node.start_mark, node.end_mark
        width = end.column - start.column if end.line == start.line else 1
        return Position(start.line + 1, start.column + 1, max(1, width), self.name)

    def convert(self, node: yaml.Node, above: tuple[int, ...] = ()) -> Value:
        self.count += 1
        if self.count > MAX_NODES:
            raise self.error(f"the file should hold at most {MAX_NODES:,} values, aliases counted", node)
        if id(node) in above:
            raise self.error("an alias should not lead back to itself", node)
        if len(above) > MAX_DEPTH:
            raise self.error(f"values should nest at most {MAX_DEPTH} deep", node)
        at = self.position(node)
        if isinstance(node, yaml.ScalarNode):
            explicit = "" if node.tag in ("tag:yaml.org,2002:str", "!") else node.tag
            if explicit and not explicit.startswith("tag:yaml.org,2002:"):
                raise self.error(f"the tag {explicit} is not known here", node, "remove it")
            return Scalar(node.value, not node.style, at, explicit)
        inside = (*above, id(node))
        if isinstance(node, yaml.SequenceNode):
            return Sequence_(tuple(self.convert(item, inside) for item in node.value), at)
        assert isinstance(node, yaml.MappingNode)
        return Mapping_(self.items(node, inside), at)

    def items(self, node: yaml.MappingNode, above: tuple[int, ...]) -> dict[str, tuple[Position, Value]]:
        own: dict[str, tuple[Position, Value]] = {}
        merged: dict[str, tuple[Position, Value]] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise self.error("a key should be plain text", key)
            if key.value == "<<" and not key.style:
                for source in value.value if isinstance(value, yaml.SequenceNode) else [value]:
                    target = self.convert(source, above)
                    if not isinstance(target, Mapping_):
                        raise self.error("<< should name a map", source)
                    merged = {**target.items, **merged}
                continue
            if key.value in own:
                first = own[key.value][0].line
                raise self.error(f"the key {key.value!r} stands here twice, first on line {first}", key)
            own[key.value] = (self.position(key), self.convert(value, above))
        return {**merged, **own}


def parse_document(text: bytes, name: str) -> Value:
    """Parse one YAML document. `name` is how the file is called in messages.

    Raises: ConfigErrors with the position of what is not YAML, or is too large or too deep.
    Source: YAML 1.2.2, chapter 10.3 (core schema).
    """
    decoded = _decode(text, name)
    try:
        node = yaml.compose(decoded, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        raise _not_yaml(error, decoded, name) from None
    except yaml.YAMLError as error:
        raise ConfigErrors([ConfigError(f"should be YAML: {error}", where=f"{name}:1:1")]) from None
    except RecursionError:
        raise ConfigErrors([ConfigError(f"values should nest at most {MAX_DEPTH} deep", where=f"{name}:1:1")]) from None
    if node is None:
        raise ConfigErrors([ConfigError("the file is empty", where=f"{name}:1:1", hint="it needs at least app:")])
    return _Converter(name).convert(node)


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


def plain_data(value: Value, *, as_text: bool = False) -> Any:
    """The tree as dicts, lists and scalars, for pydantic. Keys that start with `x-` are the user's and left out."""
    if isinstance(value, Scalar):
        return (None if value.is_null else value.text) if as_text else plain_value(value)
    if isinstance(value, Sequence_):
        return [plain_data(item, as_text=as_text) for item in value.items]
    return {
        key: plain_data(item, as_text=as_text or key in TEXT_MAPS)
        for key, (_, item) in value.items.items()
        if as_text or not key.startswith("x-")
    }


def _decode(text: bytes, name: str) -> str:
    if len(text) > MAX_BYTES:
        raise ConfigErrors(
            [ConfigError(f"the file is {len(text):,} bytes; at most {MAX_BYTES:,}", where=f"{name}:1:1")]
        )
    try:
        decoded = text.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = text.count(b"\n", 0, error.start) + 1
        column = error.start - (text.rfind(b"\n", 0, error.start) + 1) + 1
        problem = ConfigError("the file should be UTF-8", where=f"{name}:{line}:{column}", hint="save it as UTF-8")
        raise ConfigErrors([problem]) from None
    depth = _flow_depth(decoded)
    if depth > MAX_DEPTH * 4:
        raise ConfigErrors([ConfigError(f"values should nest at most {MAX_DEPTH} deep", where=f"{name}:1:1")])
    return decoded


def _flow_depth(text: str) -> int:
    """How deep brackets may nest at most, counted roughly: it only guards the parser's own stack."""
    depth = deepest = 0
    for bracket in re.findall(r"[\[\]{}]|^[ ]*(?:- ){40,}", text, re.MULTILINE):
        depth = depth + 1 if bracket in "[{" else (max(0, depth - 1) if bracket in "]}" else depth + len(bracket) // 2)
        deepest = max(deepest, depth)
    return deepest


def _not_yaml(error: yaml.MarkedYAMLError, text: str, name: str) -> ConfigErrors:
    mark = error.problem_mark or error.context_mark
    line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    shown = excerpt(text, Position(line, column))
    has_tab = "\t" in "".join(text.splitlines()[line - 1 : line])
    has_variable = "${" in "".join(text.splitlines()[line - 1 : line])
    hint = "indent with spaces: YAML takes no tabs there" if has_tab else ""
    if has_variable and not has_tab:
        hint = "inside { } and [ ] put quotes around what holds ${...}"
    what = f"should be YAML: {error.problem or error.context}"
    problem = ConfigError(what, where=f"{name}:{line}:{column}", hint=hint, position=(line, column), excerpt=shown)
    return ConfigErrors([problem])


def excerpt(text: str, at: Position) -> tuple[str, ...]:
    """The line of a position and a caret under its token; empty where the line is not in the text."""
    lines = text.splitlines()
    if not 1 <= at.line <= len(lines):
        return ()
    source = lines[at.line - 1].replace("\t", " ")
    if len(source) > 400:
        return ()
    number = str(at.line)
    width = max(1, min(at.width, len(source) - at.column + 1))
    return (f"{number} | {source}", f"{' ' * len(number)} | {' ' * (at.column - 1)}{'^' * width}")


def masked(lines: tuple[str, ...], at: Position, *, keep_token: bool) -> tuple[str, ...]:
    """An excerpt without what stands behind its token, and without the token itself where it is a value."""
    if len(lines) != 2:
        return lines
    start = len(f"{at.line} | ") + at.column - 1
    end = start + at.width if keep_token else start
    if len(lines[0]) <= end:
        return lines
    return (f"{lines[0][:end]}...", lines[1] if keep_token else f"{lines[1][:start]}^^^")
