"""Scalars of YAML as kubectl resolves them. Pure.

Source: go.yaml.in/yaml v2, resolve.go (YAML 1.1 booleans, no sexagesimal numbers, dates as text), and sigs.k8s.io/yaml,
which turns the values into JSON and keys into text.
"""

from __future__ import annotations

import base64
import binascii
import math
import re
import struct
from decimal import Decimal
from typing import Any

_CORE = "tag:yaml.org,2002:"
_STR, _BINARY, _FLOAT, _TIMESTAMP = (_CORE + name for name in ("str", "binary", "float", "timestamp"))
# Type of a value -> the tags that it satisfies.
_RESOLVED: dict[type, frozenset[str]] = {
    bool: frozenset({_CORE + "bool"}),
    int: frozenset({_CORE + "int", _FLOAT}),
    float: frozenset({_FLOAT}),
    type(None): frozenset({_CORE + "null"}),
    str: frozenset({_STR}),
}
_KNOWN = frozenset().union(*_RESOLVED.values(), {_TIMESTAMP})

WORDS: dict[str, bool | float | None] = {
    **dict.fromkeys(("y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"), True),
    **dict.fromkeys(("n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"), False),
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), math.nan),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), math.inf),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), -math.inf),
}
_BEGINS_NUMBER = frozenset("0123456789+-.")
_DECIMAL = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_BASED = re.compile(r"([-+]?)0(?:[xX]([0-9a-fA-F]+)|[oO]?([0-7]+)|[bB]([01]+))")
_SIGNED_BITS = re.compile(r"0b([-+][01]+)")
_REAL = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_TIME = re.compile(r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([Tt ][0-9]{1,2}:[0-9]{1,2}:[0-9]{1,2}(\.[0-9]+)?(Z|[-+][0-9:]+)?)?")
_POINT_FIRST = re.compile(r"\.[0-9]+(_[0-9]+)*([eE][-+]?[0-9]+(_[0-9]+)*)?")
_LEAST, _MOST_INT, _MOST, _EXACT = -(2**63), 2**63 - 1, 2**64 - 1, 2**53


def resolve_plain(text: str) -> Any:
    """The value of text without quotes and tag: text, a number, a boolean, or None. It may be infinite or NaN."""
    if text[:1] in _BEGINS_NUMBER and text not in WORDS:
        return _number(text)
    return WORDS.get(text, text) if len(text) <= 5 else text


def resolve_tagged(tag: str, text: str) -> Any:
    """The value of text with a tag; of a tag that YAML does not define the text itself.

    Raises: ValueError that says what the text should be.
    """
    if tag == _BINARY:
        return _binary(text)
    if tag == _STR or tag not in _KNOWN:
        return text
    if tag == _TIMESTAMP:
        if _TIME.fullmatch(text):
            return text
        raise ValueError("should be a date, as its tag says")
    value = resolve_plain(text)
    is_too_large = tag == _FLOAT and isinstance(value, int) and value > _MOST_INT
    if tag not in _RESOLVED[type(value)] or is_too_large:
        raise ValueError(f"should be of the type that its tag !!{tag.removeprefix(_CORE)} says")
    return float(value) if tag == _FLOAT else value


def json_number(value: int | float) -> int | float:
    """The number as kubectl has it behind JSON: whole numbers of 64 bits as int, all others as float."""
    if isinstance(value, int):
        return value if _LEAST <= value <= _MOST_INT else float(value)
    if not value.is_integer() or abs(value) >= 1e21:
        return value
    # Go writes the shortest digits that are this number, and zeros behind them.
    whole = int(value) if abs(value) < _EXACT else int(Decimal(repr(value)))
    return whole if _LEAST <= whole <= _MOST_INT else value


def key_text(key: Any) -> str | None:
    """A key as JSON has it; None for one that kubectl refuses.

    Source: sigs.k8s.io/yaml, convertToJSONableObject.
    """
    if isinstance(key, str):
        return key
    if isinstance(key, bool):
        return "true" if key else "false"
    if isinstance(key, int):
        return str(key) if key <= _MOST_INT else None
    return _single_precision(key) if isinstance(key, float) else None


def _number(text: str) -> Any:
    """A number, or the text where it is none."""
    plain = text.replace("_", "") if text[0] != "." or _POINT_FIRST.fullmatch(text) else text
    if _DECIMAL.fullmatch(plain) and len(plain) <= 20:
        value = int(plain)
    elif based := _BASED.fullmatch(plain):
        sign, *digits = based.groups()
        value = next(int(sign + part, base) for part, base in zip(digits, (16, 8, 2), strict=True) if part)
    elif bits := _SIGNED_BITS.fullmatch(plain):
        value = int(bits[1], 2)
    else:
        return _real(plain, text)
    is_unsigned = plain[0] not in "+-"
    if _LEAST <= value <= _MOST_INT or (is_unsigned and value <= _MOST):
        return value
    return _real(plain, text)


def _real(plain: str, text: str) -> float | str:
    if _REAL.fullmatch(plain) is None:
        return text
    value = float(plain)
    return value if math.isfinite(value) else text


def _binary(text: str) -> str:
    try:
        return base64.b64decode(text.replace("\n", "").replace("\r", ""), validate=True).decode()
    except UnicodeDecodeError:
        what = "holds bytes that are not text: use binaryData of a ConfigMap, or data of a Secret"
        raise ValueError(what) from None
    except (binascii.Error, ValueError):
        raise ValueError("should be base64, as its tag says") from None


def _single_precision(value: float) -> str:
    """The shortest text that is the same number in 32 bits, as Go's FormatFloat(value, 'g', -1, 32) has it."""
    try:
        single = struct.unpack("f", struct.pack("f", value))[0]
    except OverflowError:
        single = math.copysign(math.inf, value)
    if not math.isfinite(single):
        return ".nan" if math.isnan(single) else ".inf" if single > 0 else "-.inf"
    digits = next(
        text for size in range(9) if struct.pack("f", float(text := f"{single:.{size}e}")) == struct.pack("f", single)
    )
    mantissa, _, power = digits.partition("e")
    exponent = int(power)
    if -4 <= exponent < 6:
        return f"{float(digits):.{max(0, len(mantissa.lstrip('-').replace('.', '')) - 1 - exponent)}f}"
    return f"{mantissa}e{'-' if exponent < 0 else '+'}{abs(exponent):02d}"
