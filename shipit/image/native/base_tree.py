"""A base's tree, whose layers are read only where nothing that is known answers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from typing import Any

from shipit.digest import Digest
from shipit.image.image import Layer
from shipit.image.layers.contents import read_users
from shipit.image.layers.fetch import LayerReader
from shipit.image.layers.layered_tree import LayeredTree
from shipit.image.native.base_facts import KEY, Facts, Unknown, carried_facts, facts_of
from shipit.image.native.owner import row_of
from shipit.image.tree import MAX_PATH_BYTES, Entry, folders_above

# What was read of a base's layers; and what images that were published told of them, which only their own builds use.
_READ, _TOLD = "base-2", "told-1"


class BaseTree(Mapping[str, Entry]):
    """The tree of a base's layers. What was asked of it before, here or for an image that is published, needs no layer.

    `reader` reads layers; `earlier` gives the configs of images that may carry facts about the same base: those that the
    image's own repositories have. Who may write there may say where a build that has no layers puts its files, so what
    they say is kept for the builds of `scope`, and for no other.
    """

    def __init__(
        self,
        layers: tuple[Layer, ...],
        reader: LayerReader,
        earlier: Callable[[], Iterable[bytes]],
        scope: str,
    ) -> None:
        self.layers = layers
        self.asked, self._read, self._told = Facts(), Facts(), Facts()
        self._store = reader.store
        self._reader = reader
        self._earlier = earlier
        self._diff_ids = [layer.diff_id for layer in layers]
        self._key = Digest.of(" ".join(self._diff_ids).encode())
        self._scope = Digest.of(f"{self._key} {scope}".encode("utf-8", "surrogateescape"))
        self._tree: LayeredTree | None = None
        self._sources: list[tuple[Facts, Facts]] = []
        self._more = self._known_facts()

    def __getitem__(self, path: str) -> Entry:
        if len(path) > MAX_PATH_BYTES:
            raise KeyError(path)
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
        row, kept = self._row(file, name)
        for notes in (kept, self.asked):
            notes.note_row(file, name, row)
        return row

    def _row(self, file: str, name: str) -> tuple[str | None, Facts]:
        for facts, kept in chain(((self.asked, self.asked),), self._facts()):
            try:
                return facts.row(file, name), kept
            except Unknown:
                continue
        entry = self.whole().get(file)
        data = read_users(file, entry, self._reader) if entry else b""
        return row_of(data.decode("utf-8", "replace"), name), self._read

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
        for kind, key, new in ((_READ, self._key, self._read), (_TOLD, self._scope, self._told)):
            known = facts_of(self._store.recall(kind, key))
            if known.adopt(new):
                self._store.note(kind, key, known.to_json())

    def _found(self, path: str) -> Entry | None:
        """The entry of a path that was not asked for before."""
        for facts, kept in self._facts():
            try:
                place = facts.place(path)
            except Unknown:
                continue
            return self._noted(place, facts.paths[place], kept)
        tree = self.whole()
        for place in (*folders_above(path), path):
            if place not in tree:
                return self._noted(place, None, self._read)
        return self._noted(path, tree[path]._replace(size=0, content=None, capability=""), self._read)

    def _noted(self, place: str, entry: Entry | None, kept: Facts) -> Entry | None:
        self.asked.paths[place] = kept.paths[place] = entry
        return entry

    def _facts(self) -> Iterator[tuple[Facts, Facts]]:
        """Facts by the cost of having them, and where they are kept once they are used; none once the tree is there."""
        if self._tree is not None:
            return
        yield from self._sources
        for source in self._more:
            self._sources.append(source)
            yield source

    def _known_facts(self) -> Iterator[tuple[Facts, Facts]]:
        yield facts_of(self._store.recall(_READ, self._key)), self._read
        if not all(self._reader.has_index(layer) for layer in self.layers):
            yield facts_of(self._store.recall(_TOLD, self._scope)), self._told
            for config in self._earlier():
                yield carried_facts(config, self._diff_ids), self._told
