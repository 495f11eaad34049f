"""A base's tree, whose layers are read only where nothing that is known answers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from typing import Any

from shipit.digest import Digest
from shipit.image.contents import read_users
from shipit.image.facts import KEY, Facts, Unknown, carried_facts, facts_of
from shipit.image.fetch import LayerReader
from shipit.image.image import Layer
from shipit.image.layered import LayeredTree
from shipit.image.owner import row_of
from shipit.image.tree import Entry

_MEMO = "base-1"


class BaseTree(Mapping[str, Entry]):
    """The tree of a base's layers. What was asked of it before, here or for an image that is published, needs no layer.

    `reader` reads layers; `earlier` gives the configs of images that may carry facts about the same base.
    """

    def __init__(
        self,
        layers: tuple[Layer, ...],
        reader: LayerReader,
        earlier: Callable[[], Iterable[bytes]],
    ) -> None:
        self.layers = layers
        self.asked = Facts()
        self._store = reader.store
        self._reader = reader
        self._earlier = earlier
        self._diff_ids = [layer.diff_id for layer in layers]
        self._key = Digest.of(" ".join(self._diff_ids).encode())
        self._tree: LayeredTree | None = None
        self._sources: list[Facts] = []
        self._more = self._known_facts()

    def __getitem__(self, path: str) -> Entry:
        try:
            entry = self.asked.entry(path)
        except Unknown:
            entry = self._found(path)
        if entry is None:
            raise KeyError(path)
        return entry

    def __iter__(self) -> Iterator[str]:
        return iter(self.whole())

    def __len__(self) -> int:
        return len(self.whole())

    def row(self, file: str, name: str) -> str | None:
        """The line of a name in a file of the base, such as /etc/passwd; None where there is none."""
        for facts in chain((self.asked,), self._facts()):
            try:
                row = facts.row(file, name)
                break
            except Unknown:
                continue
        else:
            entry = self.whole().get(file)
            data = read_users(file, entry, self._reader) if entry else b""
            row = row_of(data.decode("utf-8", "replace"), name)
        self.asked.note_row(file, name, row)
        return row

    def whole(self) -> LayeredTree:
        """All of it, with contents, from its layers. Raises: BuildError, RemoteError."""
        if self._tree is None:
            with ThreadPoolExecutor(max_workers=4) as pool:
                self._tree = LayeredTree(list(pool.map(self._reader.index, self.layers)))
        return self._tree

    def carried(self) -> dict[str, Any]:
        """What the config of an image on this base tells of it; empty where that is nothing, or too much."""
        return {KEY: self.asked.to_carry(len(self.layers))} if self.asked.is_worth_carrying else {}

    def save(self) -> None:
        """Keep what was asked for the next build here; nothing is written when nothing is new."""
        known = facts_of(self._store.recall(_MEMO, self._key))
        if known.adopt(self.asked):
            self._store.note(_MEMO, self._key, known.to_json())

    def _found(self, path: str) -> Entry | None:
        """The entry of a path that was not asked for before."""
        for facts in self._facts():
            try:
                place = facts.place(path)
            except Unknown:
                continue
            self.asked.paths[place] = facts.paths[place]
            return facts.paths[place]
        tree = self.whole()
        parts = path.split("/")
        for count in range(1, len(parts) + 1):
            place = "/".join(parts[:count])
            if place not in tree:
                self.asked.paths[place] = None
                return None
        self.asked.paths[path] = tree[path]._replace(size=0, content=None, capability="")
        return self.asked.paths[path]

    def _facts(self) -> Iterator[Facts]:
        """Facts by the cost of having them; none once the tree is there."""
        if self._tree is not None:
            return
        yield from self._sources
        for facts in self._more:
            self._sources.append(facts)
            yield facts

    def _known_facts(self) -> Iterator[Facts]:
        yield facts_of(self._store.recall(_MEMO, self._key))
        if not all(self._reader.has_index(layer) for layer in self.layers):
            for config in self._earlier():
                yield carried_facts(config, self._diff_ids)
