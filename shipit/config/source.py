"""Where a path of keys stands in the files that a tree was read from."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

from shipit.config.document import Mapping_, Scalar, Sequence_, Value
from shipit.config.position import Keys, Position, excerpt, lines_of, masked, variable_at
from shipit.errors import ConfigError

# Nobody reads more suggestions than this, and each takes its time.
_MOST_SUGGESTIONS = 100
_LEAST_ALIKE = 0.6


class Texts(dict[str, bytes]):
    """The name of each file in messages -> its bytes; its lines are divided once."""

    def __init__(self) -> None:
        super().__init__()
        self._lines: dict[str, list[str]] = {}

    def lines(self, name: str) -> list[str]:
        if name not in self._lines:
            self._lines[name] = lines_of(self.get(name, b"").decode("utf-8-sig", "replace"))
        return self._lines[name]


class Source:
    """A tree and the texts of the files it was read from, able to say where a path of keys stands."""

    def __init__(self, name: str, texts: Texts, tree: Value) -> None:
        self.name = name
        self.texts = texts
        self.tree = tree
        self._suggested = 0

    def of(self, tree: Value) -> Source:
        """The same files, with what became of their tree."""
        return Source(self.name, self.texts, tree)

    def locate(
        self, keys: Keys, *, on_key: bool = False, on_value: bool = False, anywhere: bool = False
    ) -> tuple[Position, Keys]:
        """The position that a path means, and the part of the path that is really in the file.

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
    ) -> ConfigError:
        """An error at a path; `variable` is the number of a `${...}` in its text, from 0, that is meant."""
        at, found = self.locate(keys, on_key=on_key, on_value=on_value, anywhere=anywhere)
        if variable >= 0:
            at = variable_at(self.texts.lines(at.file), at, variable)
        error = self.problem_at(at, what, hint, path=dotted(found))
        if found[:1] == ("secrets",):
            # Whoever put a value there made a mistake; it is not repeated for the log of a CI run.
            error.detail = masked(error.detail, keep_token=at != self._at(found).at)
        return error

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

    def problem_at(self, at: Position, what: str, hint: str = "", *, path: str = "") -> ConfigError:
        """An error at a position."""
        at = at if at.file else at._replace(file=self.name)
        shown = excerpt(self.texts.lines(at.file), at)
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
    shown = "".join(char if char.isprintable() and char != '"' else "\ufffd" for char in key[:80])
    return f'"{shown}"'
