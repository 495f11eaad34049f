"""Facts about a base's tree: the lookups of a build and their results, stored in the image's config. Pure.

With them, the next build needs none of the base's layers, on other machines too.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from shipit.image.tar.read import clean_path
from shipit.image.tree.entries import MAX_PATH_BYTES, Entry
from shipit.image.tree.paths import folders_above
from shipit.json_text import parse_json

# A key of our own in the image's config: OCI image-spec 1.1, considerations.md, "Extensibility".
KEY = "shipit.base.v1"
# The limit of facts in a config; a COPY of very many files into a folder of the base exceeds it.
_MOST = 500
# The limit of characters in a line of /etc/passwd or /etc/group.
_MAX_ROW = 4096
_MAX_ID = 2**32 - 1


class UnknownFact(LookupError):
    """There is no fact for this lookup."""


@dataclass
class BaseFacts:
    """Results of lookups in a tree.

    `paths`: path -> its entry without content, or None when it does not exist; of nested missing paths the topmost.
    `rows`: file such as /etc/passwd -> name -> its line, or None.
    """

    paths: dict[str, Entry | None] = field(default_factory=dict)
    rows: dict[str, dict[str, str | None]] = field(default_factory=dict)

    def entry(self, path: str) -> Entry | None:
        """The entry at a path, or None when it does not exist. Raises: UnknownFact."""
        return self.paths[self.known_path(path)]

    def known_path(self, path: str) -> str:
        """The known path that answers for a path: itself, or its topmost missing parent. Raises: UnknownFact."""
        for folder in folders_above(path):
            if self.paths.get(folder, self) is None:
                return folder
        if path not in self.paths:
            raise UnknownFact(path)
        return path

    def row(self, file: str, name: str) -> str | None:
        """The line of a name, or None when the file lacks it. Raises: UnknownFact."""
        rows = self.rows.get(file, {})
        if name not in rows:
            raise UnknownFact(name)
        return rows[name]

    def note_row(self, file: str, name: str, row: str | None) -> None:
        self.rows.setdefault(file, {})[name] = row

    def merge(self, other: BaseFacts) -> bool:
        """Add the facts of another about the same tree. Returns whether one of them was new."""
        is_new = any(path not in self.paths for path in other.paths)
        self.paths.update(other.paths)
        for file, rows in other.rows.items():
            known = self.rows.setdefault(file, {})
            is_new = is_new or any(name not in known for name in rows)
            known.update(rows)
        return is_new

    @property
    def fits_in_config(self) -> bool:
        return 0 < self.count <= _MOST and all(map(_is_text, self._texts()))

    @property
    def count(self) -> int:
        """The number of facts."""
        return len(self.paths) + sum(map(len, self.rows.values()))

    def _texts(self) -> Iterator[str]:
        yield from self.paths
        yield from (entry.target for entry in self.paths.values() if entry)
        for file, rows in self.rows.items():
            yield from (file, *rows, *(row for row in rows.values() if row))

    def to_config_json(self, layers: int) -> dict[str, Any]:
        """The JSON for the config of an image on a base with that many layers."""
        return {"layers": layers, **self.to_json()}

    def to_json(self) -> dict[str, Any]:
        return {"paths": {path: entry and list(entry[:5]) for path, entry in self.paths.items()}, "rows": self.rows}


def parse_facts(value: Any) -> BaseFacts:
    """Facts from their JSON; empty when any part of it is invalid, since it may come from anyone."""
    try:
        paths = {_path(path): None if row is None else _entry(*row) for path, row in value["paths"].items()}
        rows = {
            _path(file): {str(name): _row(str(name), row) for name, row in known.items()}
            for file, known in value["rows"].items()
        }
        return BaseFacts(paths, rows)
    except (KeyError, TypeError, ValueError, AttributeError):
        return BaseFacts()


def _entry(kind: Any, mode: Any, uid: Any, gid: Any, target: Any) -> Entry:
    if kind not in ("file", "dir", "symlink", "special") or not isinstance(target, str):
        raise ValueError(kind)
    if not all(type(number) is int and 0 <= number <= _MAX_ID for number in (mode, uid, gid)) or mode > 0o7777:
        raise ValueError(mode)
    if len(target) > MAX_PATH_BYTES or "\0" in target or bool(target) != (kind == "symlink"):
        raise ValueError(target)
    return Entry(kind, mode, uid, gid, target)


def _path(text: str) -> str:
    """A normalized path. Raises: ValueError."""
    if "\0" in text or clean_path(text) != text:
        raise ValueError(text)
    return text


def _row(name: str, row: Any) -> str | None:
    """A line of columns that starts with `name`. Raises: ValueError."""
    if row is None:
        return None
    if not isinstance(row, str) or row.partition(":")[0] != name or "\n" in row or len(row) > _MAX_ROW:
        raise ValueError(name)
    return row


def _is_text(text: str) -> bool:
    """Whether a config can contain the text: names in an image may be invalid UTF-8."""
    return text.isprintable() or not any("\ud800" <= sign <= "\udfff" for sign in text)


def facts_from_config(config: bytes, diff_ids: Sequence[str]) -> BaseFacts:
    """The facts in an image's config about a base with these layers; empty when it has another base."""
    try:
        image = parse_json(config)
        carried = image[KEY]
        if carried["layers"] != len(diff_ids) or image["rootfs"]["diff_ids"][: len(diff_ids)] != list(diff_ids):
            return BaseFacts()
        facts = parse_facts(carried)
        return facts if facts.count <= _MOST else BaseFacts()
    except (KeyError, TypeError, ValueError):
        return BaseFacts()
