"""Amounts of CPU and memory, as Kubernetes writes them. Pure.

Source: Kubernetes API reference, "Quantity"; Kubernetes documentation, "Resource Management for Pods and Containers".
"""

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Annotated

from pydantic import BeforeValidator, WithJsonSchema

from shipit.config.units import Misplaced

_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY = {"Ki": 1, "Mi": 2, "Gi": 3, "Ti": 4, "Pi": 5, "Ei": 6}
_QUANTITY = re.compile(
    r"([0-9]{1,30}(?:\.[0-9]{0,30})?|\.[0-9]{1,30})(?:([KMGTPE]i|[numkMGTPE])|[eE]([+-]?[0-9]{1,2}))?", re.ASCII
)
_AMOUNT = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,15})?) ?([A-Za-z]{0,3})", re.ASCII)
# Common misspellings of memory units -> the unit.
_MEANT = {
    "b": "", "kb": "k", "mb": "M", "gb": "G", "tb": "T", "kib": "Ki", "mib": "Mi", "gib": "Gi", "tib": "Ti",
    "ki": "Ki", "mi": "Mi", "gi": "Gi", "ti": "Ti", "g": "Gi", "t": "Ti", "m": "Mi",
}  # fmt: skip
_CPU_WORDS = "should be cores such as 0.5, or thousandths of a core such as 250m"
_MEMORY_WORDS = "should be an amount of memory with its unit, such as 256Mi or 1Gi"
# A bare number this large was meant in thousandths: no node has so many cores.
BARE_CORES = 100
MOST_CORES, MOST_BYTES, LEAST_BYTES = Decimal(10_000), Decimal(1024) ** 4 * 64, Decimal(1024) ** 2
_MANY_CORES, _MUCH_BYTES, _FEW_BYTES = Decimal(64), Decimal(1024) ** 3 * 512, Decimal(1024) ** 2 * 8


def parse_quantity(text: str) -> Decimal | None:
    """The value of a quantity; None for other text."""
    match = _QUANTITY.fullmatch(text)
    if not match:
        return None
    unit, exponent = match[2] or "", int(match[3] or 0)
    factor = Decimal(1024) ** _BINARY[unit] if unit in _BINARY else Decimal(10) ** (_DECIMAL[unit] + exponent)
    return Decimal(match[1]) * factor


def check_cpu(text: str) -> str:
    """The amount as written. Raises: Misplaced with the fix, for other text and impossible amounts."""
    match = _AMOUNT.fullmatch(text)
    if match is None or match[2] not in ("", "m") or " " in text:
        raise Misplaced(_CPU_WORDS, hint=f"write {match[1]}m" if match and match[1].isdigit() else "")
    number, cores = Decimal(match[1]), Decimal(match[1]) / (1000 if match[2] else 1)
    if not match[2] and number >= BARE_CORES:
        whole = f"{number.normalize():f}"
        hint = f"write {whole}m for {whole} thousandths of a core; {number * 1000:.0f}m, if {whole} cores are meant"
        raise Misplaced(f"means {whole} cores", hint=hint)
    if cores * 1000 != int(cores * 1000) or not cores:
        raise Misplaced("should be whole thousandths of a core, at least 1m", hint="leave it out to ask for none")
    if cores > MOST_CORES:
        raise Misplaced(f"should be at most {MOST_CORES} cores")
    return text


def check_memory(text: str) -> str:
    """The amount as written. Raises: Misplaced with the fix, for other text and impossible amounts."""
    match = _AMOUNT.fullmatch(text)
    unit = match[2] if match else ""
    if match is None or unit not in {**_DECIMAL, **_BINARY} or unit in ("n", "u") or " " in text:
        meant = unit if unit in _BINARY else _MEANT.get(unit.lower())
        raise Misplaced(_MEMORY_WORDS, hint=f"write {match[1]}{meant}" if match and meant is not None else "")
    amount = parse_quantity(f"{match[1]}{unit}") or Decimal(0)
    if unit == "m":
        raise Misplaced("m means thousandths of a byte", hint=f"write {match[1]}Mi for {match[1]} mebibytes")
    if amount < LEAST_BYTES:
        hint = f"write {match[1]}Mi" if amount and unit in ("", "k", "Ki") else "leave it out for no limit"
        raise Misplaced(f"means {amount.normalize():f} bytes, in which nothing can run", hint=hint)
    if amount > MOST_BYTES:
        raise Misplaced("should be at most 64Ti")
    return text


def doubt_cpu(text: str | None) -> str:
    """A warning about an amount that is possible but unlikely; empty for none."""
    cores = parse_quantity(text or "") or Decimal(0)
    return f"is {cores.normalize():f} cores for each pod: few nodes have as many" if cores > _MANY_CORES else ""


def doubt_memory(text: str | None) -> str:
    """A warning about an amount that is possible but unlikely; empty for none."""
    amount = parse_quantity(text or "")
    if amount is not None and amount > _MUCH_BYTES:
        return "is more memory for each pod than most nodes have"
    if amount is not None and amount < _FEW_BYTES:
        return "is very little memory: a container that needs more is killed"
    return ""


def _checked(check: Callable[[str], str]) -> BeforeValidator:
    """A check of text, for what YAML may have read as a number."""
    return BeforeValidator(lambda value: check("" if isinstance(value, bool | dict | list) else str(value)))


def _schema(words: str, pattern: str, least: float, most: float | None = None) -> WithJsonSchema:
    """Text, or a number within bounds. A condition, since editors have words of their own for a bound."""
    bounds = {"minimum": least, **({} if most is None else {"exclusiveMaximum": most})}
    outside = {"type": "number", "not": bounds}
    return WithJsonSchema(
        {
            "anyOf": [{"type": "string", "pattern": pattern}, {"type": "number"}],
            "errorMessage": words,
            "if": outside,
            "then": {"type": "string", "errorMessage": words},
        }
    )


Cpu = Annotated[
    str,
    _checked(check_cpu),
    _schema(_CPU_WORDS, r"^([0-9]+m|[0-9]{1,2}(\.[0-9]{1,3})?)$", 0.001, BARE_CORES),
]
Memory = Annotated[
    str,
    _checked(check_memory),
    _schema(_MEMORY_WORDS, r"^([0-9]+(\.[0-9]+)?(k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei)|[0-9]{7,})$", int(LEAST_BYTES)),
]
