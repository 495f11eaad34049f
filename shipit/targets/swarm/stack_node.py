"""Values of a stack file, read by their types. Every mistake is collected with its position. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType
from typing import NamedTuple

from shipit.config.document import Mapping_, Scalar, Sequence_, Value
from shipit.config.position import Position
from shipit.config.source import Source
from shipit.errors import ConfigError
from shipit.image.dockerfile.healthcheck import parse_duration
from shipit.targets.swarm.stack_variables import has_failed, is_expanded, secret_of
from shipit.targets.swarm.stack_words import split_words

# As docker/go-units has it, RAMInBytes.
_SIZE = re.compile(r"([0-9]{1,15}\.?[0-9]{0,9}|\.[0-9]{1,9}) ?(?:([kmgtp])(?:i?b)?|b)?", re.IGNORECASE)
_UNITS = {"": 1, "k": 1024, "m": 1024**2, "g": 1024**3, "t": 1024**4, "p": 1024**5}
_FLAGS = {"true": True, "y": True, "yes": True, "on": True, "false": False, "n": False, "no": False, "off": False}
_MOST_BYTES = 2**63
_NONE: Mapping[str, str] = MappingProxyType({})
_NUMBER = re.compile(r"[0-9]{1,9}(\.[0-9]{0,9})?|\.[0-9]{1,9}")


class Report:
    """The mistakes of a file, and its keys without an effect in a swarm."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self.problems: list[ConfigError] = []
        self.unused: list[str] = []

    def add(self, at: Position, what: str, hint: str = "") -> None:
        self.problems.append(self._source.problem_at(at, what, hint))


class Node(NamedTuple):
    """A value of the file; None where its key is absent or without a value. `at` is where it stands, or where it should."""

    value: Value | None
    at: Position
    report: Report

    @property
    def is_missing(self) -> bool:
        return self.value is None or (isinstance(self.value, Scalar) and self.value.is_null)

    @property
    def is_list(self) -> bool:
        return isinstance(self.value, Sequence_)

    @property
    def is_map(self) -> bool:
        return isinstance(self.value, Mapping_)

    @property
    def is_scalar(self) -> bool:
        return isinstance(self.value, Scalar) and not self.is_missing

    @property
    def secret(self) -> str:
        """The secret of deploy.yml whose value this is; empty for another value."""
        return secret_of(self.value) if isinstance(self.value, Scalar) else ""

    @property
    def is_plain(self) -> bool:
        """True for a value without quotes and without variables."""
        return isinstance(self.value, Scalar) and self.value.plain

    @property
    def is_expanded(self) -> bool:
        return isinstance(self.value, Scalar) and is_expanded(self.value)

    @property
    def has_failed(self) -> bool:
        """True for a value whose variables could not be replaced: its mistake is in the report."""
        return isinstance(self.value, Scalar) and has_failed(self.value)

    def wrong(self, what: str, hint: str = "") -> None:
        if self.has_failed:
            return
        self.report.add(self.at, what, hint)

    def items(self) -> dict[str, Node]:
        """The values of a map, in their order."""
        if self.is_missing:
            return {}
        if not isinstance(self.value, Mapping_):
            self.wrong("should be a map of keys")
            return {}
        found = self.value.items.items()
        return {key: Node(value, _place(at, value), self.report) for key, (at, value) in found}

    def fields(
        self, known: Collection[str], unused: Collection[str] = (), refused: Mapping[str, str] = _NONE
    ) -> Fields:
        """A map with these keys. `unused` are keys without an effect; `refused`: key -> what to do instead.

        Other keys that begin with `x-` are the user's here, and nowhere else: names and labels may begin so, too.
        """
        found = {key: node for key, node in self.items().items() if not key.startswith("x-")}
        for key, node in found.items():
            if key in refused:
                node.wrong(f"{key} can't be taken over into a swarm", refused[key])
            elif key in unused:
                self.report.unused.append(key)
            elif key not in known:
                node.wrong(f"{key} is no key that a stack has here", "leave it out")
        return Fields({key: node for key, node in found.items() if key in known}, self)

    def rows(self) -> list[Node]:
        if self.is_missing:
            return []
        if not isinstance(self.value, Sequence_):
            self.wrong("should be a list")
            return []
        return [Node(item, item.at, self.report) for item in self.value.items]

    def text(self, default: str = "") -> str:
        if self.is_missing:
            return default
        if not isinstance(self.value, Scalar):
            self.wrong("should be text")
            return default
        if self.secret:
            what = f"{self.secret} is a secret of deploy.yml, which can only be the whole value of a variable"
            self.wrong(what, f"write a variable {self.secret}: ${{{self.secret}}} under environment:")
            return default
        return self.value.text

    def flag(self) -> bool:
        text = self.text("false").lower()
        # Docker takes the other words of YAML 1.1 where a variable has the value.
        if text not in (("true", "false") if self.is_plain else _FLAGS):
            self.wrong("should be true or false")
            return False
        return _FLAGS.get(text, False)

    def whole(self, default: int = 0, *, most: int = 2**31) -> int:
        text = self.text(str(default))
        if not (text.isascii() and text.isdigit() and len(text) < 11 and int(text) <= most):
            self.wrong(f"should be a whole number, at most {most}")
            return default
        return int(text)

    def number(self, default: float = 0.0) -> float:
        text = self.text(str(default))
        if not _NUMBER.fullmatch(text):
            self.wrong("should be a number")
            return default
        return float(text)

    def duration_ns(self) -> int:
        """Nanoseconds of a duration as Docker writes it: 1m30s, 500ms."""
        try:
            return parse_duration(self.text("0s"))
        except ValueError:
            self.wrong("should be a duration such as 10s or 1m30s")
            return 0

    def size(self) -> int:
        match = _SIZE.fullmatch(self.text("0"))
        size = int(Decimal(match[1]) * _UNITS[(match[2] or "").lower()]) if match else _MOST_BYTES
        if size >= _MOST_BYTES:
            self.wrong("should be a size such as 512M")
            return 0
        return size

    def one_of(self, words: Collection[str], default: str) -> str:
        text = self.text(default)
        if text not in words:
            self.wrong(f"should be {' or '.join(words)}")
            return default
        return text

    def texts(self) -> list[str]:
        """A list of texts; one text is a list of one."""
        return [self.text()] if self.is_scalar else [row.text() for row in self.rows()]

    def words(self) -> list[str]:
        """A command. Docker splits text into words, and runs no shell."""
        if not self.is_scalar:
            return [row.text() for row in self.rows()]
        try:
            return split_words(self.text())
        except ValueError as error:
            self.wrong(
                f"{error}", "write what it means in quotes, a comment in a line of its own, or the words as a list"
            )
            return []

    def pairs(self, sign: str = "=") -> Iterator[tuple[str, Node, bool]]:
        """Name, value, and whether there is one, of a map or of a list of NAME=VALUE."""
        if not self.is_list:
            yield from ((name, node, not node.is_missing) for name, node in self.items().items())
            return
        for row in self.rows():
            # `NAME=${SECRET}` is one value with the name before it.
            name, found, value = row.whole_text.partition(sign)
            scalar = row.value if isinstance(row.value, Scalar) else Scalar("", plain=False, at=row.at)
            yield name.strip(), row._replace(value=scalar._replace(text=value, plain=False)), bool(found)

    @property
    def whole_text(self) -> str:
        """The text, also of a value that is a secret: NAME= without it."""
        return self.value.text if isinstance(self.value, Scalar) and self.secret else self.text()

    def mapping(self, sign: str = "=") -> dict[str, str]:
        return {name: node.text() for name, node, _ in self.pairs(sign)}


@dataclass(frozen=True)
class Fields:
    """The known keys of a map."""

    found: Mapping[str, Node]
    of: Node

    def __getitem__(self, key: str) -> Node:
        return self.found.get(key) or Node(None, self.of.at, self.of.report)

    def has(self, key: str) -> bool:
        return key in self.found and not self.found[key].is_missing


def _place(key_at: Position, value: Value) -> Position:
    return value.at if isinstance(value, Scalar) and (value.text or value.origin) else key_at
