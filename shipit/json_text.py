"""Parses untrusted JSON: every failure is a ValueError. Imports nothing.

Source: RFC 8259, section 9: a parser may set limits on nesting and on numbers.
"""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn

DEEPEST = 100


def parse_json(text: str | bytes) -> Any:
    """The value. Raises: ValueError for invalid JSON, nesting deeper than 100, NaN, Infinity, or a number that is out of range."""
    try:
        value = json.loads(text, parse_constant=_refuse, parse_float=_finite)
    except RecursionError:
        raise ValueError("JSON is nested too deep") from None
    opens: Any = ("[", "{") if isinstance(text, str) else (b"[", b"{")
    if sum(text.count(sign) for sign in opens) > DEEPEST and _is_deep(value):
        raise ValueError("JSON is nested too deep")
    return value


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")


def _finite(digits: str) -> float:
    number = float(digits)
    return number if math.isfinite(number) else _refuse(digits[:20])


def _is_deep(value: Any) -> bool:
    layer = [value] if isinstance(value, dict | list) else []
    for _ in range(DEEPEST + 1):
        layer = [
            inner
            for outer in layer
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(inner, dict | list)
        ]
        if not layer:
            return False
    return True
