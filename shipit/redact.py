"""Secrets out of what anyone may see. Pure. Imports errors only."""

from __future__ import annotations

import base64
import dataclasses
from collections.abc import Iterable
from typing import Any, TypeVar
from urllib.parse import quote

from shipit.errors import ConfigErrors, ShipitError

T = TypeVar("T")

SHORTEST = 4
MASK = "[redacted]"


class Redactor:
    """Replaces values, and their base64 and URL-quoted forms. Values under four characters are not searched for."""

    def __init__(self, values: Iterable[str] = ()) -> None:
        self._forms: list[str] = []
        self.add(values)

    def add(self, values: Iterable[str]) -> None:
        forms = set(self._forms)
        for value in values:
            if len(value) < SHORTEST:
                continue
            forms |= {value, quote(value, safe=""), base64.b64encode(value.encode()).decode()}
            forms |= {line for line in value.splitlines() if len(line) >= 2 * SHORTEST}
        self._forms = sorted(forms, key=len, reverse=True)

    def text(self, text: str) -> str:
        for form in self._forms:
            if form in text:
                text = text.replace(form, MASK)
        return text

    def value(self, value: T) -> T:
        """The same value with every string in it redacted, through tuples and dataclasses."""
        if not self._forms:
            return value
        return self._walk(value)  # type: ignore[no-any-return]

    def error(self, error: ShipitError) -> ShipitError:
        """The same error with its text redacted, in place."""
        error.what, error.where, error.hint = (self.text(part) for part in (error.what, error.where, error.hint))
        error.detail = tuple(self.text(line) for line in error.detail)
        error.args = (error.what,)
        nested = error.problems if isinstance(error, ConfigErrors) else getattr(error, "errors", ())
        for inner in nested:
            self.error(inner)
        return error

    def _walk(self, value: Any) -> Any:
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, tuple):
            items = (self._walk(item) for item in value)
            return type(value)(*items) if hasattr(value, "_fields") else tuple(items)
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            return dataclasses.replace(
                value, **{f.name: self._walk(getattr(value, f.name)) for f in dataclasses.fields(value)}
            )
        return value
