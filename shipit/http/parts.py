"""An answer taken apart: each look at a part checks its type, and says which part of which answer is wrong. Imports errors only."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from shipit.errors import RemoteError

_HINT = "another version of the server, or something in between, may have changed the answer"
_LARGEST = 2**63


class Part:
    """A value in an answer, the path that leads to it, and the request (`METHOD host/path`) or file that it is of.

    What is missing or null is the default of whoever looks. No value is repeated in an error.
    Raises: RemoteError, from every method that finds another type than it should.
    """

    __slots__ = ("_value", "hint", "path", "where")

    def __init__(self, value: Any, where: str, path: str = "", hint: str = _HINT) -> None:
        self._value = value
        self.where = where
        self.path = path
        self.hint = hint

    def __getitem__(self, key: str) -> Part:
        return self._inner(self.map().get(key), f"{self.path}.{key}" if self.path else key)

    def within(self, head: Mapping[str, Any]) -> Part:
        """The same map with keys that an item of a list lacks."""
        return self._inner({**head, **self.map()}, self.path)

    @property
    def is_missing(self) -> bool:
        return self._value is None

    def map(self) -> Mapping[str, Any]:
        return self._typed(dict, "a map", {})  # type: ignore[no-any-return]

    def rows(self) -> Iterator[Part]:
        """The items of a list; none where it is missing."""
        for index, item in enumerate(self._typed(list, "a list", [])):
            yield self._inner(item, f"{self.path}[{index}]")

    def items(self) -> Iterator[tuple[str, Part]]:
        """The keys of a map with their values."""
        for key, value in self.map().items():
            name = _text(str(key))
            yield name, self._inner(value, f"{self.path}.{name}" if self.path else name)

    def texts(self) -> dict[str, str]:
        """A map of text to text."""
        return {key: value.text() for key, value in self.items()}

    def text(self, default: str = "") -> str:
        return _text(self._typed(str, "text", default))

    def required(self) -> str:
        """Text that has to be there and not be empty."""
        if not (text := self.text()):
            raise self.wrong("should be there")
        return text

    def whole(self, default: int = 0) -> int:
        """A whole number of at most 63 bits."""
        number = self._typed(int, "a whole number", default)
        if isinstance(number, bool) or not -_LARGEST <= number < _LARGEST:
            raise self.wrong("should be a whole number")
        return int(number)

    def flag(self, default: bool = False) -> bool:
        return bool(self._typed(bool, "true or false", default))

    def wrong(self, what: str) -> RemoteError:
        """The error for this part; `what` says what should be there."""
        return RemoteError(f"{self.path or 'the answer'} {what}", where=self.where, hint=self.hint)

    def _inner(self, value: Any, path: str) -> Part:
        return Part(value, self.where, path, self.hint)

    def _typed(self, kind: type[Any], words: str, default: Any) -> Any:
        if self._value is None:
            return default
        if not isinstance(self._value, kind):
            raise self.wrong(f"should be {words}")
        return self._value


def _text(text: str) -> str:
    """Text that can be encoded: JSON may hold halves of a surrogate pair."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()
