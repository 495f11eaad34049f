"""JSON that is not trusted: plain values of bounded depth, or an error. Pure.

Source: RFC 8259; what encoding/json of Go refuses is refused.
"""

from __future__ import annotations

import json
import math
from typing import Any

MAX_DEPTH = 64


def parse_json(data: bytes) -> Any:
    """The value of a JSON text in UTF-8.

    Raises: ValueError for other bytes, NaN and infinite numbers, halves of surrogate pairs, and values nested deeper than
    64 levels.
    """
    text = data.decode("utf-8")
    try:
        value = json.loads(text, parse_constant=_no_constant, parse_float=_finite)
    except RecursionError:
        raise ValueError("the JSON is nested too deeply") from None
    if "\\ud" in text or "\\uD" in text:
        # A half of a pair can't be written as UTF-8 again.
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    _check_depth(value, MAX_DEPTH)
    return value


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is no JSON number")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError("a number is too large")
    return value


def _check_depth(value: Any, levels: int) -> None:
    nested = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    if nested and not levels:
        raise ValueError("the JSON is nested too deeply")
    for item in nested:
        if isinstance(item, (dict, list)):
            _check_depth(item, levels - 1)
