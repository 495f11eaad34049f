"""An answer read field by field: every read checks the type, and an error names the field and the request. Imports errors only."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from shipit.errors import RemoteError

_HINT = "another version of the server, or a proxy in between, may have changed the answer"
_LARGEST = 2**63
# The largest integer that JavaScript represents exactly.
LARGEST_COUNT = 2**53
_SURROGATE = re.compile("[\ud800-\udfff]")
_KINDS = {
    bool: "a boolean",
    str: "text",
    list: "a list",
    dict: "a map",
    int: "a number",
    float: "a floating-point number",
}


class Field:
    """A value of an answer or a file, its path there, and `where` it was read (`METHOD host/path`, or the file).

    A missing field and a null one are the same, and give the default. No error repeats a value: it may be a secret.
    Raises: RemoteError, from every method that finds another type than it expects.
    """

    __slots__ = ("_above", "_name", "_value", "hint", "where")

    def __init__(
        self, value: Any, where: str, name: str | int = "", hint: str = _HINT, above: Field | None = None
    ) -> None:
        self._value = value
        self.where = where
        self.hint = hint
        # The path is put together for errors only: an answer has thousands of fields.
        self._name = name
        self._above = above

    @property
    def path(self) -> str:
        """Where the field is in the answer, as `items[0].name`; empty for all of it."""
        above = self._above.path if self._above is not None else ""
        if isinstance(self._name, int):
            return f"{above}[{self._name}]"
        return f"{above}.{self._name}" if above else self._name

    def __getitem__(self, key: str) -> Field:
        value = self._value if type(self._value) is dict else self.map()
        return Field(value.get(key), self.where, key, self.hint, self)

    def within(self, head: Mapping[str, Any]) -> Field:
        """The same map, with the keys of `head` that it lacks: a list's items omit what the list says once."""
        return Field({**head, **self.map()}, self.where, self.path, self.hint)

    @property
    def is_missing(self) -> bool:
        return self._value is None

    @property
    def is_text(self) -> bool:
        return isinstance(self._value, str)

    def present(self) -> Field:
        """The same field. Raises: RemoteError where it is missing or null."""
        if self._value is None:
            raise self.wrong("should be there")
        return self

    def map(self) -> Mapping[str, Any]:
        return self._typed(dict, "a map", {})  # type: ignore[no-any-return]

    def rows(self) -> Iterator[Field]:
        """The items of a list."""
        for index, item in enumerate(self._typed(list, "a list", [])):
            yield Field(item, self.where, index, self.hint, self)

    def items(self) -> Iterator[tuple[str, Field]]:
        """The keys of a map with their values."""
        for key, value in self.map().items():
            name = _encodable(str(key))
            yield name, Field(value, self.where, name, self.hint, self)

    def texts(self) -> dict[str, str]:
        """A map of text to text."""
        return {key: value.text() for key, value in self.items()}

    def text(self, default: str = "") -> str:
        value = self._value
        return value if type(value) is str and value.isascii() else _encodable(self._typed(str, "text", default))

    def required(self) -> str:
        """Text that is present and not empty."""
        if not (text := self.text()):
            raise self.wrong("should be there")
        return text

    def exact(self) -> str:
        """Text that is present, and is used as it is rather than shown: with no half of a surrogate pair."""
        text = str(self.present()._typed(str, "text", ""))
        if _SURROGATE.search(text):
            raise self.wrong("should be text, not halves of characters")
        return text

    def matching(self, pattern: re.Pattern[str], what: str) -> str:
        """Text that a pattern matches as a whole; `what` describes the pattern."""
        if not pattern.fullmatch(text := self.exact()):
            raise self.wrong(f"should be {what}, not other text")
        return text

    def whole(self, default: int = 0) -> int:
        """A whole number of at most 63 bits."""
        number = self._typed(int, "a whole number", default)
        if isinstance(number, bool) or not -_LARGEST <= number < _LARGEST:
            raise self.wrong("should be a whole number")
        return int(number)

    def count(self) -> int:
        """A whole number that is present, from 0 to 2^53."""
        number = self.present().whole()
        if not 0 <= number <= LARGEST_COUNT:
            raise self.wrong(f"should be a whole number from 0 to {LARGEST_COUNT}, not another number")
        return number

    def flag(self, default: bool = False) -> bool:
        return bool(self._typed(bool, "true or false", default))

    def wrong(self, what: str) -> RemoteError:
        """The error for this field; `what` says what should be there."""
        return RemoteError(f"{self.path or 'the answer'} {what}", where=self.where, hint=self.hint)

    def _typed(self, kind: type[Any], words: str, default: Any) -> Any:
        if self._value is None:
            return default
        if not isinstance(self._value, kind):
            raise self.wrong(f"should be {words}, not {_KINDS.get(type(self._value), 'another type')}")
        return self._value


def _encodable(text: str) -> str:
    """Text that can be encoded: JSON may hold halves of a surrogate pair, which become question marks."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()
