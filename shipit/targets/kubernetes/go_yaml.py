"""YAML as kubectl reads it: JSON values only, without dates and sexagesimal numbers.

Source: sigs.k8s.io/yaml: YAML 1.1 whose dates and sexagesimal numbers are text, since the API server takes JSON. Pure.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any

import yaml

_CORE = "tag:yaml.org,2002:"
_INT = re.compile(r"[-+]?(0b[01_]+|0o?[0-7_]+|0|[1-9][0-9_]*|0x[0-9a-fA-F_]+)$")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$|[-+]?\.(inf|Inf|INF)$|\.(nan|NaN|NAN)$")
_OWN = frozenset(_CORE + name for name in ("int", "float", "timestamp", "value"))


class ManifestLoader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """Gives dicts whose keys are text, lists, text, numbers, true, false and null."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[str, Any]:
        if not isinstance(node, yaml.MappingNode):
            raise _error(node, "should be a map")
        self.flatten_mapping(node)
        return {
            _key(self.construct_object(key, deep=True), key): self.construct_object(value, deep=deep)
            for key, value in node.value
        }


def _key(key: Any, node: Any) -> str:
    """A key as JSON has it."""
    if isinstance(key, str):
        return key
    if key is None or isinstance(key, bool | int | float):
        return json.dumps(key)
    raise _error(node, "a key should be text")


def _error(node: Any, what: str) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=what, problem_mark=node.start_mark)


def _int(loader: Any, node: Any) -> int:
    text = str(loader.construct_scalar(node)).replace("_", "")
    digits = text.lstrip("+-")
    if digits.isdecimal() and digits.startswith("0"):
        text = text.replace(digits, f"0o{digits}")
    try:
        return int(text, 0)
    except ValueError:
        raise _error(node, "should be a whole number of at most some digits") from None


def _float(loader: Any, node: Any) -> float:
    text = str(loader.construct_scalar(node)).lower()
    try:
        value = float(text.replace(".inf", "inf").replace(".nan", "nan"))
    except ValueError:
        raise _error(node, "should be a number") from None
    if not math.isfinite(value):
        raise _error(node, "JSON has no such number: put quotes around it")
    return value


def _text(loader: Any, node: Any) -> str:
    return str(loader.construct_scalar(node))


def _binary(loader: Any, node: Any) -> str:
    try:
        return bytes(loader.construct_yaml_binary(node)).decode()
    except UnicodeDecodeError:
        raise _error(node, "holds bytes that are no text: use binaryData of a ConfigMap, or data of a Secret") from None


def _unknown(loader: Any, node: Any) -> Any:
    raise _error(node, f"the tag {node.tag.replace(_CORE, '!!')} is unknown to Kubernetes")


ManifestLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in rules if tag not in _OWN]
    for first, rules in ManifestLoader.yaml_implicit_resolvers.items()
}
ManifestLoader.add_implicit_resolver(f"{_CORE}int", _INT, list("-+0123456789"))
ManifestLoader.add_implicit_resolver(f"{_CORE}float", _FLOAT, list("-+0123456789."))
for _name, _make in {"int": _int, "float": _float, "timestamp": _text, "binary": _binary}.items():
    ManifestLoader.add_constructor(f"{_CORE}{_name}", _make)
for _name in ("set", "omap", "pairs"):
    ManifestLoader.add_constructor(f"{_CORE}{_name}", _unknown)
