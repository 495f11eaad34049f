"""A base's file tree, which reads its layers only when no fact about the base answers."""

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
from shipit.image.native.base_facts import KEY, BaseFacts, UnknownFact, facts_from_config, parse_facts
from shipit.image.native.owner import find_row
from shipit.image.tree.entries import MAX_PATH_BYTES, Entry
from shipit.image.tree.paths import folders_above

# Kinds of memos: facts read from a base's layers, and facts from configs of published images.
_FROM_LAYERS, _FROM_CONFIGS = "base-2", "told-1"


class BaseTree(Mapping[str, Entry]):
    """The tree of a base's layers. Lookups of earlier builds, here or in published images, are answered by facts.

    `earlier` returns configs of images in the image's own repositories, which may contain facts about the same base.
    Whoever may push there could forge facts, and so change where a build without layers puts its files. Facts from
    configs are therefore stored for builds of `scope` only.
    """

    def __init__(
        self,
        layers: tuple[Layer, ...],
        reader: LayerReader,
        earlier: Callable[[], Iterable[bytes]],
        scope: str,
    ) -> None:
        self.layers = layers
        self.used, self._from_layers, self._from_configs = BaseFacts(), BaseFacts(), BaseFacts()
        self._store = reader.store
        self._reader = reader
        self._earlier = earlier
        self._diff_ids = [layer.diff_id for layer in layers]
        self._key = Digest.of(" ".join(self._diff_ids).encode())
        self._scope = Digest.of(f"{self._key} {scope}".encode("utf-8", "surrogateescape"))
        self._tree: LayeredTree | None = None
        self._sources: list[tuple[BaseFacts, BaseFacts]] = []
        self._more = self._fact_sources()

    def __getitem__(self, path: str) -> Entry:
        if len(path) > MAX_PATH_BYTES:
            raise KeyError(path)
        try:
            entry = self.used.entry(path)
        except UnknownFact:
            entry = self._look_up(path)
        if entry is None:
            raise KeyError(path)
        return entry

    def __iter__(self) -> Iterator[str]:
        return iter(self.whole())

    def __len__(self) -> int:
        return len(self.whole())

    def row(self, file: str, name: str) -> str | None:
        """The line of a name in a file such as /etc/passwd, or None. Raises: BuildError, RemoteError."""
        row, kept_in = self._row(file, name)
        for notes in (kept_in, self.used):
            notes.note_row(file, name, row)
        return row

    def _row(self, file: str, name: str) -> tuple[str | None, BaseFacts]:
        for facts, kept_in in chain(((self.used, self.used),), self._facts()):
            try:
                return facts.row(file, name), kept_in
            except UnknownFact:
                continue
        entry = self.whole().get(file)
        data = read_users(file, entry, self._reader) if entry else b""
        return find_row(data.decode("utf-8", "replace"), name), self._from_layers

    def whole(self) -> LayeredTree:
        """The complete tree with contents, from the layers. Raises: BuildError, RemoteError."""
        if self._tree is None:
            with ThreadPoolExecutor(max_workers=4) as pool:
                self._tree = LayeredTree(list(pool.map(self._reader.index, self.layers)))
        return self._tree

    def facts_for_config(self) -> dict[str, Any]:
        """The keys to add to the config of an image on this base; empty for no facts, or too many."""
        return {KEY: self.used.to_config_json(len(self.layers))} if self.used.fits_in_config else {}

    def save(self) -> None:
        """Store new facts for later builds on this machine."""
        read = (_FROM_LAYERS, self._key, self._from_layers)
        for kind, key, new in (read, (_FROM_CONFIGS, self._scope, self._from_configs)):
            known = parse_facts(self._store.recall(kind, key))
            if known.merge(new):
                self._store.note(kind, key, known.to_json())

    def _look_up(self, path: str) -> Entry | None:
        """The entry at a path without a fact so far."""
        for facts, kept_in in self._facts():
            try:
                place = facts.known_path(path)
            except UnknownFact:
                continue
            return self._record(place, facts.paths[place], kept_in)
        tree = self.whole()
        for place in (*folders_above(path), path):
            if place not in tree:
                return self._record(place, None, self._from_layers)
        return self._record(path, tree[path]._replace(size=0, content=None, capability=""), self._from_layers)

    def _record(self, place: str, entry: Entry | None, kept_in: BaseFacts) -> Entry | None:
        self.used.paths[place] = kept_in.paths[place] = entry
        return entry

    def _facts(self) -> Iterator[tuple[BaseFacts, BaseFacts]]:
        """Sources of facts, cheapest first, each with the facts to add used ones to; none once the tree is loaded."""
        if self._tree is not None:
            return
        yield from self._sources
        for source in self._more:
            self._sources.append(source)
            yield source

    def _fact_sources(self) -> Iterator[tuple[BaseFacts, BaseFacts]]:
        yield parse_facts(self._store.recall(_FROM_LAYERS, self._key)), self._from_layers
        if not all(self._reader.has_index(layer) for layer in self.layers):
            yield parse_facts(self._store.recall(_FROM_CONFIGS, self._scope)), self._from_configs
            for config in self._earlier():
                yield facts_from_config(config, self._diff_ids), self._from_configs
