"""Answers of the Platform API, read field by field into plain values: what is not as it should be is told by its name. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from shipit.errors import RemoteError

# What JavaScript still counts exactly, and more than any version or quantity.
LARGEST_WHOLE = 2**53
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)
# Half a character, which can be neither hashed nor printed.
_SURROGATE = re.compile("[\ud800-\udfff]")
_KINDS = {type(None): "null", bool: "a boolean", str: "text", list: "a list", dict: "an object"}


class Field(NamedTuple):
    """A value of an answer. `where` is the request, `path` the way to the value in its answer.

    A field that is missing is one that is null. No value is repeated in an error: it may be a secret.
    Raises: RemoteError, from every method.
    """

    value: object
    where: str
    path: str = ""

    def at(self, name: str) -> Field:
        """A field of an object; of null it is null."""
        if self.value is not None and not isinstance(self.value, dict):
            raise self.error("an object")
        path = f"{self.path}.{name}" if self.path else name
        return Field((self.value or {}).get(name), self.where, path)

    def items(self) -> Iterator[Field]:
        """What a list holds."""
        if not isinstance(self.value, list):
            raise self.error("a list")
        return (Field(item, self.where, f"{self.path}[{index}]") for index, item in enumerate(self.value))

    def names(self) -> tuple[str, ...]:
        """The names of an object's fields."""
        if not isinstance(self.value, dict) or any(_SURROGATE.search(name) for name in self.value):
            raise self.error("an object with names of text")
        return tuple(self.value)

    def text(self) -> str:
        if not isinstance(self.value, str):
            raise self.error("text")
        if _SURROGATE.search(self.value):
            raise self.error("text", "halves of characters")
        return self.value

    def text_or(self, default: str) -> str:
        """The text, or the default for null."""
        return default if self.value is None else self.text()

    def id(self) -> str:
        """Text that may be part of a path."""
        if not _ID.fullmatch(text := self.text()):
            raise self.error("an id of letters, digits and '-'", "other text")
        return text

    def matching(self, pattern: re.Pattern[str], what: str) -> str:
        if not pattern.fullmatch(text := self.text()):
            raise self.error(what, "other text")
        return text

    def whole(self) -> int:
        """A whole number, not negative."""
        if not isinstance(self.value, int) or isinstance(self.value, bool):
            raise self.error("a whole number", "another number" if isinstance(self.value, float) else "")
        if not 0 <= self.value <= LARGEST_WHOLE:
            raise self.error(f"a whole number from 0 to {LARGEST_WHOLE}", "another number")
        return self.value

    def whole_or(self, default: int) -> int:
        return default if self.value is None else self.whole()

    def flag_or(self, default: bool) -> bool:
        """true or false, or the default for null."""
        if self.value is not None and not isinstance(self.value, bool):
            raise self.error("true or false")
        return default if self.value is None else self.value

    def error(self, what: str, found: str = "") -> RemoteError:
        """What the field should be, and of which kind it is."""
        found = found or _KINDS.get(type(self.value), "a number")
        hint = "is a proxy in between? If not, Heroku's API has changed: please report it"
        return RemoteError(f"{self.path or 'the answer'} should be {what}, not {found}", where=self.where, hint=hint)
