"""What a build asked of its base's tree, as a value that an image's config carries: the next build asks the same.

A build on another machine then needs none of the base's layers. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from shipit.image.tar.read import clean_path
from shipit.image.tree import MAX_PATH_BYTES, Entry, folders_above
from shipit.json_text import parse_json

# The key of an image's config, which leaves room for others': OCI image-spec 1.1, considerations.md, "Extensibility".
KEY = "shipit.base.v1"
# More than this is not worth carrying: a COPY of very many files into a folder that the base has.
_MOST = 500
# Of a line of /etc/passwd or /etc/group that is carried.
_MAX_ROW = 4096
_MAX_ID = 2**32 - 1


class Unknown(LookupError):
    """A question that was not asked before."""


@dataclass
class Facts:
    """Answers about a tree: `paths` has an entry without content, or None for the outermost path that is not there.

    `rows` are lines of files such as /etc/passwd: file -> name -> its line, or None.
    """

    paths: dict[str, Entry | None] = field(default_factory=dict)
    rows: dict[str, dict[str, str | None]] = field(default_factory=dict)

    def entry(self, path: str) -> Entry | None:
        """The entry of a path, None where there is none. Raises: Unknown."""
        return self.paths[self.place(path)]

    def place(self, path: str) -> str:
        """The path that answers for a path: itself, or one above that is not there. Raises: Unknown."""
        for folder in folders_above(path):
            if self.paths.get(folder, self) is None:
                return folder
        if path not in self.paths:
            raise Unknown(path)
        return path

    def row(self, file: str, name: str) -> str | None:
        """The line of a name. Raises: Unknown."""
        rows = self.rows.get(file, {})
        if name not in rows:
            raise Unknown(name)
        return rows[name]

    def note_row(self, file: str, name: str, row: str | None) -> None:
        self.rows.setdefault(file, {})[name] = row

    def adopt(self, other: Facts) -> bool:
        """Add the answers of another about the same tree; whether one of them was new."""
        is_new = any(path not in self.paths for path in other.paths)
        self.paths.update(other.paths)
        for file, rows in other.rows.items():
            known = self.rows.setdefault(file, {})
            is_new = is_new or any(name not in known for name in rows)
            known.update(rows)
        return is_new

    @property
    def is_worth_carrying(self) -> bool:
        return 0 < self.count <= _MOST and all(map(_is_text, self._texts()))

    @property
    def count(self) -> int:
        """How many answers there are."""
        return len(self.paths) + sum(map(len, self.rows.values()))

    def _texts(self) -> Iterator[str]:
        yield from self.paths
        yield from (entry.target for entry in self.paths.values() if entry)
        for file, rows in self.rows.items():
            yield from (file, *rows, *(row for row in rows.values() if row))

    def to_carry(self, layers: int) -> dict[str, Any]:
        """What a config carries about a base of that many layers."""
        return {"layers": layers, **self.to_json()}

    def to_json(self) -> dict[str, Any]:
        return {"paths": {path: entry and list(entry[:5]) for path, entry in self.paths.items()}, "rows": self.rows}


def facts_of(value: Any) -> Facts:
    """Facts from their JSON; none at all from what is not in that form, whoever wrote it."""
    try:
        paths = {_path(path): None if row is None else _entry(*row) for path, row in value["paths"].items()}
        rows = {
            _path(file): {str(name): _row(str(name), row) for name, row in known.items()}
            for file, known in value["rows"].items()
        }
        return Facts(paths, rows)
    except (KeyError, TypeError, ValueError, AttributeError):
        return Facts()


def _entry(kind: Any, mode: Any, uid: Any, gid: Any, target: Any) -> Entry:
    if kind not in ("file", "dir", "symlink", "special") or not isinstance(target, str):
        raise ValueError(kind)
    if not all(type(number) is int and 0 <= number <= _MAX_ID for number in (mode, uid, gid)) or mode > 0o7777:
        raise ValueError(mode)
    if len(target) > MAX_PATH_BYTES or "\0" in target or bool(target) != (kind == "symlink"):
        raise ValueError(target)
    return Entry(kind, mode, uid, gid, target)


def _path(text: str) -> str:
    """A path as we write them."""
    if "\0" in text or clean_path(text) != text:
        raise ValueError(text)
    return text


def _row(name: str, row: Any) -> str | None:
    """A line of a file of columns that begins with a name."""
    if row is None:
        return None
    if not isinstance(row, str) or row.partition(":")[0] != name or "\n" in row or len(row) > _MAX_ROW:
        raise ValueError(name)
    return row


def _is_text(text: str) -> bool:
    """Whether a config can hold it: a name in an image need not be UTF-8."""
    return text.isprintable() or not any("\ud800" <= sign <= "\udfff" for sign in text)


def carried_facts(config: bytes, diff_ids: Sequence[str]) -> Facts:
    """What an image's config tells of a base of these layers; nothing where it has another base."""
    try:
        image = parse_json(config)
        carried = image[KEY]
        if carried["layers"] != len(diff_ids) or image["rootfs"]["diff_ids"][: len(diff_ids)] != list(diff_ids):
            return Facts()
        facts = facts_of(carried)
        return facts if facts.count <= _MOST else Facts()
    except (KeyError, TypeError, ValueError):
        return Facts()
