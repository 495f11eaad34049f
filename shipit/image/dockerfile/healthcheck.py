"""Parses HEALTHCHECK into the form that an image's config has. Pure.

Source: github.com/moby/buildkit 0.34, frontend/dockerfile/instructions, `parseHealthcheck`; Go's time.ParseDuration.
"""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Any

from shipit.image.dockerfile.exec_form import json_words
from shipit.image.dockerfile.parse import Instruction
from shipit.image.patterns.go_space import SPACE

_DURATIONS = {
    "interval": "Interval",
    "timeout": "Timeout",
    "start-period": "StartPeriod",
    "start-interval": "StartInterval",
}
_UNITS_NS = {
    "ns": 1,
    "us": 1_000,
    "\xb5s": 1_000,
    "\u03bcs": 1_000,
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
}
_LEAST_NS, _LAST_NS, _LAST_RETRIES = 1_000_000, 2**63 - 1, 2**31 - 1
_PART = re.compile(r"(\d{0,400})(?:\.(\d{0,400}))?(ns|us|\xb5s|\u03bcs|ms|s|m|h)", re.ASCII)


def split_healthcheck(text: str) -> tuple[str, str]:
    """The first word, and the rest."""
    kind = re.match(f"[^{SPACE}]*", text)
    assert kind is not None
    return kind[0], text[kind.end() :].lstrip(SPACE)


def parse_healthcheck(instruction: Instruction) -> dict[str, Any]:
    """The `Healthcheck` of an image's config. Raises: ValueError."""
    kind, rest = split_healthcheck(instruction.text)
    words = json_words(rest)
    if kind.upper() == "NONE":
        if words or (words is None and rest):
            raise ValueError("HEALTHCHECK NONE takes no arguments")
        return {"Test": ["NONE"]}
    if kind.upper() != "CMD" or not (words if words is not None else rest):
        raise ValueError("HEALTHCHECK should be NONE, or CMD and a command")
    check: dict[str, Any] = {"Test": ["CMD-SHELL", rest] if words is None else ["CMD", *words]}
    for name, key in _DURATIONS.items():
        if value := parse_duration(instruction.flag(name) or "0"):
            check[key] = value
    if retries := _retries(instruction.flag("retries") or "0"):
        check["Retries"] = retries
    return check


def parse_duration(text: str) -> int:
    """Nanoseconds of a duration such as `1m30s` or `1500us`: 0, or at least 1 ms. Raises: ValueError."""
    wrong = ValueError(f"should be a duration such as 30s, of 1ms at least, found {text!r}")
    body = text.removeprefix("+")
    if body == "0":
        return 0
    at, total = 0, Fraction(0)
    while at < len(body):
        part = _PART.match(body, at)
        if not part or not (part[1] or part[2]):
            raise wrong
        total += Fraction(f"{part[1] or 0}.{part[2] or 0}") * _UNITS_NS[part[3]]
        at = part.end()
    nanoseconds = int(total)
    if not body or not (nanoseconds == 0 or _LEAST_NS <= nanoseconds <= _LAST_NS):
        raise wrong
    return nanoseconds


def _retries(text: str) -> int:
    if not re.fullmatch(r"\+?\d{1,12}", text, re.ASCII) or int(text) > _LAST_RETRIES:
        raise ValueError(f"--retries should be a whole number from 0 on, found {text!r}")
    return int(text)
