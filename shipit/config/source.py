"""Positions of paths of keys in the files that a tree was read from."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

from shipit.config.document import Mapping_, Scalar, Sequence_, Value
from shipit.config.masking import Private, private_parts
from shipit.config.position import Keys, Position, excerpt, lines_of, variable_at
from shipit.config.secret_names import is_secret_name
from shipit.errors import ConfigError

# The most suggestions, each of which takes time.
_MOST_SUGGESTIONS = 100
_LEAST_ALIKE = 0.6


class Texts(dict[str, bytes]):
    """Name of a file in messages -> its bytes. Lines are split once."""

    def __init__(self) -> None:
        super().__init__()
        self._lines: dict[str, list[str]] = {}
        self._private: dict[str, dict[int, Private]] = {}

    def lines(self, name: str) -> list[str]:
        if name not in self._lines:
            self._lines[name] = lines_of(self.get(name, b"").decode("utf-8-sig", "replace"))
        return self._lines[name]

    def private_part(self, at: Position) -> Private | None:
        """The private part of the line at a position."""
        if at.file not in self._private:
            self._private[at.file] = private_parts(self.lines(at.file))
        return self._private[at.file].get(at.line - 1)


class Source:
    """A tree and the texts of the files that it was read from. Finds the position of a path of keys."""

    def __init__(self, name: str, texts: Texts, tree: Value) -> None:
        self.name = name
        self.texts = texts
        self.tree = tree
        self._suggested = 0

    def of(self, tree: Value) -> Source:
        """The same files with another tree."""
        return Source(self.name, self.texts, tree)

    def locate(
        self, keys: Keys, *, on_key: bool = False, on_value: bool = False, anywhere: bool = False
    ) -> tuple[Position, Keys]:
        """The position of a path, and the part of the path that is in the file.

        A scalar is meant itself, a map or a list by its key; `on_key` and `on_value` say otherwise. A value that begins
        on another line is meant by its key, unless `anywhere` says that it is what is wrong. Keys that a shorthand left out are passed over, so that the nearest
        thing written is found.
        """
        value, at = self.tree, Position(1, 1, 1, self.name)
        found: list[str | int] = []
        for key in keys:
            if isinstance(value, Mapping_):
                name = str(key)
                if name not in value.items and name == "images" and not found:
                    name = "image"
                if name in value.items:
                    key_at, value = value.items[name]
                    at = value.at if _is_meant(value, key_at, on_value, anywhere) and not on_key else key_at
                    found.append(name)
            elif isinstance(value, Sequence_) and isinstance(key, int) and 0 <= key < len(value.items):
                value = value.items[key]
                at = value.at
                found.append(key)
        return at, tuple(found)

    def problem(
        self,
        keys: Keys,
        what: str,
        hint: str = "",
        *,
        on_key: bool = False,
        on_value: bool = False,
        anywhere: bool = False,
        variable: int = -1,
        hides: bool = False,
    ) -> ConfigError:
        """An error at a path; `variable` is the number of a `${...}` in its text, from 0, that is meant.

        It `hides` what may be a secret there, though its names do not say so.
        """
        at, found = self.locate(keys, on_key=on_key, on_value=on_value, anywhere=anywhere)
        if variable >= 0:
            at = variable_at(self.texts.lines(at.file), at, variable)
        # A value written there by mistake is not repeated in the log of a CI run.
        hides = hides or any(isinstance(key, str) and is_secret_name(key) for key in found)
        behind = at.width if at != self._at(found).at else 0
        return self.problem_at(at, what, hint, path=dotted(found), hides=behind if hides else None)

    def _at(self, keys: Keys) -> Value:
        value = self.tree
        for key in keys:
            if isinstance(value, Mapping_):
                value = value.items[str(key)][1]
            elif isinstance(value, Sequence_) and isinstance(key, int):
                value = value.items[key]
        return value

    def is_list(self, keys: Keys) -> bool:
        """Whether a path leads to a list."""
        return isinstance(self._at(self.locate(keys)[1]), Sequence_)

    def is_map(self, keys: Keys) -> bool:
        """Whether a path leads to a map."""
        return isinstance(self._at(self.locate(keys)[1]), Mapping_)

    def is_scalar(self, keys: Keys) -> bool:
        """Whether a path leads to text, a number or the like, as it is written."""
        value = self._at(self.locate(keys)[1])
        return isinstance(value, Scalar) and not value.is_null

    def problem_at(
        self, at: Position, what: str, hint: str = "", *, path: str = "", hides: int | None = None
    ) -> ConfigError:
        """An error at a position; it `hides` what stands so many characters behind it, also where the text does not say so."""
        at = at if at.file else at._replace(file=self.name)
        part = self.texts.private_part(at) or (None if hides is None else Private(at.column - 1 + hides))
        shown = excerpt(self.texts.lines(at.file), at, part)
        return ConfigError(what, where=at.where, hint=hint, path=path, excerpt=shown, position=(at.line, at.column))

    def near(self, word: str, known: Iterable[str]) -> str:
        """`did you mean X?` for the nearest known word, or nothing."""
        self._suggested += 1
        if self._suggested > _MOST_SUGGESTIONS:
            return ""
        matches = difflib.get_close_matches(word[:100], list(known), n=1, cutoff=_LEAST_ALIKE)
        return f"did you mean {matches[0]}?" if matches else ""


def _is_meant(value: Value, key_at: Position, on_value: bool, anywhere: bool) -> bool:
    if isinstance(value, Scalar):
        return not value.is_null
    return on_value and (anywhere or value.at.line == key_at.line)


def dotted(keys: Keys) -> str:
    """`targets.k8s.needs[0]` for a path of keys; a key that is no word is in quotes."""
    return "".join(f"[{key}]" if isinstance(key, int) else f".{_word(key)}" for key in keys).lstrip(".")


def _word(key: str) -> str:
    if re.fullmatch(r"[\w-]+", key):
        return key
    # Somebody wrote NAME=VALUE where a name should be.
    key, sign, _ = key.partition("=")
    shown = "".join(char if char.isprintable() and char != '"' else "\ufffd" for char in key[:80])
    return f'"{shown}{"=..." if sign else ""}"'
